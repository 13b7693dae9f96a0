"""Resets in the middle of I/O to a namespace: of controller, function and machine. Nothing is lost."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pytest

from zonevm import Guest, GuestError, ZnsDisk, images

from .test_filesystems import sh

pytestmark = [pytest.mark.guest, pytest.mark.loaded]

NODE = "/dev/nvme0n1"
ZONE = 16 * 2**20
BLOCK = 4096
FIO = (
    f"fio --name=w --filename={NODE} --direct=1 --zonemode=zbd --bs=32k --size=32M --verify=crc32c"
    " --ioengine=libaio --verify_fatal=1"
)
WRITING = f"{FIO} --iodepth=1 --rw=write --do_verify=0 --rate=8m"
RESETS = {
    "controller": "nvme reset /dev/nvme0",
    "function": "echo flr > {pci}/reset_method; echo 1 > {pci}/reset",
    "removal": "echo 1 > {pci}/remove; sleep 0.2; echo 1 > /sys/bus/pci/rescan; sleep 0.5",
}
WRITE = """
import mmap, os, sys
disk = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
block = mmap.mmap(-1, 4096)
for number in range(1 << 20):
    block[:] = number.to_bytes(4, "little") * 1024
    os.pwrite(disk, block, number * 4096)
    print(number, flush=True)
"""
READ = """
import sys
with open(sys.argv[1], "rb") as disk:
    for number in range(int(sys.argv[2])):
        assert disk.read(4096) == number.to_bytes(4, "little") * 1024, number
"""


@pytest.fixture
def disk(tmp_path: Path) -> ZnsDisk:
    file = tmp_path / "disk.img"
    return ZnsDisk(size="512M", zone_size=ZONE, max_open=8, max_active=8, file=file, queues=2)


def test_resets_of_the_device_lose_nothing(kernel: str, disk: ZnsDisk) -> None:
    with Guest(disks=[disk], kernel=kernel, qemu="pulled", cpus=2) as guest:
        pci = sh(guest, "readlink -f /sys/class/nvme/nvme0/device").strip()
        for kind in ("controller", "function"):
            sh(guest, f"blkzone reset {NODE}; dmesg -C")
            writing = threading.Thread(target=sh, args=(guest, WRITING))
            writing.start()
            count = 0
            while writing.is_alive():
                sh(guest, RESETS[kind].format(pci=pci))
                count += 1
            writing.join()
            assert count > 5, kind
            sh(guest, f"{FIO} --rw=read")
            log = sh(guest, "dmesg")
            assert "I/O error" not in log, log[-3000:]
        sh(guest, RESETS["removal"].format(pci=pci))
        sh(guest, f"{FIO} --rw=read")
    assert images.check(disk.file or "") == []


def test_a_reset_of_the_machine_loses_nothing_that_was_answered(kernel: str, disk: ZnsDisk) -> None:
    reader, writer = os.pipe()
    with Guest(disks=[disk], kernel=kernel, qemu="pulled") as guest:

        def write() -> None:
            with os.fdopen(writer, "wb") as out, pytest.raises(GuestError):
                guest.run([sys.executable, "-c", WRITE, NODE], stdout=out)

        writing = threading.Thread(target=write)
        writing.start()
        with os.fdopen(reader, encoding="ascii") as said:
            for line in said:
                last = int(line)
                if last == 500:
                    guest.reboot()
                    break
            last = max([last, *(int(line) for line in said if line.endswith("\n"))])
        writing.join()
        report = sh(guest, f"blkzone report -c 1 {NODE}")
        (pointer,) = re.findall(r"wptr 0x(\w+)", report)
        assert int(pointer, 16) * 512 > last * BLOCK
        guest.run([sys.executable, "-c", READ, NODE, str(last + 1)], check=True)
