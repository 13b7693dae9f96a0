"""The control socket, from both sides: other users, other programs, and any bytes at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zonevm.cli import execute
from zonevm.errors import HostError, ImageError, UsageError, ZonevmError
from zonevm.service import control
from zonevm.service.runs import Run, ask, runs

AS_NOBODY = "import os, socket, sys, threading; os.setgroups([]); os.setresuid(65534, 65534, 65534)\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "r"
    path.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory as /tmp is."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o1777)
        yield path


def describe() -> object:
    return {"disks": ["smr,size=1G"], "command": "true"}


@contextmanager
def answering(base: Path, handlers: Mapping[str, control.Handler]) -> Iterator[Run]:
    """A run with these handlers, and :func:`describe`."""
    directory = base / "zonevm-1"
    directory.mkdir(mode=0o700)
    with control.listening(directory, {"describe": describe, **handlers}):
        yield Run(os.getpid(), directory / control.NAME)


@contextmanager
def saying(base: Path, said: Callable[[], Iterable[bytes]]) -> Iterator[Run]:
    """Something in a run's place that says the same to each who asks it something."""
    directory = base / "zonevm-2"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / control.NAME
    path.unlink(missing_ok=True)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(1000)
                    for piece in said():
                        connection.sendall(piece)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Run(os.getpid(), path)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def sent(run: Run, data: bytes) -> bytes:
    """What is answered to ``data``, all of it."""
    answer = bytearray()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(run.socket))
        with contextlib.suppress(OSError):  # it may have heard enough
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 16):
                answer += piece
    return bytes(answer)


