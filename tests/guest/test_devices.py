"""``zonevm devices`` and ``zonevm doctor`` on a machine with zoned devices in it: a guest.

The guest sees the host's files, so zonevm runs there by the same interpreter.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zonevm
from zonevm import Guest, SmrDisk, ZnsDisk

pytestmark = pytest.mark.guest

SOURCE = Path(zonevm.__file__).parents[1]
ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]
NULL_BLK = "nr_devices=1 gb=1 zoned=1 zone_size=64 zone_nr_conv=2 zone_max_open=4 zone_max_active=8"

Listed = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def guest(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A guest with an SMR disk, a ZNS namespace, a plain virtio-blk disk and a zoned null_blk."""
    plain = tmp_path_factory.mktemp("plain") / "disk.raw"
    with plain.open("wb") as file:
        file.truncate(64 * 2**20)
    disks = [
        SmrDisk(size="4G", zone_size="64M", conventional=4, max_open=32, serial="SMR-SERIAL"),
        ZnsDisk(
            size="1G", zone_size="64M", zone_capacity="62M", max_open=4, max_active=8, serial="ZNS-SERIAL"
        ),
    ]
    drive = f"if=none,id=plain,format=raw,file={plain}"
    arguments = ["-drive", drive, "-device", "virtio-blk-pci,drive=plain,serial=PLAIN-SERIAL"]
    with Guest(disks=disks, kernel=kernel, qemu_args=arguments) as guest:
        guest.run(f"modprobe null_blk {NULL_BLK} && modprobe virtio_blk && modprobe sg", check=True)
        guest.run("udevadm settle 2>/dev/null; ls /dev/nullb0 /dev/vda", check=True)
        yield guest


def run_zonevm(guest: Guest, *arguments: str) -> str:
    return guest.run(["env", f"PYTHONPATH={SOURCE}", *ZONEVM, *arguments], check=True).stdout.decode()


def listed(guest: Guest, *arguments: str) -> Listed:
    return {
        device["name"]: device for device in json.loads(run_zonevm(guest, "devices", "--json", *arguments))
    }


@pytest.fixture(scope="module")
def devices(guest: Guest) -> Listed:
    return listed(guest)


def test_all_zoned_devices_and_no_others(devices: Listed) -> None:
    assert sorted(devices) == ["nullb0", "nvme0n1", "sda"]


def test_all_block_devices(guest: Guest) -> None:
    plain = listed(guest, "--all")["vda"]
    assert (plain["zoned"], plain["zones"], plain["transport"]) == ("none", None, "virtio-blk")
    assert plain["identity"]["serial"] == "PLAIN-SERIAL"
    assert plain["capacity"] == 64 * 2**20


def test_as_lsscsi_has_it(guest: Guest, devices: Listed) -> None:
    lines = guest.run(["lsscsi", "-g"], check=True).text.splitlines()
    words = next(line.split() for line in lines if "/dev/sda" in line)
    disk = devices["sda"]
    assert words[1] == "zbc"
    assert words[-2:] == [disk["node"], disk["sg_node"]]
    identity = disk["identity"]
    assert words[2:-2] == f"{identity['vendor']} {identity['product']} {identity['revision']}".split()


@pytest.mark.parametrize("name", ["sda", "nvme0n1", "nullb0"])
def test_as_lsblk_has_it(guest: Guest, devices: Listed, name: str) -> None:
    columns = "SIZE,ZONED,ZONE-SZ,ZONE-NR,ZONE-OMAX,ZONE-AMAX,LOG-SEC,PHY-SEC,MAJ:MIN"
    answer = guest.run(["lsblk", "-b", "--json", "-o", columns, f"/dev/{name}"], check=True)
    (block,) = json.loads(answer.stdout)["blockdevices"]
    device = devices[name]
    zones = device["zones"]
    assert block["zoned"] == device["zoned"] == "host-managed"
    assert int(block["size"]) == device["capacity"]
    assert int(block["zone-sz"]) == zones["size"]
    assert int(block["zone-nr"]) == zones["count"]
    assert int(block["zone-omax"]) == (zones["max_open"] or 0)
    assert int(block["zone-amax"]) == (zones["max_active"] or 0)
    assert (block["log-sec"], block["phy-sec"]) == (
        device["logical_block_size"],
        device["physical_block_size"],
    )
    assert block["maj:min"].strip() == device["number"]


@pytest.mark.parametrize("name", ["sda", "nvme0n1", "nullb0"])
def test_as_many_zones_as_blkzone_reports(guest: Guest, devices: Listed, name: str) -> None:
    report = guest.run(["blkzone", "report", f"/dev/{name}"], check=True).text
    assert len(report.splitlines()) == devices[name]["zones"]["count"]


def test_transports_and_serials(devices: Listed) -> None:
    assert {name: device["transport"] for name, device in devices.items()} == {
        "sda": "virtio-scsi",
        "nvme0n1": "nvme",
        "nullb0": "null_blk",
    }
    assert devices["sda"]["identity"]["serial"] == "SMR-SERIAL"
    assert devices["sda"]["identity"]["wwn"]
    assert devices["nvme0n1"]["identity"]["serial"] == "ZNS-SERIAL"


