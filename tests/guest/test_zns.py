"""NVMe namespaces of zonevm's own, beside QEMU's, on each kernel: what tools show, and file systems."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from tests.waiting import until
from zonevm import Guest, NvmeDisk, ZnsDisk
from zonevm.packages import pull_tree

from .test_filesystems import TOOLS, no_kernel_complaint, sh, write_remount_check

pytestmark = pytest.mark.guest

OURS, QEMUS, BTRFS, ZONEFS, FIO = (f"/dev/nvme{number}n1" for number in (0, 1, 2, 4, 5))
STORES = {"ours": "/dev/nvme7n1", "QEMU's": "/dev/nvme8n1"}
LIMITS = {"max_open": 4, "max_active": 6}
SMALL: dict[str, Any] = {"size": "32M", "zone_size": "2M", "zone_capacity": "1792K", **LIMITS}
ZONE = 16384  # blocks of 4096 bytes
CAPACITY = 15872
NAMES = {"1": "em", "2": "oi", "3": "oe", "4": "cl", "e": "fu"}


@pytest.fixture(scope="module")
def guest(kernel_each: str) -> Iterator[Guest]:
    """A namespace to look at, QEMU's twin of it, and one for each file system."""
    shape: dict[str, Any] = {"size": "1G", "zone_size": "64M", "zone_capacity": "62M", **LIMITS}
    disks = [
        ZnsDisk(**shape, descr_ext_size=64, serial="OURS"),
        ZnsDisk(**shape, descr_ext_size=64, serial="QEMUS", via="qemu"),
        ZnsDisk(size="4G", zone_size="64M", max_open=14, max_active=14),
        ZnsDisk(size="4G", zone_size="64M", block_size=512, controller="f"),
        NvmeDisk(size="128M", block_size=512, controller="f"),
        ZnsDisk(size="256M", zone_size="16M", zone_capacity="15M"),
        ZnsDisk(size="1G", zone_size="16M", zone_capacity="15M", max_open=14, max_active=14, queues=2),
        ZnsDisk(size="4G", zone_size="64M", controller="x"),
        NvmeDisk(size="1G", controller="x"),
        ZnsDisk(**SMALL),
        ZnsDisk(**SMALL, via="qemu"),
    ]
    with Guest(disks=disks, kernel=kernel_each, memory="2G", cpus=2, qemu="pulled") as guest:
        yield guest


def namespaces(guest: Guest, controller: int) -> tuple[str, str]:
    """The nodes of a controller's first two namespaces, which Linux names in any order."""
    told = sh(
        guest, f"cd /sys/block && for each in nvme{controller}n*; do echo $(cat $each/nsid) $each; done"
    )
    first, second = (line.split()[1] for line in sorted(told.splitlines()))
    return f"/dev/{first}", f"/dev/{second}"


def asked(guest: Guest, command: str) -> Any:
    return json.loads(sh(guest, f"nvme {command} -o json"))


def report(guest: Guest, node: str) -> list[tuple[str, int]]:
    """The condition and the write pointer, from the zone's start, of each zone as nvme-cli shows them."""
    text = sh(guest, f"nvme zns report-zones {node} -d 16")
    found = re.findall(r"SLBA: 0?x?(\w+) +WP: 0?x?(\w+) .*?State: 0x(\w)0", text)
    return [(NAMES[state], int(pointer, 16) - int(start, 16)) for start, pointer, state in found]


def test_every_disk_is_what_was_asked_for(guest: Guest) -> None:
    assert [str(check) for check in guest.verify() if not check.passed] == []


