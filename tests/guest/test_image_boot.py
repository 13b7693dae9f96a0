"""`zonevm run --image`: a system image that boots by BIOS and UEFI, its console, its ssh, and its end."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zonevm import images
from zonevm.trace import summarize

from .console import Console
from .system_image import SystemImage

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]
RUN = [*ZONEVM, "run", "--accel", "tcg"]
SOON = 30


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets go: as empty after each test as before."""
    with tempfile.TemporaryDirectory(prefix="run") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)
        end = time.monotonic() + SOON
        while list(Path(name).iterdir()):
            assert time.monotonic() < end, list(Path(name).iterdir())
            time.sleep(0.05)


@contextmanager
def booted(*options: object) -> Iterator[tuple[subprocess.Popen[bytes], Console]]:
    argv = [*RUN, *map(str, options)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        try:
            yield process, Console(process.stdin, process.stdout)
        except BaseException:
            process.terminate()
            raise


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_bios_disks_ssh_and_a_snapshot(system: SystemImage, tmp_path: Path, runtime: Path) -> None:
    before = hashlib.sha256(system.disk.read_bytes()).digest()
    port, smr, record = free_port(), tmp_path / "disk.img", tmp_path / "run.json"
    trace = tmp_path / "trace"
    disks = ("--disk", f"smr,size=4G,zone-size=64M,file={smr}", "--disk", "zns,size=1G,zone-size=64M")
    options = ("--image", system.disk, *disks, "--ssh-port", port, "--json", record, "--trace", trace)
    with booted(*options) as (process, console):
        console.run("! [ -d /sys/firmware/efi ]")
        zoned = dict(line.split() for line in console.run("lsblk -dno NAME,ZONED").splitlines())
        assert zoned["sda"] == zoned["nvme0n1"] == "host-managed"
        assert zoned["vda"] == "none"
        console.run("dd if=/dev/urandom of=/dev/sda bs=1M count=3 oflag=direct seek=64 2> /dev/null")
        console.run("echo changed > /changed")
        reached = subprocess.run(
            [
                *("ssh", "-F", "none", "-i", str(system.key), "-p", str(port), "-o", "BatchMode=yes"),
                *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
                *("root@127.0.0.1", "cat /changed /sys/block/sda/queue/nr_zones"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert reached.stdout == "changed\n64\n", reached.stderr
        console.power_off()
        assert process.wait(SOON) == 0
    assert images.zones(smr)[1].write_pointer == (64 + 3) * 2048
    assert {each.command: each.bytes for each in summarize(trace).disks[0].commands}["WRITE(16)"] == 3 << 20
    assert hashlib.sha256(system.disk.read_bytes()).digest() == before
    written = json.loads(record.read_text())
    assert (written["reason"], written["exit_code"]) == ("exited", 0)
    assert "==> up" in (Path(written["log_dir"]) / "console.log").read_text(errors="replace")


def test_uefi_and_an_image_that_is_written(system: SystemImage, tmp_path: Path, runtime: Path) -> None:
    image = tmp_path / "copy.raw"
    shutil.copyfile(system.disk, image)
    options = ("--image", image, "--image-write", "--firmware", "uefi", "--disk", "smr,size=1G,zone-size=64M")
    with booted(*options) as (process, console):
        console.run("[ -d /sys/firmware/efi ]")
        assert console.run("cat /sys/block/sda/queue/zoned") == "host-managed"
        console.run("echo kept-$((6 * 7)) > /kept")
        console.power_off()
        assert process.wait(SOON) == 0
    assert b"kept-42\n" in image.read_bytes()


def test_a_reboot_is_no_end(system: SystemImage, runtime: Path) -> None:
    with booted("--image", system.disk) as (process, console):
        boot = console.run("cat /proc/sys/kernel/random/boot_id")
        console.send("echo b > /proc/sysrq-trigger; sleep 100")
        console.wait_until_up()
        assert console.run("cat /proc/sys/kernel/random/boot_id") != boot
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON) == 130


def test_its_power_is_cut(system: SystemImage, tmp_path: Path, runtime: Path) -> None:
    image = tmp_path / "disk.img"
    disk = f"smr,size=1G,zone-size=64M,file={image},cache=volatile"
    with booted("--image", system.disk, "--disk", disk) as (process, console):
        console.run("dd if=/dev/zero of=/dev/sda bs=1M count=3 oflag=direct seek=64 2> /dev/null")
        command = f"run --image {system.disk}"
        listed = [{"run": process.pid, "disks": [disk], "command": command}]
        assert json.loads(subprocess.check_output([*ZONEVM, "list", "--json"])) == listed
        cut = [*ZONEVM, "power-cut", "--loss", "all"]
        assert subprocess.check_output(cut, text=True) == (
            "disk 0: zone 1: 0 of 768 blocks are left, 0 were flushed\n"
        )
        console.wait_until_up()
        assert "wptr 0x000000" in console.run("blkzone report -o 0x20000 -c 1 /dev/sda")
        console.power_off()
        assert process.wait(SOON) == 0
    assert images.zones(image)[1].condition == "empty"


def test_a_key_leaves(system: SystemImage, tmp_path: Path, runtime: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [*RUN, "--image", str(system.disk), "--disk", "smr,size=1G"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert b"Ctrl-] ends the guest" in process.stderr.readline()
        os.write(ours, b"\x1d")
        assert process.wait(SOON) == 0
        assert b"the guest was ended" in process.stderr.read()
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_of_an_interrupted_run(
    system: SystemImage, runtime: Path, number: signal.Signals, code: int
) -> None:
    argv = [*RUN, "--image", str(system.disk), "--disk", "smr,size=1G"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + SOON
        while not list(runtime.glob("zonevm-*/qmp.sock")):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(SOON) == code


def test_a_wrong_qemu_argument_is_told(system: SystemImage, runtime: Path) -> None:
    done = subprocess.run(
        [*RUN, "--image", system.disk, "--qemu-arg=-device", "--qemu-arg=no-such-device"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 125
    assert "no-such-device" in done.stderr
