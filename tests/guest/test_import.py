"""`zonevm disk import --from`: a zoned device of Linux becomes an image with the same zones and data."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.unit import sqes
from zonevm import Guest, images

pytestmark = pytest.mark.guest

MIB = 1 << 20
ZONE = 16 * MIB
READ_AT_ONCE = 4 * MIB

FILL = """
set -e
dd if=/dev/urandom of=/dev/sda bs=64k count=3 seek=20 oflag=direct
dd if=/dev/urandom of=/dev/sda bs=1M count=16 seek=32 oflag=direct
dd if=/dev/urandom of=/dev/sda bs=4k count=5 seek=$((64 * 256)) oflag=direct
dd if=/dev/zero of=/dev/sda bs=1M count=8 seek=80 oflag=direct
dd if=/dev/urandom of=/dev/sda bs=1M count=1 seek=96 oflag=direct
blkzone finish -o $((6 * 32768)) -l 32768 /dev/sda
dd if=/dev/urandom of=/dev/sda bs=1M count=2 seek=112 oflag=direct
blkzone reset -o $((7 * 32768)) -l 32768 /dev/sda
blkzone open -o $((8 * 32768)) -l 32768 /dev/sda
"""
STATES = {0: "not write pointer", 1: "not write pointer", 2: "full", 4: "closed", 5: "closed", 6: "full"}


def content(path: Path, start: int, length: int) -> bytes:
    """Bytes of the disk in an image."""
    with images.open(path) as disk:
        disk.execute(bytes(6))
        data = b""
        for at in range(start, start + length, READ_AT_ONCE):
            lba, blocks = at // 512, min(READ_AT_ONCE, start + length - at) // 512
            cdb = b"\x88\0" + lba.to_bytes(8, "big") + blocks.to_bytes(4, "big") + b"\0\0"
            data += disk.execute(cdb, data_in_length=blocks * 512).data
        return data


def test_a_zoned_device_is_imported(kernel: str, tmp_path: Path) -> None:
    original, copy = tmp_path / "original.img", tmp_path / "shared/copy.img"
    copy.parent.mkdir()
    disk = f"smr,size={20 * 16 - 4}M,zone-size=16M,conv=2,max-open=8,file={original}"
    zonevm = [sys.executable, "-c", "from zonevm.cli import main; main()", "disk", "import", "--json"]
    with Guest(kernel=kernel, disks=[disk], rwdirs=[copy.parent]) as guest:
        guest.run(["sh", "-c", FILL], check=True)
        guest.run("exec 3< /dev/sda; sleep 100 & echo", check=True)
        done = guest.run([*zonevm, "--from", "/dev/sda", str(copy)])
        assert done.returncode == 125, done.text
        assert "in use" in done.error_text
        guest.run("pkill sleep", check=True)
        done = guest.run([*zonevm, "--from", "/dev/sda", str(copy)])
        assert done.returncode == 0, done.error_text
        told = json.loads(done.stdout)
        refused = guest.run([*zonevm, "--from", "/dev/sda", str(copy)])
        assert "copy.img exists" in refused.error_text
    assert (told["zones"], told["conventional"], told["notes"]) == (20, 2, [])
    assert told["data"] == (192 << 10) + 16 * MIB + (20 << 10) + MIB
    assert [path.name for path in copy.parent.iterdir()] == ["copy.img"]
    before, after = images.info(original), images.info(copy)
    for fact in ("size", "zone_size", "conventional", "block_size", "max_open"):
        assert before[fact] == after[fact]
    for number, (was, now) in enumerate(zip(before["zones"], after["zones"], strict=True)):
        assert now.condition == STATES.get(number, "empty"), number
        assert (now.start, now.length, now.write_pointer) == (was.start, was.length, was.write_pointer)
        start, length = was.start * 512, was.length * 512
        assert content(original, start, length) == content(copy, start, length), number


NAMESPACE = """
set -e
dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=15 seek=32 oflag=direct
dd if=/dev/urandom of=/dev/nvme0n1 bs=4k count=5 seek=$((64 * 256)) oflag=direct
dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=1 seek=96 oflag=direct
blkzone finish -o $((6 * 32768)) -l 32768 /dev/nvme0n1
blkzone open -o $((8 * 32768)) -l 32768 /dev/nvme0n1
"""


def test_a_namespace_is_imported_with_its_capacity_and_limits(kernel: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.img"
    disk = "zns,size=320M,zone-size=16M,zone-capacity=15M,max-open=8,max-active=10,via=qemu"
    zonevm = [sys.executable, "-c", "from zonevm.cli import main; main()", "disk", "import", "--json"]
    with Guest(kernel=kernel, disks=[disk], rwdirs=[tmp_path]) as guest:
        guest.run(["sh", "-c", NAMESPACE], check=True)
        done = guest.run([*zonevm, "--from", "/dev/nvme0n1", str(copy)])
        assert done.returncode == 0, done.error_text
        digest = "dd if=/dev/nvme0n1 bs=1M skip={at} count={count} status=none | sha256sum"
        sums = [
            guest.run(digest.format(at=at, count=count), check=True).text.split()[0]
            for at, count in ((32, 15), (96, 15))
        ]
    info = images.info(copy)
    assert (info["model"], info["size"], info["zone_capacity"]) == ("zns", 320 * MIB, 15 * MIB)
    assert (info["max_open"], info["max_active"], info["block_size"]) == (8, 10, 4096)
    states = {
        number: zone.condition for number, zone in enumerate(info["zones"]) if zone.condition != "empty"
    }
    assert states == {2: "full", 4: "closed", 6: "full"}
    assert info["zones"][4].write_pointer == 4 * ZONE // 4096 + 5
    for (at, count), expected in zip(((32, 15), (96, 15)), sums, strict=True):
        with images.open(copy) as opened:
            reads = (sqes.blocks(sqes.READ, (at + mib) * 256, 256) for mib in range(count))
            data = b"".join(opened.execute(read, data_in_length=MIB).data for read in reads)
        assert hashlib.sha256(data).hexdigest() == expected
    assert images.check(copy) == []
