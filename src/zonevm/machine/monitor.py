"""QEMU's monitor: a QMP connection, in a thread of its own. Tells what was said; knows no process's end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ConnectError, ExecInterruptedError, Message, QMPClient, Runstate, StateError
from qemu.qmp.error import QMPError
from qemu.qmp.events import EventListener

from zonevm.errors import QemuError
from zonevm.latch import Latch
from zonevm.patience import Patience

_Result = TypeVar("_Result")

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())

_CONNECT_SECONDS = 60
_COMMAND_SECONDS = 30
_EVENT_SECONDS = 5
_POLL_SECONDS = 0.01
_BROKEN = ("internal-error", "io-error")


class Monitor:
    """The monitor at socket ``path`` of the QEMU that is process ``pid``.

    Once it is connected any thread may use it, also while another one closes it: commands that are in flight
    then fail.
    """

    def __init__(self, path: Path, pid: int) -> None:
        self._path = path
        self._pid = pid
        self.ended_because = ""
        """Why QEMU ended of itself, by its own last event."""
        self.broken = ""
        """What made the virtual machine stop."""
        self.garbled = ""
        """What came that is not QMP."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zonevm-qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("zonevm")
        # It would keep every event, and guests cause them.
        self._client.events.event_filter = lambda event: False
        self._watchers: list[concurrent.futures.Future[None]] = []
        self._calls: set[asyncio.Task[Any]] = set()
        self._starting = threading.Lock()
        self._stopped = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._client.runstate is Runstate.RUNNING

    def connect(self) -> bool:
        """Connect, and watch what QEMU tells of itself; return whether QEMU is ready for that."""
        if not self._path.exists() or not self._try_connect():
            return False
        self._watchers = [
            asyncio.run_coroutine_threadsafe(work, self._loop)
            for work in (self._listen(), self._counted(self._watch()))
        ]
        return True

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Execute a command and return its answer. Raises :class:`QemuError` where it fails."""
        try:
            return self._call(self._client.execute(command, arguments), _COMMAND_SECONDS)
        except (QMPError, OSError, TimeoutError) as error:
            if isinstance(error, ExecInterruptedError):
                self._await_watchers()
            raise QemuError(f"QEMU refused the command {command}: {error}") from error

    def close(self) -> None:
        """End the connection to a QEMU that has ended. Does nothing the second time."""
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

    def _await_watchers(self) -> None:
        """Wait until it is known why the connection ended."""
        patience = Patience(_EVENT_SECONDS)
        while not all(watcher.done() for watcher in self._watchers[1:]) and not patience.is_over():
            time.sleep(_POLL_SECONDS)

    def _try_connect(self) -> bool:
        try:
            self._call(self._client.connect(str(self._path)), _CONNECT_SECONDS)
        except ConnectError as error:
            if not isinstance(error.exc, (OSError, EOFError)):
                self.garbled = _first_line(error.exc)
            return False
        except (QMPError, OSError):
            return False
        return True

    async def _listen(self) -> None:
        stopped = asyncio.Event()

        def heard(event: Message) -> bool:
            if event["event"] == "SHUTDOWN":
                self.ended_because = _text(event.get("data"), "reason")
            else:
                stopped.set()
            return False  # nothing waits in the listener, however many come

        with self._client.listen(EventListener(names=("SHUTDOWN", "STOP"), event_filter=heard)):
            while True:
                await stopped.wait()
                stopped.clear()
                status = _text(await self._client.execute("query-status"), "status")
                if status in _BROKEN:
                    self.broken = f"QEMU reports {status}"

    async def _watch(self) -> None:
        """Wait for the end of the QMP connection, and note one that is not QEMU's end."""
        while self.connected:
            await self._client.runstate_changed()
        try:
            await self._client.disconnect()
        except (EOFError, OSError, StateError):
            return
        except Exception as error:  # whatever qemu.qmp raises for bytes that are not QMP: ValueError for one
            self.garbled = _first_line(error)

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
            patience = Patience(seconds, self._pid)
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


def _text(answer: object, key: str) -> str:
    """Return a string of a QMP object."""
    return str(answer.get(key, "")) if isinstance(answer, dict) else ""


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]