def test_the_table(guest: Guest) -> None:
    header, *rows = run_zonevm(guest, "devices").splitlines()
    assert header.split()[:4] == ["NODE", "SG", "TRANSPORT", "MODEL"]
    column = header.index("CAPACITY")
    assert len(rows) == 3
    assert all(row[column - 2 : column] == "  " and row[column] != " " for row in rows)


def test_nothing_is_in_use_at_first(devices: Listed) -> None:
    assert [device["uses"] for device in devices.values()] == [[], [], []]


def test_a_mounted_disk_is_in_use(guest: Guest) -> None:
    guest.run("modprobe f2fs; mkfs.f2fs -q -f -m /dev/sda", check=True)
    guest.run("mkdir -p /mnt/smr && mount /dev/sda /mnt/smr", check=True)
    try:
        assert [(use["kind"], use["by"]) for use in listed(guest)["sda"]["uses"]] == [("mount", "/mnt/smr")]
        assert refusal(guest, "/dev/sda") == "/dev/sda is in use: mounted at /mnt/smr"
    finally:
        guest.run(["umount", "/mnt/smr"], check=True)
    assert refusal(guest, "/dev/sda") == "None"


def test_a_process_that_has_it_open_is_named(guest: Guest) -> None:
    script = (
        f"exec 7</dev/nvme0n1; env PYTHONPATH={SOURCE} {sys.executable} -c '{ZONEVM[2]}' devices --json 7<&-"
    )
    devices = json.loads(guest.run(script, check=True).stdout)
    (use,) = next(device["uses"] for device in devices if device["name"] == "nvme0n1")
    assert (use["kind"], use["reads_only"]) == ("process", True)


def test_what_the_kernel_claims_is_refused_though_nobody_shows(guest: Guest) -> None:
    guest.run("modprobe dm_mod; dmsetup create held --table '0 131072 linear /dev/nullb0 0'", check=True)
    try:
        assert [use["kind"] for use in listed(guest)["nullb0"]["uses"]] == ["holder"]
        assert refusal(guest, "/dev/nullb0", seen=False).endswith("has claimed it exclusively")
    finally:
        guest.run(["dmsetup", "remove", "held"], check=True)


def test_a_disk_that_is_not_zoned_is_refused(guest: Guest) -> None:
    assert refusal(guest, "/dev/vda") == "/dev/vda is not a zoned device"


def refusal(guest: Guest, node: str, *, seen: bool = True) -> str:
    """Why a device in the guest cannot be given on, or "None". Not ``seen``: its uses are overlooked."""
    script = f"""
import dataclasses, pathlib
from zonevm.errors import HostError
from zonevm.host.devices import find_device
from zonevm.host.usable import require_usable
device = find_device(pathlib.Path({node!r}))
try:
    print(require_usable(device if {seen} else dataclasses.replace(device, uses=())))
except HostError as error:
    print(error.message)
"""
    environment = f"PYTHONPATH={SOURCE}"
    return guest.run(["env", environment, sys.executable, "-c", script], check=True).text.strip()


def test_the_doctor_tells_the_guest_from_the_host(guest: Guest) -> None:
    """The guest's kernel has LIO as modules, zoned disks to pass on, and no KVM."""
    answer = guest.run(["env", f"PYTHONPATH={SOURCE}", *ZONEVM, "doctor", "--json"])
    reports = {report["method"]: report for report in json.loads(answer.stdout)}
    assert answer.returncode == (0 if reports["vhost-user-scsi"]["works"] else 1)
    found = {
        (method, finding["name"]): (finding["status"], finding["seen"])
        for method, report in reports.items()
        for finding in report["findings"]
    }
    for module in ("configfs", "target_core_mod", "vhost_scsi", "target_core_pscsi"):
        assert found["vhost-scsi-pscsi", f"kernel {module}"][0] == "ok"
    for module in ("tcm_loop", "target_core_user"):
        assert found["loopback", f"kernel {module}"] == (
            "ok",
            f"module there, not loaded (CONFIG_{OPTIONS[module]}); zonevm loads it",
        )
    assert found["scsi-generic", "kernel sg"] == ("ok", "module loaded (CONFIG_CHR_DEV_SG)")
    assert found["scsi-block", "zoned SCSI disk"] == ("ok", "/dev/sda")
    assert found["scsi-generic", "zoned SCSI disk"] == ("ok", "/dev/sg0")
    assert found["virtio-blk", "zoned block device"][0] == "ok"
    assert found["vhost-user-scsi", "KVM"][0] != "ok"
    assert found["vhost-scsi-pscsi", "root"][0] == "ok"


OPTIONS = {"tcm_loop": "LOOPBACK_TARGET", "target_core_user": "TCM_USER2"}
