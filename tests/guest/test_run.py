"""A command in the guest behaves as on the host: files, directory, environment, streams, exit code."""

from __future__ import annotations

import hashlib
import os
import pty
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until
from zonevm import CommandError, Guest, GuestError, GuestTimeoutError, UsageError

pytestmark = pytest.mark.guest


def test_exit_code_and_streams(plain: Guest) -> None:
    done = plain.run("echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_check_raises_with_what_the_command_said(plain: Guest) -> None:
    with pytest.raises(CommandError, match="exit code 3: too bad") as caught:
        plain.run("echo too bad >&2; exit 3", check=True)
    assert caught.value.completed.returncode == 3


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
        (["sh", "-c", "kill -TERM $$"], 128 + 15),
        (["sh", "-c", "kill -KILL $$"], 128 + 9),
    ],
)
def test_exit_codes_as_a_shell_tells_them(plain: Guest, argv: list[str], code: int) -> None:
    assert plain.run(argv).returncode == code


def test_64_mib_through_the_guest_are_the_same(plain: Guest, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    digest = hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(64):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    with source.open("rb") as stdin, target.open("wb") as stdout:
        assert plain.run(["cat"], stdin=stdin, stdout=stdout).returncode == 0
    assert hashlib.sha256(target.read_bytes()).digest() == digest.digest()


def test_a_reader_that_goes_away_ends_the_command(plain: Guest) -> None:
    read, write = os.pipe()
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(plain.run(["yes"], stdout=write).returncode))
    thread.start()
    assert os.read(read, 2) == b"y\n"
    os.close(read)
    thread.join()
    os.close(write)
    assert ended == [128 + 13]


def test_many_commands_at_once(plain: Guest) -> None:
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        results[number] = plain.run(f"sleep 0.5; echo {number}").stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: b"%d\n" % number for number in range(8)}


def test_a_timeout_kills_the_command(plain: Guest) -> None:
    with pytest.raises(GuestTimeoutError, match="sleep 317 did not end within 1 s") as caught:
        plain.run(["sleep", "317"], timeout=1)
    assert caught.value.exit_code == 124
    until(lambda: plain.run("grep -lz '^317$' /proc/[0-9]*/cmdline").returncode != 0)


def test_arguments_that_do_not_fit_are_told(plain: Guest) -> None:
    with pytest.raises(UsageError, match="at most 16777216 reach the guest"):
        plain.run(["true", *["x" * 2**16] * 257])
    # execve(2): 128 KiB an argument, and a quarter of the stack's limit in all; a name has 255 bytes.
    for argv, told in (
        (["true", "x" * 2**17], "Argument list too long"),
        (["true", *["x" * 2**16] * 200], "Argument list too long"),
        (["x" * 2**17], "File name too long"),
    ):
        done = plain.run(argv)
        assert done.returncode == 126
        assert told in done.error_text
    assert plain.run(["true", *["x" * 2**16] * 20]).returncode == 0


def test_the_working_directory_is_the_hosts(plain: Guest, tmp_path: Path) -> None:
    assert plain.run(["pwd"]).text.strip() == str(Path.cwd())
    (tmp_path / "a file").write_text("seen")
    assert plain.run(["cat", "a file"], cwd=tmp_path).text == "seen"


def test_a_directory_that_the_guest_does_not_have(plain: Guest) -> None:
    with pytest.raises(GuestError, match="the guest has no directory /no/such"):
        plain.run(["true"], cwd="/no/such")


