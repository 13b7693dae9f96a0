"""NVMe namespaces from Python: commands, words for failures, traces, images, and what QEMU they need."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_choose import qemu
from zonevm import ImageError, NvmeShape, QemuError, UsageError, ZnsShape, images
from zonevm._core import CoreError, Disk, Faults, Server
from zonevm.attach import resolve
from zonevm.cli import execute
from zonevm.disks import SmrShape, ZnsDisk, parse
from zonevm.explain import failures
from zonevm.faults import Fault, check_disks
from zonevm.host import Qemu
from zonevm.host.abilities import Abilities
from zonevm.trace import recording, summarize
from zonevm.units import parse_size

from . import sqes

RESOLVE = import_module("zonevm.attach.resolve")
"""The module, which the function of its name hides."""
ZONE, BLOCK = 256, 4096
SHAPE = ZnsShape("16M", "1M", "960K", 2, 3, descr_ext_size=64)
CODE = 0x7FF
"""Status code and type in a status field."""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk.temporary(tmp_path, SHAPE)


def status(disk: Disk, command: bytes, data: bytes = b"", room: int = 0) -> int:
    return disk.execute(command, data, room).status & CODE


def test_what_is_written_is_read_and_reported(disk: Disk) -> None:
    data = bytes(range(256)) * 16
    assert status(disk, sqes.blocks(sqes.WRITE, ZONE, 1), data) == 0
    appended = disk.execute(sqes.blocks(sqes.APPEND, ZONE, 1), data)
    assert (appended.status, appended.result) == (0, ZONE + 1)
    read = disk.execute(sqes.blocks(sqes.READ, ZONE, 2), b"", 2 * BLOCK)
    assert (read.status, read.data) == (0, data * 2)
    assert status(disk, sqes.send(sqes.OPEN, 2 * ZONE)) == 0
    report = sqes.zones(disk.execute(sqes.receive(0, 4096), b"", 4096).data)
    assert report[:3] == [
        sqes.Descriptor("empty", 0, 0),
        sqes.Descriptor("implicitly open", ZONE, ZONE + 2),
        sqes.Descriptor("explicitly open", 2 * ZONE, 2 * ZONE),
    ]
    assert [zone.condition for zone in disk.zones()[:3]] == ["empty", "implicitly open", "explicitly open"]


OF_4, OF_5 = 4 * ZONE, 5 * ZONE
REFUSALS = [
    (
        sqes.blocks(sqes.WRITE, ZONE + 5, 1),
        BLOCK,
        0x1BC,
        "the write pointer is at 257, so a write must",
    ),
    (sqes.blocks(sqes.WRITE, 2 * ZONE + 5, 1), BLOCK, 0x1B9, "zone 2 is full, and has to be reset"),
    (sqes.blocks(sqes.WRITE, ZONE + 1, 240), 240 * BLOCK, 0x1B8, "ask for 239 blocks there at most"),
    (sqes.blocks(sqes.READ, 16 * ZONE - 1, 2), 0, 0x080, "last LBA is 4095, so ask for 1 block"),
    (sqes.send(sqes.CLOSE, OF_5), 0, 0x1BF, "close, of zone 5: zone 5 is empty, which does not allow it"),
    (sqes.send(sqes.RESET, OF_5 + 1), 0, 0x002, "reset, at LBA 1281 in zone 5: the LBA must be the first"),
    (sqes.entry(0xC5), 0, 0x001, "opcode C5h: the namespace does not have this command"),
    (sqes.blocks(sqes.COMPARE, ZONE, 1), BLOCK, 0x285, "the namespace's data differ"),
    (sqes.send(sqes.OPEN, OF_4), 0, 0x000, ""),
    (
        sqes.send(sqes.OPEN, OF_5),
        0,
        0x1BD,
        "2 zones are explicitly open, 0 implicitly open and 1 closed",
    ),
    (sqes.send(sqes.RESET, ZONE), 0, 0x000, ""),
    (
        sqes.send(sqes.OPEN, OF_5),
        0,
        0x1BE,
        "2 zones are explicitly open, 0 implicitly open and 0 closed",
    ),
    (sqes.send(sqes.RESET, 0, every=True), 0, 0x000, ""),
]


def test_a_refusal_has_its_status_and_words(disk: Disk) -> None:
    disk.execute(sqes.blocks(sqes.WRITE, ZONE, 1), bytes(BLOCK))
    disk.execute(sqes.send(sqes.FINISH, 2 * ZONE))
    disk.execute(sqes.send(sqes.OPEN, 3 * ZONE))
    for command, length, code, words in REFUSALS:
        before = len(disk.errors())
        assert status(disk, command, b"x" * length, 2 * BLOCK if not length else 0) == code, words
        found = failures(disk)[before:]
        assert len(found) == bool(code), words
        for failure in found:
            assert words in failure.explanation
            assert failure.explanation.endswith(")")
            assert not failure.routine
    assert {zone.condition for zone in disk.zones()} == {"empty"}


@settings(max_examples=300)
@given(raw=st.binary(max_size=64), room=st.integers(0, 4096), opcode=st.integers(0, 0x7F))
def test_any_command_and_any_status_have_words(
    raw: bytes, room: int, opcode: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Disk.temporary(tmp_path_factory.getbasetemp(), SHAPE) as disk:
        disk.execute(raw, bytes(room), room)
        disk.execute(bytes([opcode, 0, 0, 0, 1, 0, 0, 0]) + raw[:56].ljust(56, b"\0"), bytes(room), room)
        for failure in failures(disk):
            assert failure.explanation


def test_a_trace_tells_what_is_nvme(tmp_path: Path, disk: Disk) -> None:
    file = tmp_path / "trace"
    with Disk.temporary(tmp_path, SmrShape("8M", "1M")) as other, recording(file) as recorder:
        disk.trace_to(recorder, 0)
        other.trace_to(recorder, 1)
        disk.execute(sqes.blocks(sqes.APPEND, ZONE, 2), bytes(2 * BLOCK))
        disk.execute(sqes.send(sqes.RESET, ZONE + 1))
        other.execute(bytes(6))
    rows = sorted(pq.read_table(file).drop_columns("time").to_pylist(), key=lambda row: row["disk"])
    append, reset, ready = rows
    seen = [(row["protocol"], row["command"], row["operation"], row["nvme_status"]) for row in rows]
    assert seen == [
        ("NVMe", "Zone Append", "write", 0),
        ("NVMe", "Zone Management Send", "zone", 0x4002),
        ("SCSI", "TEST UNIT READY", "other", None),
    ]
    assert (append["lba"], append["blocks"], append["zone"], append["length"]) == (ZONE, 2, 1, 2 * BLOCK)
    assert append["nvme_command"] == sqes.blocks(sqes.APPEND, ZONE, 2)
    assert (append["cdb"], append["status"], ready["nvme_command"], ready["status"]) == (None, None, None, 2)
    assert reset["opcode"] == sqes.SEND
    assert [(each.disk, each.count, each.failed) for each in summarize(file).disks] == [(0, 2, 1), (1, 1, 1)]


def test_faults_by_the_names_of_nvme(disk: Disk) -> None:
    rules = Faults(disk)
    rules.add("1", "aborted", command="zone append", count=1)
    assert status(disk, sqes.blocks(sqes.APPEND, ZONE, 1), bytes(BLOCK)) == 0x07
    assert status(disk, sqes.blocks(sqes.APPEND, ZONE, 1), bytes(BLOCK)) == 0
    with pytest.raises(CoreError, match="there is no command"):
        rules.add("2", "aborted", command="write(16)")
    with pytest.raises(CoreError, match="NVMe has no unit attentions"):
        rules.add("3", "unit-attention")
    check_disks([Fault("busy", disk=1)], [parse("zns,size=1G"), parse("nvme,size=1G")])


def test_a_power_cut_takes_what_was_not_flushed(tmp_path: Path) -> None:
    with Disk.temporary(tmp_path, SHAPE, "volatile") as disk:
        disk.execute(sqes.blocks(sqes.WRITE, ZONE, 1), bytes(BLOCK))
        disk.execute(sqes.entry(sqes.FLUSH))
        disk.execute(sqes.blocks(sqes.WRITE, ZONE + 1, 2), bytes(2 * BLOCK))
        cut = disk.power_cut("all")
        assert cut["zones"] == [{"zone": 1, "stable": 1, "before": 3, "after": 1}]
        assert disk.zones()[1].write_pointer == ZONE + 1


def test_a_socket_is_for_one_protocol(tmp_path: Path, disk: Disk) -> None:
    with Disk.temporary(tmp_path, SmrShape("8M", "1M")) as other:
        with pytest.raises(CoreError, match="SCSI disks and NVMe namespaces are not served on one socket"):
            Server(tmp_path / "s", [disk, other])
        with pytest.raises(CoreError, match="from 1 to 64 are allowed"):
            Server(tmp_path / "s", [disk], 65)


def test_an_image_of_each_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoned, plain = str(tmp_path / "z.img"), str(tmp_path / "c.img")
    assert execute(["disk", "create", zoned, "--kind", "zns", "--profile", "zn540"]) == 0
    assert execute(["disk", "create", plain, "--kind", "nvme", "--profile", "zn540"]) == 0
    told = capsys.readouterr().out
    assert "904 zones of 2G (capacity 1077M), 0 conventional" in told
    assert "4 GiB, no zones" in told
    assert execute(["disk", "info", zoned]) == execute(["disk", "info", plain]) == 0
    rows = capsys.readouterr().out
    assert rows.count("max active") == rows.count("\nzones ") == 1
    assert execute(["disk", "info", zoned, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["model"], info["max_open"], info["max_active"]) == ("zns", 14, 14)
    assert execute(["disk", "zones", plain]) == 2
    assert "c.img is the image of an nvme disk, which has no zones" in capsys.readouterr().err
    assert images.check(zoned) == images.check(plain) == []


def test_a_namespace_of_small_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(tmp_path / "z.img")
    assert execute(["disk", "create", image, "--kind", "zns", "--profile", "pm1731a"]) == 0
    assert "40704 zones of 128M (capacity 96M)" in capsys.readouterr().out
    assert execute(["disk", "info", image, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["max_open"], info["max_active"]) == (384, 384)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "zns", "--size", "1G", "--conv", "4"], "--conv: zns has no such option"),
        (["--kind", "nvme", "--size", "1G", "--zone-size", "4M"], "--zone-size: nvme has no such option"),
        (["--kind", "zns"], "neither --size nor --profile"),
        (["--kind", "nvme", "--size", "5000"], "size=5000: not a multiple of the physical block"),
        (["--kind", "zns", "--size", "1G", "--profile", "hc620"], "profile=hc620"),
    ],
)
def test_an_image_that_cannot_be(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["disk", "create", str(tmp_path / "x.img"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.img").exists()


def test_a_namespace_is_resized(tmp_path: Path) -> None:
    zoned, plain = tmp_path / "z.img", tmp_path / "c.img"
    images.create_as(zoned, SHAPE)
    with images.open(zoned) as disk:
        disk.execute(sqes.blocks(sqes.WRITE, 15 * ZONE, 1), bytes(BLOCK))
    with pytest.raises(ImageError, match="whole zones"):
        images.resize(zoned, (1 << 20) + BLOCK)
    with pytest.raises(ImageError, match="zone 15 holds data"):
        images.resize(zoned, "8M")
    images.resize(zoned, "32M")
    assert images.info(zoned)["zone_count"] == 32
    images.create_as(plain, NvmeShape("1G"))
    with images.open(plain) as disk:
        disk.execute(sqes.blocks(sqes.WRITE, (600 << 20) // BLOCK, 1), b"d" * BLOCK)
    for size in ("512M", "600M"):
        with pytest.raises(ImageError, match="zone 2 holds data beyond"):
            images.resize(plain, size)
    for size in ("768M", "601M", "3G"):
        images.resize(plain, size)
        with images.open(plain) as disk:
            read = disk.execute(sqes.blocks(sqes.READ, (600 << 20) // BLOCK, 1), b"", BLOCK)
            assert read.data == b"d" * BLOCK
            assert disk.info()["size"] == parse_size(size)


OLD = "/qemu is QEMU 7.2; an NVMe namespace of zonevm's own needs 10.1 or later"


def resolved(
    monkeypatch: pytest.MonkeyPatch, text: str, version: tuple[int, int], serve: tuple[int, ...] = ()
) -> ZnsDisk:
    """The disk once it is chosen for a QEMU of this version."""
    asked: Callable[..., Abilities] = lambda *_: qemu(*version)  # noqa: E731
    monkeypatch.setattr(Abilities, "of", asked)
    monkeypatch.setattr(RESOLVE, "find_qemu", lambda _: Qemu(Path("/qemu"), version))
    (disk,) = resolve([parse(text)], "/qemu", serve=serve)
    assert isinstance(disk, ZnsDisk)
    return disk


@pytest.mark.parametrize("text", ["zns,size=1G", "zns,size=1G,via=vfio-user", "zns,size=1G,cache=lying"])
def test_a_namespace_is_ours_where_qemu_has_vfio_user(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    disk = resolved(monkeypatch, text, (10, 1))
    assert (str(disk), disk.notes, disk.fails) == (text, (), True)


def test_an_older_qemu_has_its_own_in_its_place_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = resolved(monkeypatch, "zns,size=1000M,profile=zn540,zone-size=64M", (7, 2))
    assert str(disk) == "zns,size=1G,zone-size=64M,profile=zn540,via=qemu"
    rounded, makeshift = disk.notes
    assert "rounded up" in rounded
    assert makeshift.startswith(f"zns: QEMU's own namespace, since {OLD}; `zonevm qemu pull` gets")


@pytest.mark.parametrize(
    ("text", "serve", "why"),
    [
        ("zns,size=1G,file=z", (), "file=z keeps its zones"),
        ("zns,size=1G,cache=volatile", (), "cache is given"),
        ("zns,size=1G,controller=a", (), "controller is given"),
        ("zns,size=1G", (0,), "it fails on purpose, or its commands are seen"),
        ("zns,size=1G,via=vfio-user", (), ""),
        ("nvme,size=1G", (), "it has no zones"),
    ],
)
def test_nothing_is_lost_silently(
    monkeypatch: pytest.MonkeyPatch, text: str, serve: tuple[int, ...], why: str
) -> None:
    with pytest.raises(QemuError) as raised:
        resolved(monkeypatch, text, (7, 2), serve)
    assert raised.value.message == OLD
    assert "`zonevm qemu pull`" in raised.value.hint
    assert why in raised.value.hint


def test_a_qemu_without_the_device_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Abilities, "of", lambda *_: qemu(11, 0, without="vfio-user-pci"))
    monkeypatch.setattr(RESOLVE, "find_qemu", lambda _: Qemu(Path("/qemu"), (11, 0)))
    with pytest.raises(QemuError, match="has no vfio-user-pci"):
        resolve([parse("zns,file=z,size=1G")], "/qemu")


def test_a_qemu_of_somebody_else_is_not_asked() -> None:
    (disk,) = resolve([parse("zns,size=1G")], "/no/such/qemu", elsewhere=True)
    assert str(disk) == "zns,size=1G"


@pytest.mark.parametrize(
    ("kind", "file", "words"),
    [
        ("zns", "smr", "zns: {} is the image of an smr disk"),
        ("smr", "zns", "smr: {} is the image of a zns disk"),
        ("nvme", "zns", "nvme: {} is the image of a zns disk"),
        ("zns", "raw", "zns: {} is not an image of zonevm's"),
    ],
)
def test_an_image_of_another_kind(kind: str, file: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    if file == "raw":
        path.write_bytes(bytes(1 << 20))
    else:
        images.create_as(path, SmrShape("16M", "1M") if file == "smr" else SHAPE)
    (disk,) = disks = resolve([parse(f"{kind},file={path}")], elsewhere=True)
    with pytest.raises(ImageError) as raised:
        disks.check()
    assert raised.value.message == words.format(path)
    assert ("via=qemu" if file == "raw" else f"{file},file=") in raised.value.hint
    assert disk.place == path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zns,size=1G,zrwas=64K", "zrwas=64K: only QEMU's namespaces have it"),
        ("zns,size=1G,zasl=3", "zasl=3: only QEMU's namespaces have it"),
        ("zns,size=1G,via=qemu,cache=volatile", "cache=volatile: QEMU's namespaces have none"),
        ("zns,size=1G,zone-capacity=1000K,zone-size=2K", "zone-size=2K: "),
    ],
)
def test_options_of_the_other_one(text: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", (14, 14)),
        (",max-active=5", (5, 5)),
        (",max-open=20", (20, 20)),
        (",max-open=3", (3, 14)),
        (",max-open=0", (None, 14)),
    ],
)
def test_a_profiles_limits_give_way_to_what_is_given(text: str, limits: tuple[int | None, int]) -> None:
    disk = ZnsDisk(profile="zn540", **dict(word.split("=") for word in text.replace("-", "_").split(",")[1:]))
    assert (disk.max_open, disk.max_active) == limits
