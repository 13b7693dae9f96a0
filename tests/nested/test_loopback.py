"""Targets by the loopback fabric: the disk is one of the (outer) host itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guest.scsi import GOOD, Scsi, Sense
from tests.nested.conftest import MODULES, Host, text, zones

pytestmark = pytest.mark.nested

IMAGE = "/var/tmp/zbc0.raw"
MIB = 2**20
ZONE = 16 * MIB
CONVENTIONAL = 4
PHYSICAL = ("--backstore", "pscsi", "--dev", "/dev/sda")
CREATE = ("--backstore", "user:zbc", "--fabric", "loopback", "--name", "zbc0")
NEW = ("--size", "2G", "--cfgstring", f"model-HM/zsize-16/conv-{CONVENTIONAL}@{IMAGE}")


@pytest.fixture
def disk(host: Host, unchanged: None) -> Iterator[str]:
    """The node of an emulated disk with empty zones, gone afterwards."""
    yield host.target(*CREATE, *NEW)["device"]
    if any(target["name"] == "zbc0" for target in host.targets()):
        host.remove("zbc0")
    host.sh(f"rm -f {IMAGE}")


def test_the_first_target_finds_a_host_that_was_never_used_for_it(host: Host) -> None:
    assert host.sh(f"for name in {MODULES}; do [ ! -e /sys/module/$name ] || echo $name; done") == ""
    made = host.target(*CREATE, *NEW)
    node = made["device"].removeprefix("/dev/")
    (line,) = [line for line in host.sh("lsscsi -g").splitlines() if made["device"] in line]
    assert "zbc" in line.split()
    assert "TCMU ZBC device" in line
    queue = f"/sys/block/{node}/queue"
    assert host.sh(f"cat {queue}/zoned {queue}/nr_zones").split() == ["host-managed", "128"]
    assert "Direct-Access-ZBC LIO-ORG  TCMU ZBC device" in host.sh("dmesg")
    host.remove("zbc0")
    host.sh(f"rm {IMAGE}")
    assert host.targets() == []


def test_btrfs_works_on_it(host: Host, disk: str) -> None:
    host.sh(
        f"""
        mkfs.btrfs -q -f {disk}
        mkdir -p /mnt/zbc0
        mount -t btrfs {disk} /mnt/zbc0
        seq 1 200000 > /mnt/zbc0/numbers
        sha256sum /mnt/zbc0/numbers > /tmp/sum
        umount /mnt/zbc0
        mount -t btrfs {disk} /mnt/zbc0
        sha256sum -c /tmp/sum
        """
    )
    refused = host.zonevm("target", "remove", "zbc0")
    assert refused.returncode == 125
    assert f"{disk} is mounted" in text(refused)
    host.sh("umount /mnt/zbc0; rmdir /mnt/zbc0")


def test_the_sense_of_a_failed_command_is_the_disk_s(host: Host, disk: str) -> None:
    scsi = Scsi(host.guest, disk, ZONE // 512)
    assert scsi.write16(scsi.zone(CONVENTIONAL) + 8, 8) == Sense(5, 0x21, 4)
    assert scsi.write16(scsi.zone(CONVENTIONAL), 8) is GOOD


def test_an_image_keeps_its_zones_when_opened_by_its_path_alone(host: Host, disk: str) -> None:
    start = CONVENTIONAL * ZONE
    host.sh(f"dd if=/dev/zero of={disk} bs=64k count=3 seek={start // 65536} oflag=direct status=none")
    host.sh(f"blkzone finish -o {(start + ZONE) // 512} -c 1 {disk}")
    written = zones(host.sh(f"blkzone report {disk}"))
    assert any("wptr 0x000180" in zone for zone in written)

    host.remove("zbc0")
    again = host.target(*CREATE, "--cfgstring", IMAGE)["device"]
    assert zones(host.sh(f"blkzone report {again}")) == written

    # tcmu-runner opens its images anew when it is started again, by the string that the kernel has for them.
    config = host.sh("cat /sys/kernel/config/target/core/user_*/zonevm-zbc0/info")
    assert f"Config: zbc/{IMAGE} " in config
    host.remove("zbc0")

    refused = host.zonevm("target", "create", *CREATE, *NEW)
    assert refused.returncode == 125
    assert "would empty all its zones" in text(refused)
    emptied = host.target(*CREATE, *NEW, "--reinitialise")["device"]
    assert zones(host.sh(f"blkzone report {emptied}")) != written
    assert "wptr 0x000180" not in host.sh(f"blkzone report {emptied}")


def test_a_physical_disk_by_pscsi(host: Host, unchanged: None) -> None:
    report = host.sh("blkzone report /dev/sda")
    made = host.target(*PHYSICAL, "--fabric", "loopback", "--name", "p")
    assert "ZONEVM" in host.sh(f"lsscsi | grep {made['device']}")
    assert host.sh(f"blkzone report {made['device']}") == report
    scsi = Scsi(host.guest, made["device"], 64 * MIB // 512)
    assert scsi.write16(scsi.zone(2) + 8, 8) == Sense(5, 0x21, 4)
    assert scsi.write16(scsi.zone(2), 8) is GOOD
    assert "wptr 0x000008" in host.sh(f"blkzone report -o {scsi.zone(2)} -c 1 /dev/sda")
    scsi.reset_all()
    host.remove("p")


def test_a_tcmu_runner_of_the_user_s_is_used_and_left_alone(host: Host, unchanged: None) -> None:
    host.sh(
        """
        mkdir -p /run/dbus
        dbus-daemon --system --fork --print-pid > /tmp/bus.pid
        tcmu-runner -l /tmp > /dev/null 2>&1 < /dev/null & echo $! > /tmp/runner.pid
        """
    )
    host.target(*CREATE, *NEW)
    assert host.sh("pgrep -x tcmu-runner").split() == host.sh("cat /tmp/runner.pid").split()
    host.remove("zbc0")
    host.sh(f"kill $(cat /tmp/runner.pid); rm -f {IMAGE}")
    host.sh("while pgrep -x tcmu-runner; do sleep 0.1; done; kill $(cat /tmp/bus.pid)")
    host.sh("while pgrep -x dbus-daemon; do sleep 0.1; done")


def test_what_the_user_has_in_configfs_stays(host: Host, unchanged: None) -> None:
    theirs = "naa.5001405fffffffff"
    host.sh(
        f"""
        cd /sys/kernel/config/target
        mkdir -p core/rd_mcp_0/theirs vhost/{theirs}/tpgt_1/lun/lun_0
        echo rd_pages=1024 > core/rd_mcp_0/theirs/control
        echo 1 > core/rd_mcp_0/theirs/enable
        ln -s $PWD/core/rd_mcp_0/theirs vhost/{theirs}/tpgt_1/lun/lun_0/link
        """
    )
    taken = host.zonevm("target", "create", *PHYSICAL, "--fabric", "vhost", "--wwn", theirs)
    assert taken.returncode == 2
    assert f"there is a vhost target {theirs} already" in text(taken)
    host.target(*CREATE, *NEW)
    host.remove("zbc0")
    assert host.zonevm("target", "gc").returncode == 0
    host.sh(
        f"""
        rm {IMAGE}
        cd /sys/kernel/config/target
        rm vhost/{theirs}/tpgt_1/lun/lun_0/link
        rmdir vhost/{theirs}/tpgt_1/lun/lun_0 vhost/{theirs}/tpgt_1 vhost/{theirs} vhost
        rmdir core/rd_mcp_0/theirs core/rd_mcp_0
        """
    )


def test_a_step_that_fails_leaves_nothing(host: Host, unchanged: None) -> None:
    hold = "import os, time; os.open('/dev/sda', os.O_RDONLY | os.O_EXCL); print(flush=True); time.sleep(600)"
    host.sh(
        f"""
        python3 -c "{hold}" > /tmp/held 2>&1 & echo $! > /tmp/holder.pid
        until [ -s /tmp/held ]; do sleep 0.1; done
        """
    )
    failed = host.zonevm("target", "create", *PHYSICAL, "--fabric", "vhost")
    host.sh("kill $(cat /tmp/holder.pid)")
    assert failed.returncode == 125
    assert "already in use" in text(failed)
