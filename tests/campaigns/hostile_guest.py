"""A guest that sends the host whatever it likes: each run ends, and little of what it sent is kept.

Usage: python -m tests.campaigns.hostile_guest [SECONDS]. `trial` is one such guest, `STEPS` the strategy that
makes it up; `tests/unit` has a short share of them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from zonevm.agent import protocol
from zonevm.agent.client import Client
from zonevm.agent.protocol import STDERR, STDOUT
from zonevm.agent.remote_command import ConnectionLostError, NotStartedError, RemoteCommand
from zonevm.agent.streams import Captured, Source, Written

HELLO = protocol.MAGIC + protocol.frame(protocol.HELLO, payload=b"2 6.12.0")
PATIENCE = 120
"""Seconds after which a run hangs; where the host is busy, threads wait long for a processor."""
MIB = 2**20
MOST_MIB = 96
"""How much the memory of a process may grow over a campaign: windows, a frame, and what Python keeps."""

Step = tuple[str, int, int, int, bytes]
"""What to do; a kind, a command's number, a stream, a payload."""

_numbers = st.integers(0, 4) | st.integers(0, 2**32 - 1)
_payloads = st.one_of(
    st.binary(max_size=64),
    st.integers(0, 2**32 - 1).map(protocol.U32.pack),
    st.integers(0, 4096).map(protocol.U32.pack),
    st.integers(0, protocol.CHUNK + 1).map(bytes),
    st.sampled_from([b"", b"1 6.12.0", b"1 \xff", b"2 exec", b"13 cwd", b"2 ", b"\xff\xff", b"999999 exec"]),
)
_frames = st.tuples(st.just("frame"), st.integers(0, 15), _numbers, st.integers(0, 3), _payloads)
_bursts = st.tuples(
    st.just("burst"), st.integers(1, 20), st.integers(1, 3), st.integers(1, 2),
    st.integers(1, protocol.CHUNK).map(bytes),
)  # fmt: skip
_raw = st.tuples(st.just("raw"), st.just(0), st.just(0), st.just(0), st.binary(max_size=200))
_ends = st.tuples(
    st.sampled_from(["eof", "exit", "hello", "reset", "abandon"]), st.just(0), st.integers(1, 3),
    st.integers(1, 2), st.just(b""),
)  # fmt: skip
STEPS = st.tuples(
    st.booleans(),
    st.booleans(),
    st.lists(st.one_of(_frames, _frames, _bursts, _ends, _raw), max_size=30),
)
"""Whether the guest says hello first; whether it reads what the host sends; what it does then."""


def trial(hello: bool, reads: bool, steps: list[Step]) -> None:
    """Connect to such a guest and run commands in it; raise AssertionError for what may not be."""
    ours, theirs = socket.socketpair()
    errors: list[threading.ExceptHookArgs] = []
    with _caught(errors), open(os.devnull, "wb", buffering=0) as null:  # noqa: PTH123
        client = Client(ours)
        commands = [_run(client, null.fileno()) for _ in range(2)]
        peer = threading.Thread(target=_drained, args=(theirs, reads), daemon=True)
        peer.start()
        with contextlib.suppress(OSError):
            if hello:
                theirs.sendall(HELLO)
            for step in steps:
                _do(step, theirs, client, commands, null.fileno())
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)
        for command in commands:
            with contextlib.suppress(ConnectionLostError, NotStartedError):
                assert command.wait(PATIENCE) is not None, "the run hangs"
        client.close()
        peer.join(PATIENCE)
        theirs.close()
        assert not peer.is_alive()
        assert client.lost
    assert not errors, errors[0]


def _run(client: Client, null: int) -> RemoteCommand:
    return client.execute(
        [b"true"], [], b"/", source=Source(bytes(MIB)), sinks={STDOUT: Captured(), STDERR: Written(null)}
    )


def _do(step: Step, guest: socket.socket, client: Client, commands: list[RemoteCommand], null: int) -> None:
    what, kind, number, stream, payload = step
    if what == "frame":
        guest.sendall(protocol.frame(kind, number, stream, payload))
    elif what == "raw":
        guest.sendall(payload)
    elif what == "burst":
        for _ in range(kind):
            guest.sendall(protocol.frame(protocol.DATA, number, stream, payload))
    elif what == "eof":
        guest.sendall(protocol.frame(protocol.EOF, number, stream))
    elif what == "exit":
        guest.sendall(protocol.frame(protocol.EXIT, number, payload=protocol.I32.pack(7)))
    elif what == "hello":
        guest.sendall(HELLO)
    elif what == "reset":
        client.expect_reset()
        commands.append(_run(client, null))
    elif number <= len(commands):
        commands[number - 1].abandon()


def _drained(guest: socket.socket, reads: bool) -> None:
    """Read what the host sends, all of it or nothing."""
    with contextlib.suppress(OSError):
        while reads and guest.recv(MIB):
            pass


@contextlib.contextmanager
def _caught(errors: list[threading.ExceptHookArgs]) -> Iterator[None]:
    before = threading.excepthook
    threading.excepthook = errors.append
    try:
        yield
    finally:
        threading.excepthook = before


def campaign(seconds: float, first: int = 0) -> tuple[int, list[str]]:
    """Try such guests for so long, with seeds from ``first`` on; return how many, and what was found."""
    tries, number, start = 0, first, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:

        @seed(number)
        @settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(STEPS)
        def guests(drawn: tuple[bool, bool, list[Step]]) -> None:
            nonlocal tries
            tries += 1
            trial(*drawn)

        try:
            guests()
        except Exception as error:
            return tries, [f"seed {number}: {error!r} {getattr(error, '__notes__', '')}"]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        start = start or memory
        if memory > start + MOST_MIB:
            return tries, [f"seed {number}: {memory} MiB of memory, {start} after the first {tries} guests"]
        number += 1
    print(f"{tries} guests, {start} MiB of memory at first, {memory} MiB at most")
    return tries, []


if __name__ == "__main__":
    _, found = campaign(float(sys.argv[1]) if sys.argv[1:] else 600)
    sys.exit("\n".join(found) or 0)
