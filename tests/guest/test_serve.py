"""`zonevm serve`: a QEMU started by hand from the printed line has the disks, and their state stays."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from zonevm import images

from .console import Console
from .system_image import SystemImage

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]
QEMU = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-serial", "stdio", "-machine", "q35"]
SOON = 30


def test_a_qemu_started_by_hand(system: SystemImage, tmp_path: Path) -> None:
    image, empty, sock = tmp_path / "disk.img", tmp_path / "empty.img", tmp_path / "s"
    disks = ("--disk", f"smr,size=1G,zone-size=64M,file={image}", "--disk", f"smr,size=2G,file={empty}")
    serve = [*ZONEVM, "serve", "--once", "--memory", "512M", "--socket", str(sock), *disks]
    system_disk = f"if=virtio,format=raw,snapshot=on,file={system.disk}"
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = server.stdout.readline()
        by_hand = [*QEMU, "-drive", system_disk, *shlex.split(line)]
        with subprocess.Popen(by_hand, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as qemu:
            assert qemu.stdin and qemu.stdout
            console = Console(qemu.stdin, qemu.stdout)
            assert console.run("cat /sys/block/sda/queue/nr_zones /sys/block/sdb/queue/nr_zones") == "16\n8"
            console.run("dd if=/dev/urandom of=/dev/sda bs=1M count=2 oflag=direct seek=128 2> /dev/null")
            console.run("blkzone finish -o $((3 * 131072)) -c 1 /dev/sda")
            console.power_off()
            assert qemu.wait(SOON) == 0
        assert server.wait(SOON) == 0
    assert not sock.exists()
    zones = images.zones(image)
    assert zones[2].write_pointer == (128 + 2) * 2048
    assert zones[3].condition == "full"
    assert all(zone.condition == "empty" for zone in images.zones(empty))


def test_disks_lose_their_cache_when_their_qemu_is_gone(system: SystemImage, tmp_path: Path) -> None:
    image, sock = tmp_path / "disk.img", tmp_path / "s"
    disk = f"smr,size=1G,zone-size=64M,file={image},cache=volatile"
    serve = [*ZONEVM, "serve", "--socket", str(sock), "--disk", disk]
    system_disk = f"if=virtio,format=raw,snapshot=on,file={system.disk}"
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        by_hand = [*QEMU, "-drive", system_disk, *shlex.split(server.stdout.readline())]
        cut = [*ZONEVM, "power-cut", str(server.pid), "--loss", "all"]
        with subprocess.Popen(by_hand, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as qemu:
            assert qemu.stdin and qemu.stdout
            console = Console(qemu.stdin, qemu.stdout)
            console.run("dd if=/dev/zero of=/dev/sda bs=1M count=2 oflag=direct seek=128 2> /dev/null")
            refused = subprocess.run(cut, capture_output=True, text=True)
            assert (refused.returncode, "a QEMU uses these disks" in refused.stderr) == (2, True)
            qemu.kill()
        done = subprocess.run(cut, capture_output=True, text=True)
        assert done.stdout == "disk 0: zone 2: 0 of 512 blocks are left, 0 were flushed\n", done.stderr
        assert images.zones(image)[2].condition == "empty"
        server.terminate()
        assert server.wait(SOON) == 0
