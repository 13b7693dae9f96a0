"""The host's side of the agent: starts commands in the guest, many at once, and moves their streams.

Two threads a connection: one reads frames, one writes them, so that neither waits for the other. Knows no
QEMU; what a broken connection means is for the caller to find out.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import threading
from collections.abc import Sequence
from functools import partial

from zonevm.guest import protocol
from zonevm.guest.latch import Latch
from zonevm.guest.streams import Sink, Source


class ConnectionLostError(Exception):
    """The agent is gone: the guest ended, panicked or was reset."""


class GuestResetError(ConnectionLostError):
    """The guest was reset by the host while the command ran."""


class NotStartedError(Exception):
    """A command could not be started: ``number`` is the errno, ``doing`` what failed: ``cwd`` or ``exec``."""

    def __init__(self, number: int, doing: str) -> None:
        super().__init__(f"{doing}: {os.strerror(number)}")
        self.number = number
        self.doing = doing


class RemoteCommand:
    """One command in the guest, as :meth:`Client.execute` started it."""

    def __init__(self, client: Client, number: int, source: Source, sinks: dict[int, Sink]) -> None:
        self._client = client
        self._number = number
        self._source = source
        self._sinks = sinks
        self._over = Latch()
        self._code: int | None = None
        self._error: Exception | None = None

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code (minus the signal for one that was killed), or None after ``timeout`` seconds.

        Raises :class:`NotStartedError` for one that did not start, :class:`ConnectionLostError`, and what
        writing its output raised, but for a closed pipe.
        """
        if not self._over.wait(timeout):
            return None
        self._source.stop()
        for sink in self._sinks.values():
            sink.join()
            if self._error is None:
                self._error = sink.error
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
        for stream in self._sinks:
            self._send(protocol.CLOSE, stream)
        self._client.forget(self._number)
        self.end(error=ConnectionLostError("the command was abandoned"))
        self._source.stop()

    def handle(self, kind: int, stream: int, payload: bytes) -> None:
        """Take one frame of the agent. Never blocks: sinks have room for all that the agent may send."""
        if kind == protocol.DATA:
            self._sinks[stream].put(payload)
        elif kind == protocol.EOF:
            self._sinks[stream].put(b"")
        elif kind == protocol.CREDIT:
            self._source.credit(*protocol.U32.unpack(payload))
        elif kind == protocol.CLOSE:
            self._source.stop()
        elif kind == protocol.EXIT:
            self.end(code=protocol.I32.unpack(payload)[0])
        elif kind == protocol.FAILED:
            number, doing = payload.split()
            self.end(error=NotStartedError(int(number), doing.decode()))

    def end(self, code: int | None = None, error: Exception | None = None) -> None:
        """Let :meth:`wait` return; only the first call counts."""
        if self._over.is_set():
            return
        self._code, self._error = code, error
        if error is not None:
            for sink in self._sinks.values():
                sink.put(b"")
        self._over.set()

    def begin(self, request: bytes) -> None:
        """Send the EXEC ``request`` and move the streams from now on."""
        for stream, sink in self._sinks.items():
            sink.start(
                passed=partial(self._grant, stream),
                closed=partial(self._send, protocol.CLOSE, stream),
            )
        self._send(protocol.EXEC, payload=request)
        self._source.start(
            lambda data: self._send(protocol.DATA if data else protocol.EOF, protocol.STDIN, data)
        )

    def _grant(self, stream: int, count: int) -> None:
        self._send(protocol.CREDIT, stream, protocol.U32.pack(count))

    def _send(self, kind: int, stream: int = 0, payload: bytes = b"") -> None:
        self._client.send(protocol.frame(kind, self._number, stream, payload))


class Client:
    """A connection to the agent."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._commands: dict[int, RemoteCommand] = {}
        self._lock = threading.Lock()
        self._decoder = protocol.Decoder(synchronized=False)
        self._hello = Latch()
        self._synced = Latch()
        self._lost = Latch()
        self.release = ""
        """The guest's kernel release, once it said hello."""
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

    def wait_hello(self, timeout: float) -> bool:
        """Wait for the agent to say hello; return whether it has."""
        return self._hello.wait(timeout)

    def expect_reset(self) -> None:
        """Forget the agent before the guest is reset: its commands are lost, the next agent says hello."""
        with self._lock:
            self._hello.clear()
            self._decoder = protocol.Decoder(synchronized=False)
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
        """Start a command: ``source`` feeds it, ``sinks`` take its output, ``tty`` is a terminal's size."""
        number = next(self._numbers)
        command = RemoteCommand(self, number, source, sinks)
        with self._lock:
            self._commands[number] = command
        command.begin(protocol.pack_exec(list(argv), list(env), cwd, tty))
        if self.lost:
            self._fail_all()
        return command

    def sync(self, timeout: float) -> bool:
        """Have the guest write out all it has; return whether that was done in time."""
        self._synced.clear()
        self.send(protocol.frame(protocol.SYNC))
        return self._synced.wait(timeout) and not self.lost

    def send(self, frame: bytes) -> None:
        """Send a frame, some time soon. What is in the air is limited by the streams' credit."""
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
        with contextlib.suppress(OSError, protocol.ProtocolError):
            while data := self._socket.recv(256 * 1024):
                with self._lock:
                    frames = self._decoder.feed(data)
                for kind, number, stream, payload in frames:
                    self._handle(kind, number, stream, payload)
        self._lost.set()
        self._hello.set()
        self._synced.set()
        self._fail_all()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := self._frames.get()) is not None:
                self._socket.sendall(frame)

    def _handle(self, kind: int, number: int, stream: int, payload: bytes) -> None:
        if kind == protocol.HELLO:
            self.release = payload.decode().split(maxsplit=1)[1]
            self._hello.set()
        elif kind == protocol.SYNCED:
            self._synced.set()
        else:
            with self._lock:
                command = self._commands.get(number)
            if command is not None:
                command.handle(kind, stream, payload)
                if kind in (protocol.EXIT, protocol.FAILED):
                    self.forget(number)

    def _fail_all(self, error: ConnectionLostError | None = None) -> None:
        with self._lock:
            commands = list(self._commands.values())
            self._commands.clear()
        for command in commands:
            command.end(error=error or ConnectionLostError("the connection to the guest's agent was lost"))