def memory() -> int:
    """The most bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


# Who


@as_root
def test_what_another_user_puts_there_is_not_believed(
    public: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(public))
    spoof = [sys.executable, "-c", AS_NOBODY + SPOOF, str(public)]
    with subprocess.Popen(spoof, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"ready\n"
        (public / "zonevm-link").symlink_to(public / "zonevm-spoof")
        assert execute(["list"]) == 0
        assert execute(["power-cut"]) == 2
        with pytest.raises(HostError, match="another user's"):
            ask(Run(1, public / "zonevm-spoof" / control.NAME), "describe")
        other.kill()
    out, err = capfd.readouterr()
    assert not out
    assert err.count("you run no guest") == 2


SPOOF = textwrap.dedent("""
    os.umask(0)
    for name in ("spoof", "hang"):
        directory = f"{sys.argv[1]}/zonevm-{name}"
        os.mkdir(directory, 0o777)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(directory + "/control.sock")
        listener.listen()
        def serve(listener=listener, name=name):
            while True:
                connection, _ = listener.accept()
                if name == "spoof":
                    connection.recv(1000)
                    answer = b'{"pid": 1, "answer": {"disks": ["\\\\u001b[2J"], "command": "spoof"}}\\n'
                    connection.sendall(answer)
                    connection.close()
        threading.Thread(target=serve, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
""")


ASK = textwrap.dedent("""
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    try:
        client.sendall(b'{"do": "cut"}\\n')
        print(client.recv(100) or "no answer")
    except OSError:
        print("no answer")
""")


@as_root
def test_another_user_is_not_answered(public: Path) -> None:
    asked: list[int] = []
    with answering(public, {"cut": lambda: asked.append(1)}) as run:
        run.socket.parent.chmod(0o755)
        run.socket.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY + ASK, str(run.socket)], stdout=subprocess.PIPE, check=True
        )
        assert done.stdout == b"no answer\n"
        assert not asked
        ask(run, "cut")
        assert asked


def test_a_directory_or_socket_that_others_may_use_is_no_run(base: Path) -> None:
    with answering(base, {}) as run:
        assert [each.number for each in runs()] == [os.getpid()]
        run.socket.chmod(0o666)
        assert runs() == []
        run.socket.chmod(0o600)
        run.socket.parent.chmod(0o750)
        assert runs() == []
        run.socket.parent.chmod(0o700)
        (base / "zonevm-link").symlink_to(run.socket.parent)
        assert len(runs()) == 1


def test_a_runtime_directory_of_others_is_not_used(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(base.parent))
    with answering(base, {}):
        base.chmod(0o777)
        assert runs() == []
        base.chmod(0o700)
        assert len(runs()) == 1


# What goes wrong


def test_a_run_that_ends_meanwhile_is_not_listed(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with saying(base, lambda: ()) as run:
        assert execute(["list"]) == 0
        assert "you run no guest" in capfd.readouterr().err
        with pytest.raises(HostError, match="ended without an answer"):
            ask(run, "describe")
    with pytest.raises(HostError, match="cannot be reached"):
        ask(run, "describe")


@pytest.mark.parametrize(
    "line", [b"[" * 200_000, b"7", b"\xff\xfe", b'{"answer": 1' + b"0" * 5000 + b"}", b'{"pid": 1}']
)
def test_a_run_that_answers_nonsense_is_told(
    base: Path, line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with saying(base, lambda: [line, b"\n"]):
        assert execute(["list"]) == 0
        assert f"run {os.getpid()} does not answer" in capfd.readouterr().err
        assert execute(["power-cut"]) == 125
        assert "gave no answer: it " in capfd.readouterr().err


@pytest.mark.parametrize("piece", [b"", b"x", b"x" * (1 << 20)], ids=["silent", "slow", "endless"])
def test_a_run_that_does_not_come_to_an_end_is_told(
    base: Path, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zonevm.service.runs._LOOK_SECONDS", 0.5)
    done = threading.Event()

    def pieces() -> Iterator[bytes]:
        while not done.wait(0.05 if len(piece) < 2 else 0):
            yield piece

    before = memory()
    with saying(base, pieces):
        assert [run.command for run in runs()] == [None]
        done.set()
    assert memory() - before < 16 << 20


def test_an_error_keeps_its_exit_code(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ends: list[Exception] = [UsageError("no cache", "Add one."), ImageError("cannot cut"), TypeError("a bug")]

    def cut(loss: str, seed: int) -> object:
        raise ends[0]

    with answering(base, {"power-cut": cut}) as run:
        for code, words in ((2, "no cache\nhint: Add one."), (125, "cannot cut"), (125, "TypeError: a bug")):
            assert execute(["power-cut"]) == code
            assert words in capfd.readouterr().err
            ends.pop(0)
        with pytest.raises(UsageError, match="the request is wrong: missing"):
            ask(run, "power-cut")
        with pytest.raises(UsageError, match="of another version"):
            ask(run, "dance")


def test_what_a_run_says_does_not_steer_the_terminal(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ugly = "\x1b[2J\x9b1m\r\u202e\ud800"

    def cut(loss: str, seed: int) -> object:
        raise ImageError(ugly)

    described = {"describe": lambda: {"disks": [ugly], "command": f"a\n{ugly}"}}
    with answering(base, {**described, "power-cut": cut}):
        assert execute(["list"]) == 0
        assert execute(["power-cut"]) == 125
    out, err = capfd.readouterr()
    assert r"\x1b[2J\x9b1m\r\u202e\ud800" in out
    assert r"\x1b[2J\x9b1m\r\u202e\ud800" in err
    assert len(out.splitlines()) == 2
    assert not re.search(r"[^\n -~]", out + err)


# Many at once, and the end


def test_who_connects_and_says_nothing_keeps_nobody_waiting(base: Path) -> None:
    with contextlib.ExitStack() as silent, answering(base, {}) as run:
        for _ in range(control._MOST_CONNECTIONS + 4):  # the last ones wait for a place
            client = silent.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(run.socket))
        assert ask(run, "describe")
        # And so does the end of the run, with those that are left: a thread of theirs would outlive it.
        client = silent.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(run.socket))
    assert not [each for each in threading.enumerate() if each.name == "zonevm-control"]


def test_an_answer_in_flight_is_sent_before_the_end(base: Path) -> None:
    begun, answers = threading.Event(), []

    def slow() -> str:
        begun.set()
        time.sleep(0.5)
        return "done"

    with answering(base, {"slow": slow}) as run:
        asking = threading.Thread(target=lambda: answers.append(ask(run, "slow")))
        asking.start()
        assert begun.wait(30)
    asking.join()
    assert answers == ["done"]


def test_requests_are_carried_out_one_at_a_time(base: Path) -> None:
    inside = threading.Lock()

    def alone() -> bool:
        with contextlib.ExitStack() as stack:
            first = inside.acquire(blocking=False)
            if first:
                stack.callback(inside.release)
            time.sleep(0.02)
            return first

    with answering(base, {"alone": alone}) as run:
        answers: list[object] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(run, "alone"))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [True] * 10


def test_a_stopped_run_is_told(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    serve = [sys.executable, "-c", "from zonevm.cli import main; main()", "serve", "--disk", "smr,size=1G"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        try:
            assert execute(["list"]) == 0
            assert f"zonevm: run {process.pid} does not answer\n" in capfd.readouterr().err
        finally:
            process.kill()


# Any bytes

NAMES = st.sampled_from(["describe", "power-cut", "do", "loss", "seed", "answer", "error", "hint", "disks"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=20,
)
REQUESTS = st.fixed_dictionaries(
    {"do": NAMES}, optional={"loss": VALUES, "seed": VALUES, "more": VALUES}
) | st.dictionaries(NAMES, VALUES)
ANSWERS = st.dictionaries(st.sampled_from(["answer", "error", "hint", "usage", "pid"]), VALUES) | (
    st.fixed_dictionaries({"answer": st.fixed_dictionaries({"disks": VALUES, "command": VALUES})})
)


def lines(objects: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    """Bytes that are lines of JSON, or nearly, or not at all."""
    json_line = objects.map(lambda value: json.dumps(value).encode() + b"\n")
    cut = st.builds(lambda line, at: line[: at % len(line)], json_line, st.integers(0, 1 << 16))
    changed = st.builds(
        lambda line, at, byte: line[: at % len(line)] + byte + line[at % len(line) + 1 :],
        json_line,
        st.integers(0, 1 << 16),
        st.binary(min_size=1, max_size=4),
    )
    long = st.builds(lambda piece, count: piece * count, st.binary(min_size=1), st.integers(1, 1 << 17))
    return st.lists(json_line | cut | changed | st.binary() | long, max_size=3).map(b"".join)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run for all examples, which has to survive each."""

    def cut(loss: str, seed: int) -> object:
        return {loss: seed + 1}

    with answering(tmp_path_factory.mktemp("r"), {"power-cut": cut}) as run:
        yield run


@fuzzed
@given(data=lines(REQUESTS))
@example(data=b'{"do": []}\n')
@example(data=b"[]\n")
@example(data=b"null\n")
@example(data=b"[" * 100_000 + b"\n")
def test_any_bytes_of_a_client_are_answered_or_the_end(run: Run, data: bytes) -> None:
    answer = sent(run, data)
    if answer:
        assert answer.endswith(b"\n")
        assert json.loads(answer).keys() & {"answer", "error"}
    assert ask(run, "describe")["command"] == "true"
    assert len([each for each in threading.enumerate() if each.name == "zonevm-control"]) < 8


@fuzzed
@given(data=lines(ANSWERS))
@example(data=b'{"answer": {"disks": [{}], "command": 1}}\n')
def test_any_bytes_of_a_run_are_an_answer_or_an_error(
    base: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with saying(base, lambda: [data]) as run:
        with contextlib.suppress(ZonevmError):
            ask(run, "describe")
        assert execute(["list"]) == 0
        assert execute(["power-cut"]) in (0, 2, 125)
    out, err = capsys.readouterr()
    assert all(each.isprintable() or each == "\n" for each in out + err)


def test_neither_side_keeps_what_never_ends(run: Run, base: Path) -> None:
    before = memory()
    assert sent(run, b"x" * (64 << 20)) == b""
    assert memory() - before < 80 << 20  # 64 of them are this test's
    with (
        saying(base, lambda: repeat(bytes(1 << 20), 256)) as endless,
        pytest.raises(HostError, match="a line of more than 16777216 bytes"),
    ):
        ask(endless, "describe")
    assert memory() - before < 160 << 20
