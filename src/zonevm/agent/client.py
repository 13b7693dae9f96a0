"""The host's side of the agent: starts commands in the guest, many at once, and moves their streams.

Two threads a connection: one reads frames, one writes them, so that neither waits for the other. The guest is
not trusted: whatever it sends, what is kept of it is bounded, and what it may not send ends the connection
with an error. Knows no QEMU; what a broken connection means is for the caller to find out.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import re
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from functools import partial

from zonevm.agent import protocol
from zonevm.agent.protocol import ProtocolError
from zonevm.agent.streams import Sink, Source
from zonevm.errors import UsageError
from zonevm.latch import Latch

Frame = bytes | Callable[[], bytes]
"""What is sent: its bytes, or what makes them at the moment they are sent."""

_TURN_SECONDS = 0.1
_OF_COMMANDS = (
    protocol.DATA,
    protocol.EOF,
    protocol.CREDIT,
    protocol.CLOSE,
    protocol.EXIT,
    protocol.FAILED,
)
_HELLO = re.compile(rb"(\d{1,9}) [!-~]{1,64}")  # utsname's release has 64 bytes at most
_FAILED = re.compile(rb"(\d{1,4}) (cwd|exec)")


class ConnectionLostError(Exception):
    """The agent is gone: the guest ended, panicked or was reset."""


class MisbehavedError(ConnectionLostError):
    """The agent sent what the protocol does not allow, and was hung up on; the text is what."""


class GuestResetError(ConnectionLostError):
    """The guest was reset by the host while the command ran."""


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
    """One command in the guest, as :meth:`Client.execute` started it."""

    def __init__(self, client: Client, number: int, source: Source, sinks: dict[int, Sink]) -> None:
        self._client = client
        self._number = number
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
        self.signal(9)
        for stream in self._inflows:
            self._send(protocol.CLOSE, stream)
        self._client.forget(self._number)
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
            self._client.send(lambda: protocol.frame(protocol.CREDIT, self._number, stream, inflow.grant()))

    def _send(self, kind: int, stream: int = 0, payload: bytes = b"") -> None:
        self._client.send(protocol.frame(kind, self._number, stream, payload))


class Client:
    """A connection to the agent."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._newest = 0
        self._commands: dict[int, RemoteCommand] = {}
        self._lock = threading.Lock()
        self._decoder = _decoder()
        self._hello = Latch()
        self._synced = Latch()
        self._lost = Latch()
        self._why = ConnectionLostError("the connection to the guest's agent was lost")
        self._threads = [
            threading.Thread(target=work, name=f"zonevm-{work.__name__.strip('_')}", daemon=True)
            for work in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def lost(self) -> bool:
        """Whether the connection is broken."""
        return self._lost.is_set()

    @property
    def misbehaviour(self) -> str:
        """What the agent sent that it may not, once the connection was lost for that; else empty."""
        return str(self._why) if self.lost and isinstance(self._why, MisbehavedError) else ""

    def wait_hello(self, timeout: float) -> bool:
        """Wait for the agent to say hello; return whether it has."""
        return self._hello.wait(timeout)

    def expect_reset(self) -> None:
        """Forget the agent before the guest is reset: its commands are lost, the next agent says hello."""
        with self._lock:
            self._hello.clear()
            self._decoder = _decoder()
        self._fail_all(GuestResetError("the guest was reset"))

    def execute(
        self,
        argv: Sequence[bytes],
        env: Sequence[bytes],
        cwd: bytes,
        *,
        source: Source,
        sinks: dict[int, Sink],
        tty: tuple[int, int] | None = None,
    ) -> RemoteCommand:
        """Start a command: ``source`` feeds it, ``sinks`` take its output, ``tty`` is a terminal's size.

        Raises :class:`UsageError` for more arguments and environment than a frame holds.
        """
        request = protocol.pack_exec(list(argv), list(env), cwd, tty)
        if len(request) > protocol.LIMIT:
            raise UsageError(
                f"the command's arguments and environment are {len(request)} bytes;"
                f" at most {protocol.LIMIT} reach the guest",
                "Put them into a file or the command's input.",
            )
        number = next(self._numbers)
        command = RemoteCommand(self, number, source, sinks)
        with self._lock:
            self._commands[number] = command
            self._newest = max(self._newest, number)
        command.begin(request)
        if self.lost:
            self._fail_all(self._why)
        return command

    def sync(self, give_up: Callable[[], bool]) -> bool:
        """Have the guest write out all it has; return whether it did before ``give_up()``."""
        self._synced.clear()
        self.send(protocol.frame(protocol.SYNC))
        while not self.lost and not self._synced.wait(_TURN_SECONDS):
            if give_up():
                return False
        return not self.lost

    def send(self, frame: Frame) -> None:
        """Send a frame, some time soon. What is in the air is limited by the streams' credit."""
        if not self.lost:
            self._frames.put(frame)

    def forget(self, number: int) -> None:
        """Ignore what still comes for a command."""
        with self._lock:
            self._commands.pop(number, None)

    def close(self) -> None:
        """End the connection and its threads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._frames.put(None)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _read(self) -> None:
        try:
            while data := self._socket.recv(256 * 1024):
                with self._lock:
                    frames = self._decoder.feed(data)
                for kind, number, stream, payload in frames:
                    self._handle(kind, number, stream, payload)
        except OSError:
            pass
        except ProtocolError as error:
            self._why = MisbehavedError(str(error))
        finally:
            self._lost.set()
            self._hello.set()
            self._synced.set()
            self._fail_all(self._why)
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := self._frames.get()) is not None:
                self._socket.sendall(frame if isinstance(frame, bytes) else frame())

    def _handle(self, kind: int, number: int, stream: int, payload: bytes) -> None:
        if kind == protocol.HELLO:
            self._greeted(payload)
        elif kind == protocol.SYNCED:
            self._synced.set()
        elif kind not in _OF_COMMANDS:
            raise ProtocolError(f"a frame of kind {kind}, which is not the agent's to send")
        else:
            with self._lock:
                command = self._commands.get(number)
                if not 0 < number <= self._newest:
                    raise ProtocolError(f"a frame for command {number}; the newest is {self._newest}")
            # One that was abandoned may still have some in the air.
            if command is not None:
                command.handle(kind, stream, payload)
                if kind in (protocol.EXIT, protocol.FAILED):
                    self.forget(number)

    def _greeted(self, payload: bytes) -> None:
        hello = _HELLO.fullmatch(payload)
        if hello is None or int(hello[1]) != protocol.VERSION:
            raise ProtocolError(f"a greeting of {payload[:64]!r}, not of version {protocol.VERSION}")
        if self._hello.is_set():
            raise ProtocolError("a second greeting")
        self._hello.set()

    def _fail_all(self, error: ConnectionLostError) -> None:
        with self._lock:
            commands = list(self._commands.values())
            self._commands.clear()
        for command in commands:
            command.end(error=error)


def _decoder() -> protocol.Decoder:
    return protocol.Decoder(protocol.AGENT_LIMIT, synchronized=False)


def _number(form: struct.Struct, payload: bytes) -> int:
    if len(payload) != form.size:
        raise ProtocolError(f"a number of {len(payload)} bytes; it has {form.size}")
    return int(form.unpack(payload)[0])
