"""A host that is full, read-only, or does not listen: words and an exit code, no traceback, no litter."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zonevm import images
from zonevm.cli.app import VERBS
from zonevm.host import store

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]
PRINTING = [
    "--help",
    "--version",
    "list --json",
    "disk --help",
    "disk create {new} --size 64M",
    "disk info {image}",
    "disk info {image} --json",
    "disk zones {image}",
    "disk zones {image} --list",
    "disk zones {image} --svg /dev/stdout",
    "disk options",
    "disk check {image}",
    "disk snapshot {image} {new}",
    "devices --all --json",
    "kernel list --json",
    "completion bash",
    "serve --disk smr,size=64M",
    "run --export libvirt --disk smr,size=64M",
    *(f"{verb} --help" for verb in VERBS),
]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="1M", conventional=2)
    return path


def words(line: str, image: Path) -> list[str]:
    return shlex.split(line.format(image=image, new=image.with_name("new.img")))


@pytest.mark.parametrize("line", PRINTING)
def test_an_output_that_is_full_is_told(line: str, image: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*ZONEVM, *words(line, image)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    if done.returncode == 0:
        assert line == "kernel list --json"
        return
    assert done.returncode == 125, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("line", PRINTING)
def test_a_reader_that_is_gone_is_no_error(line: str, image: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*ZONEVM, *words(line, image)], stdout=write, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(write)
    assert done.returncode == (125 if "/dev/stdout" in line else 141), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("place", ["/dev/full", "a pipe"])
def test_messages_that_nobody_reads_do_not_change_the_exit_code(place: str) -> None:
    read, write = os.pipe()
    os.close(read)
    if place == "/dev/full":
        write = os.open(place, os.O_WRONLY)
    done = subprocess.run([*ZONEVM, "disk", "info", "/nowhere"], stderr=write)
    os.close(write)
    assert done.returncode == 125


# Directories

DIRECTORIES = [
    "run --kernel {kernel} -- true",
    "run --dry-run --kernel {kernel} -- true",
    "kernel pull 6.1",
    "kernel list",
    "list",
    "power-cut",
    "serve --disk smr,size=64M",
    "doctor",
    "devices",
    "disk create {new} --size 64M",
]
HOSTS = {
    "missing": "export HOME=/proc/no TMPDIR=/proc/no XDG_RUNTIME_DIR=/proc/no",
    "read-only": "mount -t tmpfs -o ro none $0",
    "full": "mount -t tmpfs -o size=4k,nr_inodes=6 none $0; head -c 1M /dev/zero > $0/filler || true",
    "no inodes": "mount -t tmpfs -o nr_inodes=1 none $0",
}
"""Commands that break $0, which is HOME, the caches, and the place of temporary files."""


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("line", DIRECTORIES)
def test_directories_that_cannot_be_written_are_told(line: str, host: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kernel = next(Path.home().glob(".cache/zonevm/kernels/*/boot/vmlinuz-*"), Path("/nowhere"))
    verb = shlex.split(line.format(kernel=kernel, new=home / "new.img"))
    script = f'{{ {HOSTS[host]}; }} 2> /dev/null; "$@"; code=$?; find $0 -name ".*"; exit $code'
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(home), *ZONEVM, *verb]
    places = {"HOME", "TMPDIR", "XDG_RUNTIME_DIR"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    done = subprocess.Popen(
        inside,
        env={**environment, **dict.fromkeys(places, str(home))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = done.communicate(timeout=200)
    finally:
        done.kill()
    assert "Traceback" not in err
    assert done.returncode in (0, 1, 2, 125), err
    if done.returncode == 125:
        assert err.startswith("zonevm: ")
    if line.startswith(("run", "serve")) or (line.startswith("disk create") and host != "missing"):
        assert done.returncode == 125, err
    assert "/.new-" not in out


def test_a_file_of_the_cache_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k none $0 && exec "$@"'
    program = (
        "import sys; from pathlib import Path\n"
        "from zonevm.host import store; from zonevm.errors import HostError\n"
        "target = Path(sys.argv[1]) / 'a' / 'b'\n"
        "try:\n    store(target, bytes(1 << 20))\n"
        "except HostError as error:\n    print(error.message, list(target.parent.iterdir()))"
    )
    run = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(tmp_path)]
    done = subprocess.run(
        [*run, sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == f"{tmp_path}/a: No space left on device []\n", done.stderr


def test_what_a_kill_left_in_the_cache_goes(tmp_path: Path) -> None:
    for name, age in ((".new-old", 100_000), (".new-other", 10)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store(tmp_path / "a", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new-other", "a"]


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_told_to_end_twice_it_ends_once(number: signal.Signals, tmp_path: Path) -> None:
    """A wait in what undoes things stands for a guest's."""
    program = (
        "import sys, time, zonevm.cli.verbs.list, zonevm.cli\n"
        "def runs():\n"
        "    try:\n        print('up', flush=True); time.sleep(1000)\n"
        "    finally:\n        print('undoing', flush=True); time.sleep(0.5); print('undone', flush=True)\n"
        "zonevm.cli.verbs.list.runs = runs; sys.argv[1:] = ['list']; zonevm.cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.stdout.readline() == "undoing\n"
        for _ in range(5):
            process.send_signal(number)
            time.sleep(0.02)
        assert process.stdout.read() == "undone\n"
        assert process.stderr.read() == ""
    assert process.returncode == 128 + number


def test_a_signal_that_is_ignored_stays_so() -> None:
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from zonevm.cli.stopping import undo_when_told_to_end; undo_when_told_to_end()\n"
        "signal.raise_signal(signal.SIGHUP); print('still here')"
    )
    assert subprocess.check_output([sys.executable, "-c", program]) == b"still here\n"
