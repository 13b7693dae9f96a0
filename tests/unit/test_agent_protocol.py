"""Host and agent talk: frames, and commands that an agent runs as a plain process of this host."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm.agent import protocol
from zonevm.agent.client import Client
from zonevm.agent.protocol import STDERR, STDOUT
from zonevm.agent.remote_command import ConnectionLostError, NotStartedError, RemoteCommand
from zonevm.agent.streams import Captured, Sink, Source, Written
from zonevm.kernel.initramfs import PROGRAM

ENV = [os.fsencode(f"{name}={value}") for name, value in os.environ.items()]
SOON = 20


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        agent = subprocess.Popen([PROGRAM, str(fd)], pass_fds=[fd])
    client = Client(ours)
    assert client.wait_hello(SOON)
    yield client
    client.close()
    assert agent.wait(SOON) == 0


class Run:
    """A command that runs, with what it writes captured unless it goes elsewhere."""

    def __init__(
        self,
        client: Client,
        *argv: str,
        stdin: bytes | int | None = None,
        stdout: int | None = None,
        cwd: str = "/",
        tty: tuple[int, int] | None = None,
    ) -> None:
        self.out: Sink = Captured() if stdout is None else Written(stdout)
        self.err = Captured()
        self.command: RemoteCommand = client.execute(
            [os.fsencode(word) for word in argv],
            ENV,
            os.fsencode(cwd),
            source=Source(stdin),
            sinks={STDOUT: self.out} if tty else {STDOUT: self.out, STDERR: self.err},
            tty=tty,
        )

    def end(self) -> tuple[int | None, bytes, bytes]:
        code = self.command.wait(SOON)
        return code, self.out.value() if isinstance(self.out, Captured) else b"", self.err.value()


def sh(client: Client, script: str, stdin: bytes | int | None = None, stdout: int | None = None) -> Run:
    return Run(client, "sh", "-c", script, stdin=stdin, stdout=stdout)


@given(
    st.lists(st.tuples(st.integers(1, 14), st.integers(0, 2**32 - 1), st.integers(0, 2), st.binary())),
    st.integers(1, 50),
)
def test_frames_come_out_as_they_went_in_however_cut(
    frames: list[tuple[int, int, int, bytes]], piece: int
) -> None:
    stream = b"".join(protocol.frame(kind, number, at, payload) for kind, number, at, payload in frames)
    decoder = protocol.Decoder()
    seen = [got for at in range(0, len(stream), piece) for got in decoder.feed(stream[at : at + piece])]
    assert seen == frames


def test_a_frame_too_long_is_refused() -> None:
    with pytest.raises(protocol.ProtocolError, match="16777217 bytes; at most 16777216"):
        protocol.Decoder().feed(protocol.HEADER.pack(protocol.DATA, 0, 1, protocol.LIMIT + 1))


def test_what_came_before_the_hello_is_skipped() -> None:
    decoder = protocol.Decoder(synchronized=False)
    stream = b"\x00zonevm-a" * 3 + protocol.MAGIC + protocol.frame(protocol.SYNCED)
    assert [frame for byte in stream for frame in decoder.feed(bytes([byte]))] == [
        (protocol.SYNCED, 0, 0, b"")
    ]


def test_output_error_output_and_exit_code(client: Client) -> None:
    assert sh(client, "echo out; echo err >&2; exit 7").end() == (7, b"out\n", b"err\n")


def test_input_ends(client: Client) -> None:
    assert Run(client, "cat", stdin=b"some input").end() == (0, b"some input", b"")
    assert Run(client, "cat").end() == (0, b"", b"")


def test_a_signal(client: Client) -> None:
    assert sh(client, "kill -9 $$").end()[0] == -signal.SIGKILL
    run = Run(client, "sleep", "100")
    run.command.signal(signal.SIGTERM)
    assert run.end()[0] == -signal.SIGTERM


@pytest.mark.parametrize(
    ("program", "doing", "error"),
    [("no-such-program", "exec", 2), ("/etc/passwd", "exec", 13), ("/no/such", "exec", 2)],
)
def test_a_program_that_cannot_be_executed(client: Client, program: str, doing: str, error: int) -> None:
    with pytest.raises(NotStartedError) as caught:
        Run(client, program).end()
    assert (caught.value.doing, caught.value.number) == (doing, error)


def test_a_directory_that_is_not_there(client: Client) -> None:
    with pytest.raises(NotStartedError) as caught:
        Run(client, "true", cwd="/no/such/directory").end()
    assert (caught.value.doing, caught.value.number) == ("cwd", 2)


def test_much_data_there_and_back_is_the_same(client: Client) -> None:
    data = os.urandom(1 << 20) * 16
    code, out, _ = Run(client, "cat", stdin=data).end()
    assert code == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


def test_a_reader_that_goes_away_ends_the_writer(client: Client) -> None:
    read, write = os.pipe()
    run = Run(client, "yes", stdout=write)
    assert os.read(read, 2) == b"y\n"
    os.close(read)
    assert run.end()[0] == -signal.SIGPIPE
    os.close(write)


def test_a_slow_reader_stops_the_writer_but_no_other_command(client: Client) -> None:
    read, write = os.pipe()
    slow = sh(client, "head -c 8000000 /dev/zero", stdout=write)
    assert sh(client, "echo quick").end()[1] == b"quick\n"
    time.sleep(0.3)
    assert slow.command.wait(0) is None
    got = 0
    while got < 8000000:
        got += len(os.read(read, 1 << 20))
    assert slow.end()[0] == 0
    os.close(read)
    os.close(write)


def test_a_command_that_reads_no_input(client: Client) -> None:
    assert Run(client, "true", stdin=bytes(8 << 20)).end()[0] == 0
    assert sh(client, "exec 0<&-; sleep 0.2; echo done", stdin=bytes(8 << 20)).end()[1] == b"done\n"


def test_input_that_never_ends_does_not_hold_up_the_end(client: Client) -> None:
    read, write = os.pipe()
    assert sh(client, "exit 3", stdin=read).end()[0] == 3
    os.close(read)
    os.close(write)


def test_output_left_in_the_pipe_arrives_and_the_background_does_not_hold_it_up(client: Client) -> None:
    code, out, _ = sh(client, "sleep 300 & echo $!; head -c 60000 /dev/zero").end()
    background, _, rest = out.partition(b"\n")
    assert (code, len(rest)) == (0, 60000)
    os.kill(int(background), signal.SIGKILL)  # it is there still


def test_many_commands_at_once(client: Client) -> None:
    runs = [sh(client, f"sleep 0.2; echo {number}") for number in range(20)]
    assert [int(run.end()[1]) for run in runs] == list(range(20))


def test_a_terminal(client: Client) -> None:
    script = "test -t 0 && test -t 2 && stty size; read line; echo got $line; exit 5"
    code, out, _ = Run(client, "sh", "-c", script, stdin=b"typed\n", tty=(33, 77)).end()
    assert code == 5
    assert b"33 77\r\n" in out
    assert out.endswith(b"got typed\r\n")


def test_a_terminal_changes_its_size(client: Client) -> None:
    read, write = os.pipe()
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    run = Run(client, "sh", "-c", script, stdout=write, tty=(24, 80))
    assert os.read(read, 100) == b"ready\r\n"
    run.command.resize(50, 132)
    assert os.read(read, 100) == b"50 132\r\n"
    assert run.end()[0] == 0
    os.close(read)
    os.close(write)


def test_an_abandoned_command_is_killed(client: Client) -> None:
    run = sh(client, "echo $$; exec sleep 100")
    while not isinstance(run.out, Captured) or not run.out.value():
        time.sleep(0.01)
    pid = int(run.out.value())
    run.command.abandon()
    with pytest.raises(ConnectionLostError):
        run.end()
    end = time.monotonic() + SOON
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.timeout(60, method="thread")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one that came in a callback
def test_ctrl_c_is_safe_at_any_moment(client: Client) -> None:
    armed = False

    def interrupt(*_: object) -> None:
        if armed:
            raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    moments = random.Random(1)
    try:
        for _ in range(300):
            run = None
            with contextlib.suppress(KeyboardInterrupt):
                armed = True
                # Again and again, as people do: Python drops the exception of one that comes in a callback.
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-6, 4e-4), 0.5)
                run = Run(client, "sleep", "100")
                run.command.wait()
            armed = False
            if run:
                run.command.abandon()
                with pytest.raises(ConnectionLostError):
                    run.command.wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert client.sync(lambda: False)


def test_an_abandoned_command_is_lost_however_soon_it_ends() -> None:
    commands: dict[int, RemoteCommand] = {}

    def agent(frame: object) -> None:
        """Answer at once, as an agent on another processor may."""
        killed = frame == protocol.frame(protocol.SIGNAL, 1, 0, protocol.U32.pack(9))
        if killed and (command := commands.get(1)):
            command.handle(protocol.EOF, STDOUT, b"")
            command.handle(protocol.EXIT, 0, protocol.I32.pack(-9))

    sinks: dict[int, Sink] = {STDOUT: Captured()}
    command = RemoteCommand(1, Source(None), sinks, send=agent, forget=commands.__delitem__)
    commands[1] = command
    command.begin(b"")
    command.abandon()
    with pytest.raises(ConnectionLostError):
        command.wait()


def test_sync(client: Client) -> None:
    assert client.sync(lambda: False)


def test_a_lost_connection_ends_what_runs() -> None:
    ours, theirs = socket.socketpair()
    client = Client(ours)
    run = Run(client, "true")
    threading.Timer(0.1, theirs.close).start()
    with pytest.raises(ConnectionLostError):
        run.end()
    with pytest.raises(ConnectionLostError):
        Run(client, "true").end()
    client.close()
