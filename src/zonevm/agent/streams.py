"""The host's ends of a command's streams: where its stdin comes from, where its output goes.

They keep to the credit of ``protocol.py`` and never block whoever hands them data. Know no guest.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

from zonevm import standard_streams
from zonevm.agent.protocol import CHUNK, WINDOW, ProtocolError
from zonevm.errors import GuestError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class Sink(Protocol):
    """Takes the output of a stream: :meth:`put` in order, ``b""`` at the end."""

    error: Exception | None
    """What went wrong on the way out, or None. A reader that went away is no error."""

    def start(self, passed: Callable[[int], None], closed: Callable[[], None]) -> None:
        """Begin; ``passed`` is told bytes that went out, ``closed`` that no more are wanted."""

    def put(self, data: bytes) -> None:
        """Take data, without blocking."""

    def join(self) -> None:
        """Wait until all was passed on."""


class Captured:
    """Keeps the output in memory."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._data = bytearray()
        self._passed: Callable[[int], None] | None = None

    def start(self, passed: Callable[[int], None], closed: Callable[[], None]) -> None:
        self._passed = passed

    def put(self, data: bytes) -> None:
        if data and self._passed:
            self._data += data
            self._passed(len(data))

    def join(self) -> None:
        pass

    def value(self) -> bytes:
        """Return all of the output."""
        return bytes(self._data)


class BoundedFile(io.BytesIO):
    """A file in memory for output whose size is known about: more is an error."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: Buffer) -> int:
        """Write; raises :class:`GuestError` beyond the limit."""
        if self.tell() + len(memoryview(data)) > self._limit:
            raise GuestError(f"the guest answers with more than {self._limit} bytes")
        return super().write(data)


class Written:
    """Writes the output to a file or a file descriptor of the host, in a thread of its own."""

    def __init__(self, target: BinaryIO | int) -> None:
        self.error: Exception | None = None
        self._target = target
        self._data: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, passed: Callable[[int], None], closed: Callable[[], None]) -> None:
        self._thread = threading.Thread(
            target=self._work, args=(passed, closed), name="zonevm-out", daemon=True
        )
        self._thread.start()

    def put(self, data: bytes) -> None:
        self._data.put(data)

    def join(self) -> None:
        if self._thread:
            self._thread.join()

    def _work(self, passed: Callable[[int], None], closed: Callable[[], None]) -> None:
        wanted = True
        while data := self._data.get():
            if wanted:
                try:
                    self._write(data)
                except Exception as error:  # whatever a caller's file raises; the guest must not wait for it
                    wanted = False
                    self.error = None if isinstance(error, BrokenPipeError) else error
                    closed()
            passed(len(data))

    def _write(self, data: bytes) -> None:
        if not isinstance(self._target, int):
            self._target.write(data)
            self._target.flush()
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:
                select.select([], [self._target], [])
            except OSError as error:
                if self._target < len(standard_streams.NAMES):
                    error.filename = standard_streams.NAMES[self._target]
                raise


class Source:
    """Feeds a command's stdin from bytes, a file or a file descriptor, no more than the command takes."""

    def __init__(self, origin: bytes | BinaryIO | int | None) -> None:
        """Take ``origin``; None is an empty input."""
        self.error: Exception | None = None
        """What reading the origin raised; the command's input ended there."""
        self._origin = origin
        self._credit = WINDOW
        self._sent = 0  # counted by whoever sends, and the next by whoever takes credit: no lock
        self._returned = 0
        self._granted: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stopping = threading.Lock()
        self._stopped = False
        self._wake_read, self._wake_write = -1, -1

    def start(self, send: Callable[[bytes], None]) -> None:
        """Begin; ``send`` is given the data, ``b""`` at the end."""

        def counted(data: bytes) -> None:
            self._sent += len(data) or 1  # at its end a terminal gets Ctrl-D, and gives credit for it
            send(data)

        if self._origin is None or self._origin == b"":
            counted(b"")
            return
        self._wake_read, self._wake_write = os.pipe()
        threading.Thread(target=self._work, args=(counted,), name="zonevm-in", daemon=True).start()

    def credit(self, count: int) -> None:
        """Allow ``count`` bytes more. Raises :class:`ProtocolError` for more than are on their way."""
        if not 0 < count <= self._sent - self._returned:
            raise ProtocolError(
                f"credit for {count} bytes of input; {self._sent - self._returned} are on their way"
            )
        self._returned += count
        self._granted.put(count)

    def stop(self) -> None:
        """Read no more from the origin."""
        with self._stopping:
            if not self._stopped and self._wake_write >= 0:
                os.close(self._wake_write)
                self._wake_write = -1
            self._stopped = True
        self._granted.put(0)

    def _work(self, send: Callable[[bytes], None]) -> None:
        reader = self._reader()
        try:
            while size := self._allowed():
                data = reader(size)
                if data is None:
                    return
                self._credit -= len(data)
                send(data)
                if not data:
                    return
        except Exception as error:  # whatever a caller's file raises; the command must not wait for it
            self.error = error
            send(b"")
        finally:
            os.close(self._wake_read)

    def _allowed(self) -> int:
        """Return how many bytes may be read now, waiting for there to be any; 0 when stopped."""
        while not self._stopped and (not self._credit or not self._granted.empty()):
            self._credit += self._granted.get()
        return 0 if self._stopped else min(self._credit, CHUNK)

    def _reader(self) -> Callable[[int], bytes | None]:
        origin = self._origin
        if isinstance(origin, bytes):
            left = memoryview(origin)

            def from_memory(size: int) -> bytes:
                nonlocal left
                data, left = bytes(left[:size]), left[size:]
                return data

            return from_memory
        assert origin is not None
        if isinstance(origin, int):
            return lambda size: self._from_descriptor(origin, size)
        with contextlib.suppress(OSError, AttributeError):
            descriptor = origin.fileno()
            return lambda size: self._from_descriptor(descriptor, size)
        return origin.read

    def _from_descriptor(self, descriptor: int, size: int) -> bytes | None:
        """Read from a descriptor, or return None when stopped before there was anything to read."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake_read in ready:
                return None
            try:
                return os.read(descriptor, size)
            except BlockingIOError:
                continue
            except OSError:  # such as a terminal that hung up
                return b""
