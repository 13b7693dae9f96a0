"""`zonevm run` as a user types it: exit codes, pipes, Ctrl-C, a panic, the order of disks, two at once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.waiting import until
from zonevm import images

pytestmark = pytest.mark.guest


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own: what is left in it was left behind."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


@pytest.fixture
def run(zonevm: list[str], kernel: str, runtime: Path) -> list[str]:
    """The beginning of a command line."""
    return [*zonevm, "run", "--kernel", kernel]


def test_the_commands_exit_code_is_zonevms(run: list[str], tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    done = subprocess.run(
        [*run, "--json", str(record), "--", "sh", "-c", "echo out; echo err >&2; exit 7"],
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    written = json.loads(record.read_text())
    assert written["exit_code"] == 7
    phases = written["boot_phases"]
    assert min(phases[name] for name in ("prepare", "qemu", "kernel", "stage1")) > 0
    assert phases["agent"] >= 0  # often less than the millisecond that is kept
    assert sum(phases.values()) == pytest.approx(written["seconds"]["boot"], rel=0.1, abs=0.5)


def test_a_pipe_through_the_guest_loses_nothing(run: list[str], tmp_path: Path) -> None:
    data = os.urandom(64 * 2**20)
    given, got = tmp_path / "given", tmp_path / "got"
    given.write_bytes(data)
    with given.open("rb") as stdin, got.open("wb") as stdout:
        subprocess.run([*run, "--", "cat"], stdin=stdin, stdout=stdout, check=True)
    assert hashlib.sha256(got.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_output_appends_to_a_file_and_ends_with_its_reader(run: list[str], tmp_path: Path) -> None:
    words = " ".join(run)
    script = (
        f"echo first > {tmp_path}/file; {words} -- echo second >> {tmp_path}/file; {words} -- yes | head -1"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True)
    assert (tmp_path / "file").read_text() == "first\nsecond\n"
    assert (done.stdout, done.stderr) == (b"y\n", b"")


@pytest.mark.parametrize(
    ("closed", "expected"),
    [("<&- 2>&-", (3, "out\n", "")), (">&-", (125, "", "zonevm: standard output: Bad file descriptor\n"))],
)
def test_a_closed_stream_is_never_the_image(
    run: list[str], tmp_path: Path, closed: str, expected: tuple[int, str, str]
) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="64M", zone_size="1M")
    identity = images.info(image)["uuid"]
    command = f"cat; echo out; echo x >&2; head -c 65536 /dev/zero >&{2 if '2' in closed else 1}; exit 3"
    script = f"{shlex.join([*run, '--disk', f'smr,file={image}', '--', 'sh', '-c', command])} {closed}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    code, out, says = expected
    assert (done.returncode, done.stdout) == (code, out)
    assert says in done.stderr
    assert images.info(image)["uuid"] == identity
    assert not images.check(image)


@pytest.mark.parametrize("when", ["booting", "running"])
def test_ctrl_c_ends_it_soon_with_nothing_left(run: list[str], runtime: Path, when: str) -> None:
    process = subprocess.Popen(
        [*run, "--disk", "smr,size=1G,zone-size=16M", "--", "sh", "-c", "echo up; sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    if when == "running":
        assert process.stdout.readline() == b"up\n"
    else:
        until(lambda: list(runtime.rglob("*.sock")))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    process.stdout.close()
    assert not list(runtime.rglob("*.sock"))
    members = subprocess.run(["pgrep", "--session", str(process.pid)], capture_output=True, text=True)
    assert members.stdout == ""


def test_a_panic_is_told(run: list[str]) -> None:
    done = subprocess.run(
        [*run, "--", "sh", "-c", "echo c > /proc/sysrq-trigger"], capture_output=True, text=True
    )
    assert done.returncode == 125
    assert "sysrq triggered crash" in done.stderr
    assert "console.log" in done.stderr


def test_a_command_that_is_not_there(run: list[str]) -> None:
    done = subprocess.run([*run, "--", "no-such-program"], capture_output=True, text=True)
    assert done.returncode == 127
    assert done.stderr == "zonevm: cannot run no-such-program: No such file or directory\n"


def test_disks_are_named_in_the_order_of_the_command_line(run: list[str]) -> None:
    sizes = {"smr": ["64M", "128M", "192M", "256M"], "zns": ["32M", "64M", "96M"]}
    disks = [
        word
        for kind, listed in sizes.items()
        for size in listed
        for word in ("--disk", f"{kind},size={size},zone-size=16M")
    ]
    script = "cat /sys/block/sd?/size /sys/block/nvme?n1/size"
    done = subprocess.run(
        [*run, *disks, "--", "sh", "-c", script], capture_output=True, text=True, check=True
    )
    expected = [int(size[:-1]) * 2048 for listed in sizes.values() for size in listed]
    assert [int(line) for line in done.stdout.split()] == expected


def test_two_at_once_do_not_meet(run: list[str]) -> None:
    guests = [
        subprocess.Popen(
            [*run, "--disk", f"smr,size={size}M,zone-size=16M", "--", "cat", "/sys/block/sda/size"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for size in (64, 128)
    ]
    assert [guest.communicate()[0] for guest in guests] == ["131072\n", "262144\n"]
