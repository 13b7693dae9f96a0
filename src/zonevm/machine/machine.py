"""One QEMU process and its QMP connection: starts it, tells why it ended, ends it. Knows no agent."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import shlex
import threading
import time
from collections.abc import Collection, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, ExecInterruptedError, Message, QMPClient, Runstate, StateError
from qemu.qmp.error import QMPError
from qemu.qmp.events import EventListener

from zonevm.errors import GuestError, GuestPanicError, QemuError, ZonevmError
from zonevm.host import needed
from zonevm.latch import Latch
from zonevm.patience import Patience
from zonevm.processes import KEEPER_KILLED
from zonevm.service.rundir import RuntimeDir

_Result = TypeVar("_Result")

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

_CONNECT_SECONDS = 60
_COMMAND_SECONDS = 30
_EVENT_SECONDS = 5
_TURN_SECONDS = 10
_POLL_SECONDS = 0.01
_LAST_LINES = 30
PANIC = "Kernel panic - not syncing"
_BOOTS = "] Linux version "
_STAGE1 = "zonevm: stage 1: "
_BROKEN = ("internal-error", "io-error")
_GUEST_DID = {"guest-shutdown": "powered itself off", "guest-reset": "rebooted"}


class RunningMachine:
    """A QEMU that runs, or ran.

    Once it is connected any thread may use it, also while another one stops it: commands that are in flight
    then fail. Commands that belong together are for :meth:`alone`.
    """

    def __init__(
        self,
        argv: list[str],
        monitor: Path,
        log_dir: Path,
        runtime: RuntimeDir,
        descriptors: Collection[int] = (),
    ) -> None:
        """Start QEMU with open ``descriptors``; it ends with ``runtime``.

        Raises :class:`QemuError` where it cannot be executed.
        """
        self._log_dir = log_dir
        self._monitor = monitor
        self._ended_because = ""
        self._broken = ""
        self._garbled = ""
        self.resets = 0
        """How often the reset button was pressed."""
        with needed(log_dir):
            (log_dir / "command").write_bytes(os.fsencode(shlex.join(argv) + "\n"))
        try:
            self._process = runtime.start(argv, log_dir / "qemu.log", descriptors)
        except OSError as error:
            raise QemuError(f"cannot start {argv[0]}: {error.strerror}") from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zonevm-qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("zonevm")
        # It would keep every event, and guests cause them.
        self._client.events.event_filter = lambda event: False
        self._watchers: list[concurrent.futures.Future[None]] = []
        self._calls: set[asyncio.Task[Any]] = set()
        self._turn = threading.RLock()
        self._starting = threading.Lock()
        self._stopped = False

    @property
    def pid(self) -> int:
        """The id of the QEMU process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether QEMU runs and its virtual machine is sound."""
        return self._process.poll() is None and not (self._broken or self._garbled)

    def connect(self) -> None:
        """Connect QMP, as soon as QEMU offers it. Raises :class:`QemuError` where QEMU ends before."""
        patience = Patience(_CONNECT_SECONDS, self.pid)
        while not self._monitor.exists() or not self._try_connect():
            if not self.alive:
                raise self.failure()
            if patience.is_over():
                raise QemuError("QEMU does not answer on its monitor", self.where("qemu.log"))
            time.sleep(_POLL_SECONDS)
        self._watchers = [
            asyncio.run_coroutine_threadsafe(work, self._loop)
            for work in (self._listen(), self._counted(self._watch()))
        ]

    def qmp(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Execute a QMP command and return its answer. Raises :class:`QemuError` where it fails."""
        try:
            return self._call(self._client.execute(command, arguments), _COMMAND_SECONDS)
        except (QMPError, OSError, TimeoutError) as error:
            if isinstance(error, ExecInterruptedError):
                self._await_watchers()
            if not self.alive:
                raise self.failure() from error
            raise QemuError(f"QEMU refused the command {command}: {error}") from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads that ask for it from resetting the machine, or cutting its power, meanwhile.

        Raises :class:`GuestError` where another one is at it for long.
        """
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise GuestError(
                "the guest is being reset, or its power cut, already", "Try again once it is up."
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def resetting(self) -> Iterator[None]:
        """Press the reset button; while entered, the guest may also reset itself, as firmware then does."""
        self.qmp("set-action", {"reboot": "reset"})
        self.qmp("system_reset")
        self.resets += 1
        yield
        self.qmp("set-action", {"reboot": "shutdown"})

    def console_size(self) -> int:
        """Return how many bytes the guest has written to its console."""
        with contextlib.suppress(FileNotFoundError):
            return (self._log_dir / "console.log").stat().st_size
        return 0

    def console(self) -> str:
        """Return all that the guest has written to its console."""
        try:
            data = (self._log_dir / "console.log").read_bytes()
        except FileNotFoundError:
            return ""
        return data.decode("utf-8", "replace").replace("\r", "")

    def failure(self) -> ZonevmError:
        """Return the error that says why the machine is not alive, once it has ended or broken."""
        if self._garbled:
            return QemuError(
                f"QEMU's monitor answers with what is not QMP: {self._garbled}", self.where("qemu.log")
            )
        if not self._broken:
            self._await_end()
        console = self.console()
        lines = console.rstrip().splitlines()
        last = "\n".join(lines[-_LAST_LINES:])
        seen = self.where("console.log")
        if PANIC in console:
            panic = next(line for line in lines if PANIC in line).partition(PANIC)[2].strip(": ")
            trouble = "\n".join(_from_trouble(lines))
            return GuestPanicError(f"the guest's kernel panicked: {panic}", seen, trouble)
        if _STAGE1 in console:
            what = next(line for line in reversed(lines) if _STAGE1 in line).partition(_STAGE1)[2]
            return GuestError(f"the guest could not start: {what}", seen)
        if self._broken:
            return QemuError(
                f"the guest's virtual machine stopped: {self._broken}", "Try --accel tcg. " + seen
            )
        if self._process.keeper_ended:
            return QemuError(*KEEPER_KILLED)
        code = self._process.returncode
        if code is None:
            return QemuError("QEMU hung up on the guest's agent, and does not end", self.where("qemu.log"))
        reason = self._reason() if code == 0 else ""
        if reason in _GUEST_DID:
            return GuestError(f"the guest {_GUEST_DID[reason]}; its last lines were:\n{last}", seen)
        said = (self._log_dir / "qemu.log").read_text(errors="replace").strip() or "it said nothing"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return QemuError(f"QEMU {how}: {said}", self.where("qemu.log"))

    def ended_well(self) -> bool:
        """Wait for a machine that is not alive to be gone; return whether QEMU ended without an error."""
        return not (self._broken or self._garbled) and self._await_end() == 0

    def kill(self) -> None:
        """End QEMU at once; what waits for the guest then learns so."""
        self._process.kill()

    def stop(self) -> None:
        """End QEMU at once, and the QMP connection. Does nothing the second time."""
        self._process.kill()
        self._process.wait()
        if not self._loop.is_running():
            return
        for watcher in self._watchers:
            watcher.cancel()
        # What of QMP's own tasks fails from now on is nobody's: asyncio would print it when it is collected.
        self._loop.set_exception_handler(lambda *_: None)
        with contextlib.suppress(Exception):  # what ended the connection, which was told already
            self._call(self._disconnect(), _COMMAND_SECONDS, last=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _await_end(self) -> int | None:
        """Return the exit code of a QEMU that is about to end; None where it does not."""
        patience = Patience(_COMMAND_SECONDS, self.pid)
        while self._process.poll() is None and not patience.is_over():
            time.sleep(_POLL_SECONDS)
        return self._process.returncode

    def _await_watchers(self) -> None:
        """Wait until it is known why the connection ended."""
        patience = Patience(_EVENT_SECONDS)
        while not all(watcher.done() for watcher in self._watchers[1:]) and not patience.is_over():
            time.sleep(_POLL_SECONDS)

    def _reason(self) -> str:
        """Return why QEMU ended of itself, by its own last event, which may just be on its way."""
        patience = Patience(_EVENT_SECONDS)
        while (
            not self._ended_because and self._client.runstate is Runstate.RUNNING and not patience.is_over()
        ):
            time.sleep(_POLL_SECONDS)
        return self._ended_because

    def _try_connect(self) -> bool:
        try:
            self._call(self._client.connect(str(self._monitor)), _CONNECT_SECONDS)
        except ConnectError as error:
            if not isinstance(error.exc, (OSError, EOFError)):
                self._garbled = _first_line(error.exc)
            return False
        except (QMPError, OSError):
            return False
        return True

    async def _listen(self) -> None:
        stopped = asyncio.Event()

        def heard(event: Message) -> bool:
            if event["event"] == "SHUTDOWN":
                self._ended_because = _text(event.get("data"), "reason")
            else:
                stopped.set()
            return False  # nothing waits in the listener, however many come

        with self._client.listen(EventListener(names=("SHUTDOWN", "STOP"), event_filter=heard)):
            while True:
                await stopped.wait()
                stopped.clear()
                status = _text(await self._client.execute("query-status"), "status")
                if status in _BROKEN:
                    self._broken = f"QEMU reports {status}"

    async def _watch(self) -> None:
        """Wait for the end of the QMP connection, and note one that is not QEMU's end."""
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()
        try:
            await self._client.disconnect()
        except (EOFError, OSError, StateError):
            return
        except Exception as error:  # whatever qemu.qmp raises for bytes that are not QMP: ValueError for one
            self._garbled = _first_line(error)

    def _call(self, coroutine: Coroutine[Any, Any, _Result], seconds: float, last: bool = False) -> _Result:
        done = Latch()
        with self._starting:
            if self._stopped:
                coroutine.close()
                raise ConnectionAbortedError("the machine was stopped")
            self._stopped = last
            future = asyncio.run_coroutine_threadsafe(self._counted(coroutine), self._loop)
        future.add_done_callback(lambda _: done.set())
        try:
            patience = Patience(seconds, self.pid)
            while not done.wait(_POLL_SECONDS):
                if patience.is_over():
                    raise TimeoutError(f"no answer in {seconds} s, nor did QEMU lack a processor")
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _counted(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await coroutine
        finally:
            self._calls.discard(task)

    async def _disconnect(self) -> None:
        """Disconnect when calls that were given up have ended: a connect may be disconnecting of itself."""
        given_up = [call for call in self._calls if call is not asyncio.current_task()]
        if given_up:
            await asyncio.wait(given_up)
        if self._client.runstate is not Runstate.IDLE:
            await self._client.disconnect()

    def where(self, name: str) -> str:
        """Return a sentence with the place of a log."""
        return f"The log is {self._log_dir / name}"


def _text(answer: object, key: str) -> str:
    """Return a string of a QMP object."""
    return str(answer.get(key, "")) if isinstance(answer, dict) else ""


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]


def _from_trouble(lines: list[str]) -> list[str]:
    """Return the lines from the beginning of the oops (or the panic) that ended the guest.

    Those of a capture kernel, which boots afterwards, are left out.
    """
    panic = next(index for index, line in enumerate(lines) if PANIC in line)
    after = range(panic, len(lines))
    lines = lines[: next((index for index in after if _BOOTS in lines[index]), len(lines))]
    first = max(0, panic - 2 * _LAST_LINES)
    for index in range(panic, first, -1):
        if any(mark in lines[index] for mark in ("BUG:", "Oops:", "general protection fault", "sysrq:")):
            return lines[index:]
    return lines[max(0, panic - _LAST_LINES // 2) :]