def test_nvme_list_and_lsblk(guest: Guest) -> None:
    listed = {each["DevicePath"]: each for each in asked(guest, "list")["Devices"]}
    ours, qemus = listed[OURS], listed[QEMUS]
    assert (ours["ModelNumber"], ours["SerialNumber"]) == ("ZONEVM ZNS", "OURS")
    for fact in ("MaximumLBA", "PhysicalSize", "SectorSize"):
        assert ours[fact] == qemus[fact], fact
    main, meta = namespaces(guest, 3)
    assert listed[meta]["SerialNumber"] == listed[main]["SerialNumber"]
    zoned = sh(guest, f"lsblk -dnz -o ZONED,ZONE-SZ,ZONE-NR,ZONE-OMAX,ZONE-AMAX {OURS} {QEMUS}").splitlines()
    assert zoned[0].split() == zoned[1].split() == ["host-managed", "64M", "16", "4", "6"]
    assert sh(guest, f"lsblk -dnz -o ZONED {meta}").strip() == "none"


def test_what_the_controller_says_of_itself(guest: Guest) -> None:
    controller = asked(guest, f"id-ctrl {OURS}")
    assert (controller["ver"], controller["nn"], controller["cntrltype"]) == (0x10400, 1, 1)
    assert controller["oacs"] & 0x100, "shadow doorbells"
    assert asked(guest, "id-ctrl /dev/nvme3")["nn"] == 2
    ours, qemus = (asked(guest, f"id-ns {node}") for node in (OURS, QEMUS))
    assert (ours["nsze"], ours["flbas"]) == (qemus["nsze"], 0)
    assert ours["lbafs"][0]["ds"] == 12
    ours, qemus = (asked(guest, f"zns id-ns {node}") for node in (OURS, QEMUS))
    for fact in ("mar", "mor"):
        assert ours[fact] == qemus[fact], fact
    assert ours["lbafe"][0] == {"zsze": ZONE, "zdes": 1}
    smart = asked(guest, f"smart-log {OURS}")
    assert (smart["critical_warning"], smart["percent_used"]) == (0, 0)
    assert len(asked(guest, f"error-log {OURS}")["errors"]) == 64
    assert sh(guest, f"nvme effects-log {OURS} -c 2").count("ACS") > 10
    assert asked(guest, f"fw-log {OURS}")
    told = sh(guest, f"nvme get-feature {OURS} -f 7 -H; nvme get-feature {OURS} -f 6 -H")
    assert "Number of IO Completion Queues Allocated" in told
    assert "Volatile Write Cache Enable (WCE): Enabled" in told


def test_every_zone_state_and_action(guest: Guest) -> None:
    for node in (OURS, QEMUS):
        sh(guest, f"nvme zns reset-zone {node} -a")
        place = [zone * ZONE for zone in range(16)]
        write = f"dd if=/dev/zero of={node} bs=4096 count=2 oflag=direct status=none seek="
        sh(
            guest,
            f"{write}{place[1]}; nvme zns open-zone {node} -s {place[2]}; {write}{place[2]};"
            f"nvme zns open-zone {node} -s {place[3]}; nvme zns close-zone {node} -s {place[3]};"
            f"{write}{place[4]}; nvme zns close-zone {node} -s {place[4]};"
            f"nvme zns finish-zone {node} -s {place[5]};"
            f"printf 'z%.0s' $(seq 64) > /run/z; nvme zns set-zone-desc {node} -s {place[6]} -d /run/z",
        )
        seen = report(guest, node)
        assert [state for state, _ in seen[:8]] == ["em", "oi", "oe", "cl", "cl", "fu", "cl", "em"], node
        assert [pointer for _, pointer in seen[:5]] == [0, 2, 2, 0, 2], node
        extended = sh(guest, f"nvme zns report-zones {node} -s {place[6]} -d 1 -e -v")
        assert "zzzzzzzz" in extended, extended
        open_zone = f"nvme zns open-zone {node} -s"
        text = sh(guest, f"{open_zone} {place[7]}; {open_zone} {place[8]} 2>&1; true")
        assert "Too Many Active Zones" in text, text
        sh(guest, f"nvme zns reset-zone {node} -a")
        assert {state for state, _ in report(guest, node)} == {"em"}
    assert sh(guest, f"blkzone report {OURS}") == sh(guest, f"blkzone report {QEMUS}")


