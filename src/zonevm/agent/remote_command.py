"""One command in the guest, as the host sees it: its streams, its end, what the agent may send of it.

The guest is not trusted: what is kept of what it sends is bounded, and each frame is checked. Knows no
connection: it is handed frames, and a function that sends some.
"""

from __future__ import annotations

import os
import re
import struct
import threading
from collections.abc import Callable
from functools import partial

from zonevm.agent import protocol
from zonevm.agent.protocol import ProtocolError
from zonevm.agent.streams import Sink, Source
from zonevm.latch import Latch

Frame = bytes | Callable[[], bytes]
"""What is sent: its bytes, or what makes them at the moment they are sent."""

_FAILED = re.compile(rb"(\d{1,4}) (cwd|exec)")


class ConnectionLostError(Exception):
    """The agent is gone: the guest ended, panicked or was reset."""


class NotStartedError(Exception):
    """A command could not be started: ``number`` is the errno, ``doing`` what failed: ``cwd`` or ``exec``."""

    def __init__(self, number: int, doing: str) -> None:
        super().__init__(f"{doing}: {os.strerror(number)}")
        self.number = number
        self.doing = doing


class _Inflow:
    """Counts what comes in on one output stream: no more than the credit given, and nothing after its end.

    Credit counts as given when its frame goes out, and one frame waits at most: a guest may read none.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._ended = False
        self._received = 0
        self._granted = 0
        self._passed = 0  # on to the sink, and no credit given for it yet
        self._lock = threading.Lock()

    def take(self, data: bytes) -> None:
        """Hand data on."""
        room = protocol.WINDOW + self._granted - self._received
        if self._ended:
            raise ProtocolError("data after the end of their stream")
        if not 0 < len(data) <= room:
            raise ProtocolError(f"{len(data)} bytes of data with credit for {room}")
        self._received += len(data)
        self.sink.put(data)

    def end(self) -> None:
        """Hand the end on."""
        if self._ended:
            raise ProtocolError("a second end of a stream")
        self._ended = True
        self.sink.put(b"")

    def pass_on(self, count: int) -> bool:
        """Note that the sink passed bytes on; return whether a frame has to be sent, and none waits yet."""
        with self._lock:
            self._passed += count
            return self._passed == count

    def grant(self) -> bytes:
        """Give credit for what was passed on; return it as payload."""
        with self._lock:
            count, self._passed = self._passed, 0
            self._granted += count
        return protocol.U32.pack(count)

    @property
    def ended(self) -> bool:
        """Whether the end has come."""
        return self._ended


class RemoteCommand:
    """One command in the guest, as :meth:`Client.execute` started it.

    ``send`` sends a frame to the agent some time soon; ``forget`` ends that its frames come here.
    """

    def __init__(
        self,
        number: int,
        source: Source,
        sinks: dict[int, Sink],
        *,
        send: Callable[[Frame], None],
        forget: Callable[[int], None],
    ) -> None:
        self._number = number
        self._send_frame = send
        self._forget = forget
        self._source = source
        self._inflows = {stream: _Inflow(sink) for stream, sink in sinks.items()}
        self._over = Latch()
        self._code: int | None = None
        self._error: Exception | None = None

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code (minus the signal for one that was killed), or None after ``timeout`` seconds.

        Raises :class:`NotStartedError` for one that did not start, :class:`ConnectionLostError`, and what
        reading its input or writing its output raised, but for a closed pipe.
        """
        if not self._over.wait(timeout):
            return None
        self._source.stop()
        self._error = self._error or self._source.error
        for inflow in self._inflows.values():
            inflow.sink.join()
            self._error = self._error or inflow.sink.error
        if self._error is not None:
            raise self._error
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the command's process group."""
        self._send(protocol.SIGNAL, payload=protocol.U32.pack(number))

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command's terminal its new size."""
        self._send(protocol.RESIZE, payload=protocol.SIZE.pack(rows, columns))

    def abandon(self) -> None:
        """Kill the command and take no more from it."""
        self._forget(self._number)  # first, so that it cannot end as one that was killed
        self.signal(9)
        for stream in self._inflows:
            self._send(protocol.CLOSE, stream)
        self.end(error=ConnectionLostError("the command was abandoned"))
        self._source.stop()

    def handle(self, kind: int, stream: int, payload: bytes) -> None:
        """Take one frame of the agent. Never blocks: sinks have room for all that the agent may send.

        Raises :class:`ProtocolError` for one that the agent may not send.
        """
        if kind == protocol.DATA:
            self._inflow(stream).take(payload)
        elif kind == protocol.EOF:
            self._inflow(stream).end()
        elif kind == protocol.CREDIT and stream == protocol.STDIN:
            self._source.credit(_number(protocol.U32, payload))
        elif kind == protocol.CLOSE and stream == protocol.STDIN:
            self._source.stop()
        elif kind in (protocol.EXIT, protocol.FAILED):
            self._on_end(kind, payload)
        else:
            raise ProtocolError(f"a frame of kind {kind} for stream {stream}")

    def end(self, code: int | None = None, error: Exception | None = None) -> None:
        """Let :meth:`wait` return; only the first call counts."""
        if self._over.is_set():
            return
        self._code, self._error = code, error
        if error is not None:
            for inflow in self._inflows.values():
                inflow.sink.put(b"")
        self._over.set()

    def begin(self, request: bytes) -> None:
        """Send the EXEC ``request`` and move the streams from now on."""
        for stream, inflow in self._inflows.items():
            inflow.sink.start(
                passed=partial(self._grant, stream),
                closed=partial(self._send, protocol.CLOSE, stream),
            )
        self._send(protocol.EXEC, payload=request)
        self._source.start(
            lambda data: self._send(protocol.DATA if data else protocol.EOF, protocol.STDIN, data)
        )

    def _inflow(self, stream: int) -> _Inflow:
        if stream not in self._inflows:
            raise ProtocolError(f"a frame for output stream {stream}; there are {sorted(self._inflows)}")
        return self._inflows[stream]

    def _on_end(self, kind: int, payload: bytes) -> None:
        if running := [stream for stream, inflow in self._inflows.items() if not inflow.ended]:
            raise ProtocolError(f"the end of a command before the end of its streams {running}")
        if kind == protocol.EXIT:
            self.end(code=_number(protocol.I32, payload))
        elif failed := _FAILED.fullmatch(payload):
            self.end(error=NotStartedError(int(failed[1]), failed[2].decode()))
        else:
            raise ProtocolError(f"a failed start that tells {payload[:64]!r}, not an errno and what failed")

    def _grant(self, stream: int, count: int) -> None:
        inflow = self._inflows[stream]
        if inflow.pass_on(count):
            self._send_frame(lambda: protocol.frame(protocol.CREDIT, self._number, stream, inflow.grant()))

    def _send(self, kind: int, stream: int = 0, payload: bytes = b"") -> None:
        self._send_frame(protocol.frame(kind, self._number, stream, payload))


def _number(form: struct.Struct, payload: bytes) -> int:
    if len(payload) != form.size:
        raise ProtocolError(f"a number of {len(payload)} bytes; it has {form.size}")
    return int(form.unpack(payload)[0])