def test_the_environment_comes_along(plain: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEVM_SEEN", "a value; with $signs\n")
    monkeypatch.setenv("DISPLAY", ":0")
    seen = plain.run(["env", "-0"]).stdout.split(b"\0")
    assert b"ZONEVM_SEEN=a value; with $signs\n" in seen
    assert not any(variable.startswith(b"DISPLAY=") for variable in seen)
    assert plain.run(["env"], env={"PATH": "/usr/bin:/bin", "ONLY": "this"}).text.splitlines() == [
        "PATH=/usr/bin:/bin",
        "ONLY=this",
    ]


def test_what_the_guest_writes_does_not_reach_the_host(plain: Guest, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.write_text("before")
    script = f"echo after > {ours}; echo new > {tmp_path}/new; rm -rf {tmp_path}/gone; cat {ours}"
    (tmp_path / "gone").mkdir()
    assert plain.run(script).text == "after\n"
    assert ours.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "ours"]


def test_the_hosts_root_cannot_be_made_writable(plain: Guest, tmp_path: Path) -> None:
    plain.run("mkdir -p /tmp/host && mount -t 9p -o trans=virtio,version=9p2000.L root /tmp/host")
    plain.run(["touch", f"/tmp/host{tmp_path}/broken"])
    assert not list(tmp_path.iterdir())


def test_the_guest_is_a_sound_system(plain: Guest, kernel: str) -> None:
    script = """
        set -e
        test "$(id -u)" = 0
        test "$(hostname)" = zonevm || test "$(cat /proc/sys/kernel/hostname)" = zonevm
        test "$(stat -f -c %T /run)" = tmpfs && test "$(stat -f -c %T /dev/shm)" = tmpfs
        test -w /dev/null && test -e /dev/fd/0 && test -e /dev/pts/ptmx
        test -d /lib/modules/$(uname -r)/kernel
        modprobe null_blk && test -b /dev/nullb0
        modprobe dm-zoned && modprobe f2fs && modprobe btrfs
        grep -q zonefs /proc/filesystems || modprobe zonefs
        head -c 16 /dev/random | wc -c
    """
    done = plain.run(script)
    assert (done.returncode, done.stdout) == (0, b"16\n"), done
    loopback = Path("/sys/class/net/lo/flags")
    assert int(plain.run(["cat", loopback]).text, 16) & 1
    assert abs(int(plain.run(["date", "+%s"]).text) - time.time()) < 30


def test_no_zombies_are_left(plain: Guest) -> None:
    plain.run("for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 0.5")
    states = plain.run("cat /proc/[0-9]*/stat 2>/dev/null").text.splitlines()
    assert not [line for line in states if line.rpartition(")")[2].split()[0] == "Z"]


def test_a_command_with_a_null_character_is_refused(plain: Guest) -> None:
    with pytest.raises(UsageError, match="null character"):
        plain.run(["echo", "a\0b"])
    with pytest.raises(UsageError, match="no command"):
        plain.run([])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal that the shell is run on, in place of the caller's; its other end."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr("zonevm.agent.terminal.standard_streams", lambda: (theirs, theirs))
    yield ours
    os.close(theirs)
    os.close(ours)


def test_a_shell_on_a_terminal(plain: Guest, terminal: int) -> None:
    def type_and_read() -> None:
        seen = b""
        os.write(terminal, b"tty; stty -echo; sh -c 'echo $((6 * 7)); exec sleep 100'\r")
        while b"42" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        os.write(terminal, b"exit 9\r")

    typist = threading.Thread(target=type_and_read)
    typist.start()
    assert plain.shell(["/bin/sh"]) == 9
    typist.join(20)
    assert not typist.is_alive()


def test_the_disks_that_are_served_here_can_be_reached(kernel: str) -> None:
    disks = ["smr,size=1G,zone-size=16M", "plain,size=16M", *2 * ["smr,size=2G,controller=shared"]]
    with Guest(disks=disks, kernel=kernel) as guest:
        assert [guest.disk(number).info()["size"] >> 30 for number in (0, 2, 3)] == [1, 2, 2]
        guest.run("dd if=/dev/zero of=/dev/sda bs=64k count=1 oflag=direct", check=True)
        assert guest.disk(0).zones()[0].write_pointer == 128
        for number in (1, 4):
            with pytest.raises(UsageError, match=f"disk {number} of this guest is not an emulated disk"):
                guest.disk(number)
