"""The checks of ``--verify`` in real guests: every kind of disk that needs nothing of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonevm import Guest, images
from zonevm.cli import execute

pytestmark = pytest.mark.guest


def test_every_disk_is_as_it_was_asked_for(kernel_each: str, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="1100M", zone_size="64M", conventional=2, block_size=4096, max_open=None)
    disks = [
        f"smr,file={image},controller=a",
        "zns,size=1G,zone-size=64M,zone-capacity=62M,max-open=4,max-active=8,serial=ZNS-1",
        "plain,size=300M,serial=PLAIN-1",
        "smr,size=4G,zone-size=64M,conv=3,max-open=7,serial=SMR-1,controller=a",
        "smr,size=1G,zone-size=64M,max-open=16",
    ]
    with Guest(disks=disks, kernel=kernel_each) as guest:
        checks = guest.verify()
    lines = [str(check) for check in checks]
    assert [line for line in lines if not line.startswith("PASS")] == []
    for line in (
        f"/dev/sda: disk {disks[0]}",
        "/dev/sda: logical block size 4K",
        "/dev/sda: zone count 18",
        "/dev/sda: conventional zones 2",
        "/dev/sda: max open zones no limit",
        "/dev/nvme0n1: zone capacity 62M",
        "/dev/nvme0n1: max open zones 4",
        "/dev/nvme0n1: max active zones 8",
        "/dev/nvme0n1: serial ZNS-1",
        "/dev/vda: zoned model none",
        "/dev/vda: capacity 300M",
        "/dev/vda: serial PLAIN-1",
        "/dev/sdb: max open zones 7",
        "/dev/sdb: serial SMR-1",
        "/dev/sdc: zone size 64M",
    ):
        assert f"PASS {line}" in lines


def test_a_disk_that_is_otherwise_ends_the_run(kernel: str, capfd: pytest.CaptureFixture[str]) -> None:
    # A kernel without the driver: the disk never shows.
    unbound = ["--append", "initcall_blacklist=virtio_blk_init module_blacklist=virtio_blk"]
    disk = ["--disk", "plain,size=1G"]
    assert execute(["run", "--kernel", kernel, *unbound, "--verify", *disk, "--", "echo", "ran"]) == 125
    said = capfd.readouterr()
    assert said.out == ""
    assert "zonevm: FAIL no device: disk not there; asked for plain,size=1G\n" in said.err
    assert "zonevm: 1 of 1 facts of the disks are not as asked for\n" in said.err
