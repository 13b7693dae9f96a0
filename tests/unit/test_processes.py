"""Nothing is left of what zonevm starts, whoever is killed when: real processes, no QEMU."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.waiting import until
from zonevm import keeper
from zonevm.errors import HostError
from zonevm.machine.machine import RunningMachine
from zonevm.processes import Keeper, Kept
from zonevm.service.rundir import RuntimeDir

PATIENCE = 60


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runtime directories go; nothing may be left in it, nor a process that names it."""
    with tempfile.TemporaryDirectory(prefix="run") as name:
        path = Path(name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield path
        until(lambda: not processes(path) and not list(path.iterdir()))


def processes(of: Path) -> dict[int, list[bytes]]:
    """The processes with a word on their command lines that begins with a path."""
    found = {}
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = cmdline.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(os.fsencode(of) + b"/") for word in words):
            found[int(cmdline.parent.name)] = words
    return found


def keepers(of: Path) -> list[int]:
    """The keeper's parent, and the keeper, as far as they run."""
    found = [pid for pid, words in processes(of).items() if any(b"keeper.py" in word for word in words)]
    return sorted(found, key=lambda pid: parent(pid) in found)


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def start(keeper: Keeper, *argv: str) -> Kept:
    with Path(os.devnull).open("r+b") as nothing:
        return keeper.start(argv, nothing, nothing, nothing)


RUN = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from zonevm.service.rundir import RuntimeDir
    with RuntimeDir() as runtime:
        print("made", flush=True)
        waiting = ["tail", "-f", "/dev/null", runtime.path / "a.sock"]
        processes = [runtime.start(waiting, Path("/dev/null")) for _ in range(2)]
        print("up", flush=True)
        sys.exit(processes[0].wait())
""")


def running() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)


ORDERS = [
    "zonevm",
    "keeper",
    "zonevm keeper",
    "keeper zonevm",
    "above zonevm",
    "above keeper",
    "keeper above",
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_kill_at_any_moment_leaves_nothing(base: Path, order: str) -> None:
    """Of zonevm, of the keeper, of the keeper's parent; of two of them."""
    moments = random.Random(order)
    for moment in ("", "", "made\n", "up\n"):
        with running() as run:
            assert run.stdout
            while moment and run.stdout.readline() != moment:
                pass
            if not moment:
                time.sleep(moments.uniform(0, 0.4))
            victims = dict(zip(("zonevm", "above", "keeper"), [run.pid, *keepers(base)], strict=False))
            for name in order.split():
                kill(victims.get(name, run.pid))
                time.sleep(moments.choice([0, 0.02]))
        until(lambda: not processes(base) and not list(base.iterdir()))


def test_a_keeper_alone_removes_the_directory_that_zonevm_never_knew_of(base: Path) -> None:
    """Killed before it has read that the directory is made, zonevm leaves a connection that is reset."""
    directory = base / "made"
    ours, theirs = socket.socketpair()
    end, ends = os.pipe()
    command = [sys.executable, "-I", "-S", keeper.__file__, str(end), str(directory)]
    with theirs, subprocess.Popen(command, stdin=theirs.fileno(), pass_fds=[end]) as above:
        os.close(end)
        ready = select.poll()
        ready.register(ours, select.POLLIN)
        assert ready.poll()
        assert directory.is_dir()
        above.kill()
    ours.close()
    os.close(ends)
    until(lambda: not directory.exists())


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_keeper_that_is_killed_is_told(base: Path, tmp_path: Path) -> None:
    with RuntimeDir() as runtime:
        machine = RunningMachine(["sleep", "1000"], tmp_path / "qmp.sock", tmp_path, runtime)
        above, keeper = keepers(base)
        assert parent(keeper) == above
        kill(keeper)
        until(lambda: not machine.alive)
        assert "keeper.py) was killed" in machine.failure().message
        machine.stop()
        with pytest.raises(HostError, match=r"keeper\.py\) was killed"):
            runtime.start(["true"], tmp_path / "log")
        assert runtime.path.is_dir()  # its sockets are ours still


