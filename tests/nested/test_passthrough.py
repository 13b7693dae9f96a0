"""Disks of the (outer) host itself in an inner guest: by their block nodes, SG nodes, LIO and virtio-blk."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.nested.conftest import Host, text
from tests.nested.inner import BOOT, TRY, scsi, tried, zoned
from zonevm.host import find_qemu

pytestmark = pytest.mark.nested

SMR = "/dev/sda"
MODULES = """
modprobe scsi_debug zbc=managed dev_size_mb=64 zone_size_mb=4 zone_nr_conv=2 max_luns=2
modprobe null_blk nr_devices=1 gb=1 bs=4096 memory_backed=1 zoned=1 zone_size=8 zone_nr_conv=2
modprobe -a sd_mod sg
disks() { lsscsi | grep scsi_debug | grep -o '/dev/sd.'; }
until [ "$(disks | wc -l)" = 2 ]; do sleep 0.1; done
disks
"""
AS_NOBODY = """
import os, sys
from zonevm.attach import resolve
from zonevm.disks import parse
from zonevm.errors import HostError
os.environ["XDG_CACHE_HOME"] = "/tmp/nobody"
os.setgroups([]), os.setgid(65534), os.setuid(65534)
if not os.access(sys.executable, os.X_OK):  # below a directory of root's
    sys.executable = "/usr/bin/python3"
try:
    (disk,) = resolve([parse(sys.argv[1])])
except HostError as error:
    sys.exit(f"{error.message} {error.hint}")
print(*disk.notes)
"""
CLAIM = """
import os, pathlib, sys
from zonevm.attach import resolve
from zonevm.disks import parse
node, flags = sys.argv[1], os.O_RDONLY | os.O_EXCL
(attachment,) = resolve([parse(f"{node},via=scsi-block")]).attachments(pathlib.Path("/tmp"))
with attachment:
    try:
        os.open(node, flags)
    except OSError as error:
        print(error.strerror)
os.close(os.open(node, flags))
"""


class Disks(NamedTuple):
    """More zoned disks of the outer guest, that its kernel emulates: two SCSI disks and one that is not."""

    one: str
    two: str
    other: str = "/dev/nullb0"


@pytest.fixture(scope="module")
def disks(host: Host) -> Iterator[Disks]:
    yield Disks(*host.sh(MODULES).split())
    host.sh("rmmod null_blk; rmmod scsi_debug")


def described(disks: Sequence[str]) -> list[str]:
    return [word for disk in disks for word in ("--disk", disk)]


@pytest.mark.timeout(1300)
def test_by_block_node_sg_node_and_lio(host: Host, disks: Disks, unchanged: None) -> None:
    given = (SMR, f"{disks.one},via=scsi-generic", f"{disks.two},via=vhost-scsi")
    done = host.zonevm("run", *BOOT, "--verify", *described(given), "--", *TRY, timeout=1200)
    assert done.returncode == 0, text(done)
    assert tried(done) == {
        "sda": scsi("SMR DISK", 32, 64),
        "sdb": scsi("scsi_debug", 16, 4),
        "sdc": scsi("scsi_debug", 16, 4),
    }
    said = done.stderr.decode()
    assert f"zonevm: {SMR} by scsi-block: it is a SCSI disk, and root may read and write {SMR}\n" in said
    assert said.count("PASS") > 30
    for node, disk in (("sda", f"{SMR},via=scsi-block"), ("sdb", given[1]), ("sdc", given[2])):
        assert f"zonevm: PASS /dev/{node}: disk {disk}\n" in said
    assert "zonevm: PASS /dev/sda: conventional zones 2\n" in said


@pytest.mark.timeout(1300)
def test_by_a_newer_qemu_that_was_pulled(host: Host, disks: Disks, unchanged: None) -> None:
    given = (f"{SMR},via=scsi-generic", f"{disks.one},via=scsi-block", disks.other)
    done = host.zonevm("run", *BOOT, "--verify", *described(given), "--", *TRY, timeout=1200)
    assert done.returncode == 0, text(done)
    assert tried(done) == {
        "sda": scsi("SMR DISK", 32, 64),
        "sdb": scsi("scsi_debug", 16, 4),
        "vda": zoned(128, 8),
    }
    said = done.stderr.decode()
    assert f"zonevm: {disks.other} by virtio-blk: it is not a SCSI disk (null_blk)" in said
    if find_qemu().version < (8, 1):
        assert "zonevm: using the pulled QEMU, since " in said
    assert "zonevm: PASS /dev/vda: conventional zones 2\n" in said


def test_an_older_qemu_passes_no_zones_on_by_virtio_blk(host: Host, disks: Disks) -> None:
    if find_qemu().version >= (8, 1):
        pytest.skip("the QEMU of this host is new enough")
    named = ("--qemu", "qemu-system-x86_64")
    done = host.zonevm("run", *BOOT, *named, "--disk", disks.other, "--", "true")
    assert done.returncode == 125
    assert "virtio-blk for a zoned disk needs 8.1 or later" in text(done)
    assert "zonevm qemu pull" in text(done)


def test_a_dry_run_prints_every_step(host: Host, disks: Disks) -> None:
    done = host.zonevm("run", *BOOT, "--dry-run", "--disk", SMR, "--disk", f"{disks.one},via=vhost-scsi")
    assert done.returncode == 0, text(done)
    *steps, qemu = done.stdout.decode().splitlines()
    assert any(
        step.startswith("targetcli /backstores/pscsi create") and f"dev={disks.one}" in step for step in steps
    )
    assert f"filename={SMR}" in qemu
    assert "-device scsi-block," in qemu
    assert "-device vhost-scsi-pci," in qemu


def test_what_this_user_may_open_decides(host: Host, disks: Disks) -> None:
    sg = f"/dev/{host.sh(f'ls /sys/block/{Path(disks.one).name}/device/scsi_generic').strip()}"
    host.sh(f"mkdir -m 777 -p /tmp/nobody; chown root:disk {disks.one} {sg}; chmod 660 {disks.one} {sg}")
    closed = host.guest.run([sys.executable, "-c", AS_NOBODY, disks.one])
    assert closed.returncode == 1
    assert f"{disks.one} cannot be read and written by nobody; its group is disk" in text(closed)
    assert "usermod -aG disk nobody" in text(closed)
    assert 'OWNER="nobody"' in text(closed)
    host.sh(f"chmod 666 {sg}")
    generic = host.guest.run([sys.executable, "-c", AS_NOBODY, disks.one])
    assert f"{disks.one} by scsi-generic: not scsi-block, since {disks.one} cannot be read" in text(generic)
    host.sh(f"chmod 660 {sg}; rm -rf /tmp/nobody")


def test_the_host_cannot_mount_it_meanwhile(host: Host, disks: Disks) -> None:
    done = host.guest.run([sys.executable, "-c", CLAIM, disks.one])
    assert done.stdout == b"Device or resource busy\n", text(done)
    assert done.returncode == 0


def test_a_disk_in_use_is_refused(host: Host, disks: Disks) -> None:
    host.sh(
        f"""
        mkfs.btrfs -q -f -O zoned -d single -m single {SMR}
        mkdir -p /mnt/used
        mount -t btrfs {SMR} /mnt/used
        """
    )
    done = host.zonevm("run", *BOOT, "--disk", f"{SMR},force=on", "--", "true")
    host.sh(f"umount /mnt/used; rmdir /mnt/used; blkzone reset {SMR} -o $((2 * 131072))")
    assert done.returncode == 125
    assert f"{SMR} is in use: mounted at /mnt/used" in text(done)
