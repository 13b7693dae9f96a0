"""One QEMU process with its monitor: starts it, tells why it ended, ends it. Knows no agent."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from zonevm.errors import GuestError, GuestPanicError, QemuError, ZonevmError
from zonevm.host import needed
from zonevm.patience import Patience
from zonevm.processes import KEEPER_KILLED
from zonevm.service.rundir import RuntimeDir

_CONNECT_SECONDS = 60
_END_SECONDS = 30
_EVENT_SECONDS = 5
_TURN_SECONDS = 10
_POLL_SECONDS = 0.01
_LAST_LINES = 30
PANIC = "Kernel panic - not syncing"
_BOOTS = "] Linux version "
_STAGE1 = "zonevm: stage 1: "
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
        self._turn = threading.RLock()
        self.resets = 0
        """How often the reset button was pressed."""
        with needed(log_dir):
            (log_dir / "command").write_bytes(os.fsencode(shlex.join(argv) + "\n"))
        try:
            self._process = runtime.start(argv, log_dir / "qemu.log", descriptors)
        except OSError as error:
            raise QemuError(f"cannot start {argv[0]}: {error.strerror}") from error
        from zonevm.machine.monitor import Monitor  # noqa: PLC0415  # asyncio loads while QEMU starts

        self._monitor = Monitor(monitor, self.pid)

    @property
    def pid(self) -> int:
        """The id of the QEMU process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether QEMU runs and its virtual machine is sound."""
        return self._process.poll() is None and not (self._monitor.broken or self._monitor.garbled)

    def connect(self) -> None:
        """Connect QMP, as soon as QEMU offers it. Raises :class:`QemuError` where QEMU ends before."""
        patience = Patience(_CONNECT_SECONDS, self.pid)
        while not self._monitor.connect():
            if not self.alive:
                raise self.failure()
            if patience.is_over():
                raise QemuError("QEMU does not answer on its monitor", self.where("qemu.log"))
            time.sleep(_POLL_SECONDS)

    def qmp(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Execute a QMP command and return its answer. Raises :class:`QemuError` where it fails."""
        try:
            return self._monitor.execute(command, arguments)
        except QemuError as error:
            if not self.alive:
                raise self.failure() from error
            raise

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
        if self._monitor.garbled:
            return QemuError(
                f"QEMU's monitor answers with what is not QMP: {self._monitor.garbled}",
                self.where("qemu.log"),
            )
        if not self._monitor.broken:
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
        if self._monitor.broken:
            return QemuError(
                f"the guest's virtual machine stopped: {self._monitor.broken}", "Try --accel tcg. " + seen
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
        return not (self._monitor.broken or self._monitor.garbled) and self._await_end() == 0

    def kill(self) -> None:
        """End QEMU at once; what waits for the guest then learns so."""
        self._process.kill()

    def stop(self) -> None:
        """End QEMU at once, and the QMP connection. Does nothing the second time."""
        self._process.kill()
        self._process.wait()
        self._monitor.close()

    def _await_end(self) -> int | None:
        """Return the exit code of a QEMU that is about to end; None where it does not."""
        patience = Patience(_END_SECONDS, self.pid)
        while self._process.poll() is None and not patience.is_over():
            time.sleep(_POLL_SECONDS)
        return self._process.returncode

    def _reason(self) -> str:
        """Return why QEMU ended of itself, by its own last event, which may just be on its way."""
        patience = Patience(_EVENT_SECONDS)
        while not self._monitor.ended_because and self._monitor.connected and not patience.is_over():
            time.sleep(_POLL_SECONDS)
        return self._monitor.ended_because

    def where(self, name: str) -> str:
        """Return a sentence with the place of a log."""
        return f"The log is {self._log_dir / name}"


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