def test_appends_tell_where_they_went(guest: Guest) -> None:
    for node in (OURS, QEMUS):
        sh(guest, f"nvme zns reset-zone {node} -a")
        told = sh(
            guest,
            f"printf 'a%.0s' $(seq 4096) > /run/a; for n in 1 2; do"
            f" nvme zns zone-append {node} -s {ZONE} -z 4096 -d /run/a; done",
        )
        assert [int(lba, 16) for lba in re.findall(r"LBA:? *(?:0x)?(\w+)", told)] == [ZONE, ZONE + 1], told
        assert (
            sh(guest, f"dd if={node} bs=4096 skip={ZONE + 1} count=1 status=none | tr -d a | wc -c") == "0\n"
        )


def test_passthrough_appends_by_io_uring(guest: Guest) -> None:
    sh(guest, f"nvme zns reset-zone {OURS} -a")
    program = f"{sys.executable} {TOOLS}/nvme.py append-uring"
    told = sh(guest, f"{program} {OURS.replace('nvme0', 'ng0')} {2 * ZONE} 32 4096")
    answers = [tuple(map(int, line.split())) for line in told.splitlines()]
    assert {status for status, _ in answers} == {0}
    assert sorted(lba for _, lba in answers) == list(range(2 * ZONE, 2 * ZONE + 32))
    for index, (_, lba) in enumerate(answers):
        first = sh(
            guest, f"dd if={OURS} bs=4096 skip={lba} count=1 iflag=direct status=none | od -An -tu1 -N1"
        )
        assert int(first) == index


def test_changed_zones_are_told(guest: Guest) -> None:
    sh(guest, f"nvme zns reset-zone {OURS} -a; nvme zns changed-zone-list {OURS}; dmesg -C")
    with_fault = guest.faults.inject("read-only,zone=9")
    told = sh(guest, f"nvme zns changed-zone-list {OURS}; nvme zns changed-zone-list {OURS}")
    with_fault.remove()
    assert re.findall(r"nrzid: *(\d+)", told) == ["1", "0"], told
    assert f"zid 000: {9 * ZONE}" in told
    assert "(ro)" in sh(guest, f"blkzone report -o {9 * ZONE * 8} -c 1 {OURS}")


def test_self_tests_and_reservations(guest: Guest) -> None:
    sh(guest, f"nvme device-self-test {OURS} -s 1")
    until(lambda: asked(guest, f"self-test-log {OURS}")["Current Device Self-Test Operation"] == 0)
    assert asked(guest, f"self-test-log {OURS}")["List of Valid Reports"][0]["Self test result"] == 0
    sh(
        guest,
        f"nvme resv-register {OURS} --nrkey=0xab --rrega=0;"
        f"nvme resv-acquire {OURS} --crkey=0xab --rtype=1 --racqa=0",
    )
    told = sh(guest, f"nvme resv-report {OURS}")
    assert re.search(r"rtype +: 1", told)
    assert re.search(r"rkey +: ab", told)
    sh(guest, f"nvme resv-release {OURS} --crkey=0xab --rtype=1 --rrela=0")
    sh(guest, f"nvme resv-register {OURS} --crkey=0xab --rrega=1")


def test_btrfs(guest: Guest) -> None:
    sh(guest, f"mkfs.btrfs -q -f -O zoned -d single -m single {BTRFS}")
    write_remount_check(guest, f"mount -t btrfs {BTRFS} /mnt/btrfs", "/mnt/btrfs")
    sh(guest, f"btrfs check {BTRFS}")
    no_kernel_complaint(guest)


def test_f2fs_with_a_conventional_namespace(guest: Guest) -> None:
    main, meta = namespaces(guest, 3)
    sh(guest, f"mkfs.f2fs -q -f -m -c {main} {meta}")
    write_remount_check(guest, f"mount -t f2fs {meta} /mnt/f2fs", "/mnt/f2fs")
    assert any(state != "em" for state, _ in report(guest, main)), "files are in zones"
    sh(guest, f"fsck.f2fs {meta}")
    no_kernel_complaint(guest)


