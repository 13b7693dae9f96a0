"""The checks of ``--verify``, on what a guest could tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zonevm import images
from zonevm.agent import probe
from zonevm.attach.resolve import with_methods
from zonevm.disks import PhysicalDisk, parse
from zonevm.errors import GuestError
from zonevm.guest.verify import Check, compare, expected, pci_addresses, verify

G, M = 2**30, 2**20
SMR: dict[str, str | int] = {
    "node": "/dev/sda",
    "zoned model": "host-managed",
    "capacity": 4 * G,
    "logical block size": 512,
    "physical block size": 4096,
    "zone size": 256 * M,
    "zone count": 16,
    "conventional zones": 3,
    "zone capacity": 256 * M,
    "max open zones": 5,
    "max active zones": 0,
    "serial": "ABC",
}
TEXT = "smr,size=4G,conv=3,max-open=5,serial=ABC"


def failed(checks: list[Check]) -> list[str]:
    return [str(check) for check in checks if not check.passed]


def test_a_disk_as_it_was_asked_for() -> None:
    checks = compare(parse(TEXT), SMR)
    assert failed(checks) == []
    lines = [str(check) for check in checks]
    assert lines[0] == f"PASS /dev/sda: disk {TEXT}"
    assert "PASS /dev/sda: zone size 256M" in lines
    assert "PASS /dev/sda: zone count 16" in lines
    assert "PASS /dev/sda: serial ABC" in lines


def test_a_host_aware_disk_is_an_ordinary_one_to_newer_kernels() -> None:
    disk = parse("smr,size=4G,conv=3,serial=ABC,model=host-aware")
    assert failed(compare(disk, {**SMR, "zoned model": "host-aware", "max open zones": 0})) == []
    ordinary = {fact: value for fact, value in SMR.items() if "zone" not in fact} | {"zoned model": "none"}
    assert failed(compare(disk, ordinary)) == []
    assert failed(compare(disk, {**ordinary, "capacity": 8 * G})) == [
        "FAIL /dev/sda: capacity 8G; asked for 4G"
    ]


def test_of_an_iscsi_disk_nothing_is_known_beforehand() -> None:
    disk = PhysicalDisk("iscsi://host/iqn.2026-01.test:disk/0")
    assert [str(check) for check in compare(disk, SMR)] == [f"PASS /dev/sda: disk {disk}"]


@pytest.mark.parametrize(
    ("fact", "value", "line"),
    [
        ("zoned model", "none", "FAIL /dev/sda: zoned model none; asked for host-managed"),
        ("capacity", 8 * G, "FAIL /dev/sda: capacity 8G; asked for 4G"),
        ("logical block size", 4096, "FAIL /dev/sda: logical block size 4K; asked for 512"),
        ("zone size", 128 * M, "FAIL /dev/sda: zone size 128M; asked for 256M"),
        ("zone count", 17, "FAIL /dev/sda: zone count 17; asked for 16"),
        ("conventional zones", 0, "FAIL /dev/sda: conventional zones 0; asked for 3"),
        ("max open zones", 0, "FAIL /dev/sda: max open zones no limit; asked for 5"),
        ("serial", None, "FAIL /dev/sda: serial not there; asked for ABC"),
    ],
)
def test_a_fact_that_is_otherwise(fact: str, value: str | int | None, line: str) -> None:
    seen = {name: told for name, told in {**SMR, fact: value}.items() if told is not None}
    assert failed(compare(parse(TEXT), seen)) == [line]


def test_a_limit_that_cannot_be_reached_may_be_none() -> None:
    seen = {**SMR, "max open zones": 0}
    assert failed(compare(parse("smr,size=4G,conv=3,max-open=13"), seen)) == []
    assert len(failed(compare(parse("smr,size=4G,conv=3,max-open=12"), seen))) == 1


def test_a_disk_that_is_not_there() -> None:
    (check,) = compare(parse("zns,size=1G"), {})
    assert str(check) == "FAIL no device: disk not there; asked for zns,size=1G"


def test_an_image_tells_what_is_expected(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="100M", zone_size="8M", conventional=2, block_size=4096, serial="S9")
    wanted = expected(parse(f"smr,file={image}"))
    assert (wanted["capacity"], wanted["zone count"], wanted["serial"]) == (100 * M, 13, "S9")
    assert (wanted["conventional zones"], wanted["logical block size"]) == (2, 4096)


def test_a_namespace() -> None:
    wanted = expected(parse("zns,size=1G,zone-size=64M,zone-capacity=62M,max-open=4,max-active=8,serial=Z"))
    assert (wanted["zone capacity"], wanted["max open zones"], wanted["max active zones"]) == (62 * M, 4, 8)
    assert (wanted["zone count"], wanted["serial"]) == (16, "Z")


def test_files_tell_the_capacity(tmp_path: Path) -> None:
    file = tmp_path / "raw"
    file.write_bytes(bytes(2 * M))
    assert expected(parse(f"plain,file={file}"))["capacity"] == 2 * M
    assert expected(parse(f"zns,via=qemu,file={file},zone-size=1M"))["zone count"] == 2


def test_what_tcmu_is_not_told_is_not_checked() -> None:
    assert set(expected(parse("tcmu,size=1G"))) == {"zoned model", "capacity"}
    assert expected(parse("tcmu,size=1G,conv=2"))["conventional zones"] == 2


def test_every_disk_is_found_by_its_controller_and_lun(tmp_path: Path) -> None:
    texts = ("smr,size=4G,conv=3,controller=a", "plain,size=1G", "smr,size=4G,conv=4,controller=a")
    disks = with_methods([parse(text) for text in texts])
    devices = [attachment.describe() for attachment in disks.attachments(tmp_path)]
    buses = [
        {"bus": 0, "devices": [{"bus": 0, "slot": 1, "function": 0, "qdev_id": ""}]},
        {"bus": 1, "devices": [{"bus": 1, "slot": 31, "function": 2, "qdev_id": "smr0"}]},
        {"bus": 0, "devices": [{"bus": 0, "slot": 5, "function": 0, "qdev_id": "plain1"}]},
    ]
    limits = {**SMR, "max open zones": 0}
    told = {
        "0000:01:1f.2": [limits, {**limits, "node": "/dev/sdb", "conventional zones": 4}],
        "0000:00:05.0": [{"node": "/dev/vda", "zoned model": "none", "capacity": G}],
    }

    def ask(arguments: object) -> bytes:
        assert arguments == ["0000:01:1f.2=2", "0000:00:05.0=1"]
        return json.dumps(told).encode()

    checks = verify(disks, devices, pci_addresses(buses), ask)
    assert failed(checks) == []
    assert [check.node for check in checks if check.fact == "disk"] == ["/dev/sda", "/dev/sdb", "/dev/vda"]


def test_the_probe_reads_sysfs(tmp_path: Path) -> None:
    for name, value in {"queue/zoned": "none", "size": "8", "queue/logical_block_size": "512"}.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{value}\n")
    (tmp_path / "device").mkdir()
    (tmp_path / "device/vpd_pg80").write_bytes(b"\x00\x80\x00\x08  VKGX5A")
    facts = probe.facts(tmp_path, None)
    assert facts == {
        "zoned model": "none",
        "capacity": 4096,
        "logical block size": 512,
        "physical block size": 0,
        "serial": "VKGX5A",
    }


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff", b"[" * 100000, b"{}", b'{"?": 5}', b'{"?": [{"a": []}]}', b'{"?": [{"a": "\\u001b[2J"}]}'],
    ids=range(7),
)
def test_a_guest_that_makes_up_its_answer_is_told(answer: bytes) -> None:
    place = "0000:00:05.0"
    disks = with_methods([parse("plain,size=1G")])
    (device,) = (attachment.describe() for attachment in disks.attachments(Path("/run")))
    (front,) = (words for words in device.args if words.startswith("virtio-blk"))
    name = front.partition("id=")[2].partition(",")[0]
    with pytest.raises(GuestError, match="was asked about its disks"):
        verify(disks, [device], {name: place}, lambda _: answer.replace(b"?", place.encode()))