def test_a_process_is_as_if_it_were_our_own(tmp_path: Path) -> None:
    with Keeper() as keeper:
        assert start(keeper, "sh", "-c", "exit 7").wait(PATIENCE) == 7
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            start(keeper, "no-such-program")
        with pytest.raises(PermissionError):
            start(keeper, str(tmp_path))
        said = tmp_path / "said"
        with said.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            words = ["", "a b\n", "x" * 100_000, "\udcff"]
            argv = [
                "sh",
                "-c",
                'printf "%s|" "$@"; ps -o pgid= -o pid= -o sid= $$; kill -TERM $$',
                "sh",
                *words,
            ]
            assert keeper.start(argv, nothing, output, output).wait(PATIENCE) == -signal.SIGTERM
        *seen, ids = said.read_bytes().split(b"|")
        assert [os.fsencode(word) for word in words] == seen
        group, process, session = map(int, ids.split())
        assert group == process
        assert session == os.getsid(0)
        sleeper = start(keeper, "sleep", "1000")
        assert sleeper.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            sleeper.wait(0.05)
        sleeper.kill()
        assert sleeper.wait() == -signal.SIGKILL == sleeper.poll()
        sleeper.kill()
        status = Path(f"/proc/{start(keeper, 'sleep', '1000').pid}/status").read_text()
        ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
        assert int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_it_has_descriptors_under_the_same_numbers_and_no_others(tmp_path: Path) -> None:
    read, write = os.pipe()
    low = [os.dup(read) for _ in range(20)]
    high = os.dup2(write, 700)
    said = tmp_path / "said"
    try:
        with Keeper() as keeper, said.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            show = ["find", "/proc/self/fd", "-printf", "%f %l\\n"]
            assert keeper.start(show, nothing, output, output, [high, *low[5:]]).wait(PATIENCE) == 0
            with pytest.raises(FileNotFoundError):
                keeper.start(["no-such-program"], nothing, output, output, low)
    finally:
        for each in (read, write, high, *low):
            os.close(each)
    seen = dict(line.split(" ", 1) for line in said.read_text().splitlines())
    pipe = seen[str(high)]
    assert pipe.startswith("pipe:")
    assert {int(number) for number, link in seen.items() if link == pipe} == {high, *low[5:]}
    assert not any(link.startswith(("socket:", "anon_inode:")) for link in seen.values())


def test_what_a_wrapper_has_started_ends_too(base: Path, tmp_path: Path) -> None:
    with RuntimeDir() as runtime:
        script = "sleep 1000 & echo $!; wait"
        wrapper = runtime.start(["sh", "-c", script], tmp_path / "log")
        until((tmp_path / "log").read_text)
        inner = Path("/proc", (tmp_path / "log").read_text().strip())
        wrapper.kill()
        wrapper.wait()
        until(lambda: not inner.exists() or ") Z" in (inner / "stat").read_text())


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        Keeper(tmp_path)
    assert tmp_path.is_dir()
    with pytest.raises(FileNotFoundError):
        Keeper(tmp_path / "no" / "dir")


REUSED = textwrap.dedent("""
    import os, subprocess, sys
    from pathlib import Path
    from zonevm.service.rundir import RuntimeDir
    run = RuntimeDir()
    ended = run.start(["true"], Path("/dev/null"))
    ended.wait()
    for _ in range(1000):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(ended.pid - 1))
        stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        if stranger.pid == ended.pid:
            break
        stranger.kill()
        stranger.wait()
    print(stranger.pid == ended.pid, flush=True)
    os.kill(os.getpid(), 9)
""")
"""Ends with a process that has the id of one that the keeper had started, alone in a space of ids."""


def test_an_id_that_was_given_to_another_process_is_not_killed(base: Path) -> None:
    script = (
        f'"{sys.executable}" -c "$0" & wait $!;'
        f'while ls "$XDG_RUNTIME_DIR" | grep -q .; do sleep 0.05; done; pgrep -x sleep | wc -l'
    )
    alone = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c", script, REUSED]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["True", "1"], done.stderr