def test_zonefs(guest: Guest) -> None:
    mount = f"mount -t zonefs {ZONEFS} /mnt/zonefs"
    make = f"{sys.executable} {TOOLS}/mkzonefs.py {ZONEFS}"
    sh(guest, f"modprobe zonefs && {make} && mkdir -p /mnt/zonefs && {mount}")
    fio = "fio --name=z --filename=/mnt/zonefs/seq/3 --ioengine=libaio --direct=1 --bs=64k --size=2M"
    fio += " --verify=crc32c"
    sh(guest, f"{fio} --rw=write --do_verify=0 --file_append=1")
    sh(guest, f"umount /mnt/zonefs && {mount}")
    assert sh(guest, "stat -c %s /mnt/zonefs/seq/3").strip() == str(2 * 2**20)
    sh(guest, f"{fio} --rw=read && umount /mnt/zonefs")
    no_kernel_complaint(guest)


def test_xfs(guest: Guest, kernel_each: str) -> None:
    if not kernel_each.startswith("7"):
        pytest.skip("zoned XFS is in Linux since 6.15")
    xfs = pull_tree(["xfsprogs"], "sid")
    main, meta = namespaces(guest, 6)
    sh(guest, f"{xfs.program('mkfs.xfs')} -f -r zoned=1,rtdev={main} {meta}")
    write_remount_check(guest, f"mount -t xfs -o rtdev={main} {meta} /mnt/xfs", "/mnt/xfs")
    sh(guest, f"{xfs.program('xfs_repair')} -n -r {main} {meta}")
    no_kernel_complaint(guest)


def test_a_store_like_zenfs(guest: Guest) -> None:
    store = f"{sys.executable} {TOOLS}/zone_store.py"
    reports = []
    for node in STORES.values():
        told = sh(guest, f"{store} work {node} 1 150")
        assert sh(guest, f"{store} list {node}").splitlines() == stable(told)
        reports.append(sh(guest, f"blkzone report {node}"))
    assert reports[0] == reports[1]
    assert reports[0].count("(fu)") > 4, "zones were used up"
    ours = STORES["ours"]
    told = sh(
        guest,
        f": > /run/told; {store} work {ours} 2 100000 >> /run/told & pid=$!;"
        "while kill -0 $pid && [ $(wc -l < /run/told) -lt 40 ]; do sleep 0.05; done; kill -9 $pid;"
        "wait $pid; cat /run/told",
    )
    changing = told.splitlines()[-1].split()[0]
    known = {line.split()[0] for line in told.splitlines()} - {changing}
    left = sh(guest, f"{store} list {ours}").splitlines()
    assert [line for line in left if line.split()[0] in known] == stable(told, known)
    no_kernel_complaint(guest)


def stable(told: str, names: Collection[str] = ()) -> list[str]:
    """The last of what a store said of each file that it has, or of those of these names."""
    last = {line.split()[0]: line for line in told.splitlines()}
    return sorted(
        line
        for name, line in last.items()
        if not line.endswith(("-", "gone")) and (not names or name in names)
    )


@pytest.mark.parametrize("pattern", ["write", "randwrite"])
def test_fio(guest: Guest, pattern: str) -> None:
    # Before 6.10 Linux keeps writes to a zone in order by that scheduler alone, and takes none for NVMe.
    sh(guest, f"blkzone reset {FIO}; echo mq-deadline > /sys/block/{FIO[5:]}/queue/scheduler")
    text = sh(
        guest,
        f"fio --name=test --filename={FIO} --zonemode=zbd --direct=1 --rw={pattern} --bs=32k"
        f" --ioengine=libaio --iodepth={1 if pattern == 'write' else 8} --verify=crc32c"
        " --offset_increment=256M --size=256M --io_size=24M --numjobs=3 --group_reporting"
        " --max_open_zones=12 --job_max_open_zones=4 --output-format=json",
    )
    found = json.loads(text[text.index("{") :])["jobs"][0]
    assert found["error"] == 0
    assert found["write"]["io_bytes"] == 3 * 24 * 2**20
    assert found["read"]["io_bytes"] > 0, "nothing was verified"
    no_kernel_complaint(guest)
