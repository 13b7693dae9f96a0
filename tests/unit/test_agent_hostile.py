"""A guest whose agent sends what it may not: the run ends with what that was, and memory stays bounded."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given

from tests.campaigns.hostile_guest import HELLO, MIB, PATIENCE, STEPS, Step, trial
from zonevm.agent import protocol
from zonevm.agent.client import Client, MisbehavedError
from zonevm.agent.protocol import STDERR, STDIN, STDOUT, U32, frame
from zonevm.agent.remote_command import RemoteCommand
from zonevm.agent.streams import Captured, Sink, Source, Written

Connected = tuple[Client, socket.socket]
CHUNK = bytes(protocol.CHUNK)


@pytest.fixture
def connected() -> Iterator[Connected]:
    """A client, and the agent's end of its connection."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    client = Client(ours)
    yield client, theirs
    client.close()
    theirs.close()


def run(client: Client, stdin: bytes | None = None, out: Sink | None = None) -> RemoteCommand:
    sinks: dict[int, Sink] = {STDOUT: out or Captured(), STDERR: Captured()}
    return client.execute([b"true"], [], b"/", source=Source(stdin), sinks=sinks)


def ended(stream: int) -> bytes:
    return frame(protocol.EOF, 1, stream)


WRONG = {
    "data for an unknown stream": (frame(protocol.DATA, 1, 7, b"x"), "output stream 7; there are [1, 2]"),
    "data of stdin": (frame(protocol.DATA, 1, STDIN, b"x"), "output stream 0"),
    "no data": (frame(protocol.DATA, 1, STDOUT), "0 bytes of data"),
    "data after the end": (ended(1) + frame(protocol.DATA, 1, 1, b"x"), "after the end"),
    "two ends": (ended(1) * 2, "a second end"),
    "more than the credit": (frame(protocol.DATA, 1, STDOUT, CHUNK) * 9, "with credit for"),
    "a frame too long": (protocol.HEADER.pack(protocol.DATA, 1, 1, 2**32 - 1), "4294967295 bytes"),
    "a short exit": (ended(1) + ended(2) + frame(protocol.EXIT, 1, payload=b"\0"), "a number of 1 bytes"),
    "an exit before the end": (ended(1) + frame(protocol.EXIT, 1, payload=bytes(4)), "streams [2]"),
    "a short credit": (frame(protocol.CREDIT, 1, STDIN, b"\0\0"), "a number of 2 bytes"),
    "credit for nothing": (frame(protocol.CREDIT, 1, STDIN, U32.pack(0)), "credit for 0 bytes"),
    "too much credit": (frame(protocol.CREDIT, 1, STDIN, U32.pack(2**32 - 1)), "credit for 4294967295"),
    "credit for output": (frame(protocol.CREDIT, 1, STDOUT, U32.pack(1)), "kind 6 for stream 1"),
    "closed output": (frame(protocol.CLOSE, 1, STDOUT), "kind 7 for stream 1"),
    "no errno": (ended(1) + ended(2) + frame(protocol.FAILED, 1, payload=b"two exec"), "b'two exec'"),
    "a failure of nothing": (ended(1) + ended(2) + frame(protocol.FAILED, 1), "not an errno"),
    "a greeting that is not text": (frame(protocol.HELLO, payload=b"2 \xff\xfe"), "a greeting"),
    "a greeting of nothing": (frame(protocol.HELLO), "a greeting of b''"),
    "a long greeting": (frame(protocol.HELLO, payload=b"2 " + b"6" * 9999), "a greeting"),
    "uptimes that are none": (frame(protocol.HELLO, payload=b"2 6.12 1.00 -2.00 3.00"), "a greeting"),
    "another version": (frame(protocol.HELLO, payload=b"1 6.12"), "not of version 2"),
    "two greetings": (HELLO.removeprefix(protocol.MAGIC), "a second greeting"),
    "an unknown kind": (frame(99, 1), "kind 99"),
    "a kind of the host's": (frame(protocol.EXEC, 1), "kind 2"),
    "an unknown command": (frame(protocol.EOF, 77, 1), "command 77; the newest is 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_an_agent_may_not_send_ends_the_run_with_words(connected: Connected, name: str) -> None:
    client, agent = connected
    sent, words = WRONG[name]
    command = run(client, out=Slow())
    agent.sendall(HELLO + sent)
    with pytest.raises(MisbehavedError) as caught:
        command.wait(PATIENCE)
    assert words in str(caught.value)
    assert client.misbehaviour == str(caught.value)
    with pytest.raises(MisbehavedError):  # nor does a later one hang
        run(client).wait(PATIENCE)
    assert not client.sync(lambda: False)
    with contextlib.suppress(OSError):
        while agent.recv(MIB):  # hung up on
            pass


class Slow(Captured):
    """Passes nothing on, so that there is no credit but the first."""

    def start(self, passed: Callable[[int], None], closed: Callable[[], None]) -> None:
        super().start(lambda _: None, closed)


def test_output_that_nobody_reads_is_bounded(connected: Connected) -> None:
    client, agent = connected
    read, write = os.pipe()
    command = run(client, out=Written(write))
    tracemalloc.start()
    try:
        with contextlib.suppress(OSError):
            agent.sendall(HELLO)
            for _ in range(64 * MIB // len(CHUNK)):
                agent.sendall(frame(protocol.DATA, 1, STDOUT, CHUNK))
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    os.close(read)
    with pytest.raises(MisbehavedError, match="with credit for"):
        command.wait(PATIENCE)
    os.close(write)


def test_a_guest_that_reads_no_credit_gets_no_more(connected: Connected) -> None:
    client, agent = connected
    command = run(client)
    agent.sendall(HELLO)
    with contextlib.suppress(OSError):
        for _ in range(64 * MIB // len(CHUNK)):
            agent.sendall(frame(protocol.DATA, 1, STDOUT, CHUNK))
    with pytest.raises(MisbehavedError, match="with credit for"):
        command.wait(PATIENCE)


def test_garbage_before_the_greeting_is_not_kept(connected: Connected) -> None:
    client, agent = connected
    tracemalloc.start()
    try:
        for _ in range(64):
            agent.sendall(protocol.MAGIC[:-1] + b"x" * MIB)
        agent.sendall(HELLO)
        assert client.wait_hello(PATIENCE)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


class Failing(io.BytesIO):
    """A file of the caller's that raises what files do not."""

    def read(self, size: int | None = -1) -> bytes:
        raise LookupError("no input")

    def write(self, data: object) -> int:
        raise TypeError("no output")


def test_a_file_of_the_callers_that_fails_ends_the_run(connected: Connected) -> None:
    client, agent = connected
    sinks: dict[int, Sink] = {STDOUT: Written(Failing())}
    writes = client.execute([b"true"], [], b"/", source=Source(None), sinks=sinks)
    reads = client.execute([b"true"], [], b"/", source=Source(Failing()), sinks={STDOUT: Captured()})
    agent.sendall(HELLO)
    for number in (1, 2):
        agent.sendall(frame(protocol.DATA, number, STDOUT, b"x") + frame(protocol.EOF, number, STDOUT))
    decoder = protocol.Decoder()
    wanted = {(protocol.CLOSE, 1, STDOUT), (protocol.EOF, 2, STDIN)}
    while wanted:
        wanted -= {(kind, number, stream) for kind, number, stream, _ in decoder.feed(agent.recv(MIB))}
    for number in (1, 2):
        agent.sendall(frame(protocol.EXIT, number, payload=bytes(4)))
    with pytest.raises(TypeError, match="no output"):
        writes.wait(PATIENCE)
    with pytest.raises(LookupError, match="no input"):
        reads.wait(PATIENCE)


@given(STEPS)
def test_no_guest_hangs_or_breaks_the_client(drawn: tuple[bool, bool, list[Step]]) -> None:
    trial(*drawn)
