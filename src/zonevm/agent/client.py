"""The host's side of the agent: starts commands in the guest, many at once, and moves their streams.

Two threads a connection: one reads frames, one writes them, so that neither waits for the other. The guest is
not trusted: whatever it sends, what is kept of it is bounded, and what it may not send ends the connection
with an error. Knows no QEMU; what a broken connection means is for the caller to find out.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import re
import socket
import threading
from collections.abc import Callable, Sequence

from zonevm.agent import protocol
from zonevm.agent.protocol import ProtocolError
from zonevm.agent.remote_command import ConnectionLostError, Frame, RemoteCommand
from zonevm.agent.streams import Sink, Source
from zonevm.errors import UsageError
from zonevm.latch import Latch

_TURN_SECONDS = 0.1
_OF_COMMANDS = (
    protocol.DATA,
    protocol.EOF,
    protocol.CREDIT,
    protocol.CLOSE,
    protocol.EXIT,
    protocol.FAILED,
)
_UPTIME = rb"(\d{1,9}\.\d\d)"
_HELLO = re.compile(
    rb"(\d{1,9}) [!-~]{1,64}(?: %b %b %b)?" % ((_UPTIME,) * 3)  # utsname's release has 64 bytes at most
)


class MisbehavedError(ConnectionLostError):
    """The agent sent what the protocol does not allow, and was hung up on; the text is what."""


class GuestResetError(ConnectionLostError):
    """The guest was reset by the host while the command ran."""


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
        self.clock: tuple[float, float, float] | None = None
        """What the guest says was its uptime when stage 1 began, when that ended, when the agent greeted."""
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
        command = RemoteCommand(number, source, sinks, send=self.send, forget=self.forget)
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
        if hello[2] is not None:
            first, last, greeted = map(float, hello.groups()[1:])
            self.clock = first, last, greeted
        self._hello.set()

    def _fail_all(self, error: ConnectionLostError) -> None:
        with self._lock:
            commands = list(self._commands.values())
            self._commands.clear()
        for command in commands:
            command.end(error=error)


def _decoder() -> protocol.Decoder:
    return protocol.Decoder(protocol.AGENT_LIMIT, synchronized=False)
