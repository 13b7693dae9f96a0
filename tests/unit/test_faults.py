"""Faults without a guest: what they may be, how they are written, and what they do to commands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.limits import unwritable_files
from zonevm import Fault, Faults, ImageError, SmrDisk, UsageError, ZnsDisk, images
from zonevm._core import CoreError
from zonevm.attach.resolve import with_methods
from zonevm.attach.vhost_user_scsi import VhostUserScsi
from zonevm.cli import execute
from zonevm.faults import KINDS, check_disks, load, parse
from zonevm.images import Disk

from .cdbs import TEST_UNIT_READY, rw10, rw16, sense_code, zone_out

ZONE = 8192  # blocks of 512 bytes


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="4M", conventional=1)
    with images.open(path) as disk:
        disk.execute(TEST_UNIT_READY)  # takes the unit attention of power on
        yield disk


def at_zone(kind: str) -> str:
    return f"{kind},zone=5" + (",milliseconds=1" if kind == "delay" else "")


# Descriptions


def test_a_fault_from_text() -> None:
    fault = parse("unit-attention,lba=8,blocks=16,command=WRITE(16),count=2,after=1,asc=0x2A,ascq=0x1,disk=1")
    assert fault == Fault(
        "unit-attention", lba=8, blocks=16, command="write(16)", count=2, after=1, asc=0x2A, ascq=1, disk=1
    )
    assert fault.code == 0x2A01
    assert parse("delay,ms=5") == Fault("delay", milliseconds="5")


@pytest.mark.parametrize(
    ("given", "held"),
    [("READ", "read"), ("Reset Write Pointer", "reset-write-pointer"), ("write_same(10)", "write-same(10)")],
)
def test_commands_are_named_in_several_ways(given: str, held: str) -> None:
    assert Fault("busy", command=given).command == held


def test_a_command_by_its_code() -> None:
    assert Fault("busy", command=0x8A) == Fault("busy", command="0x8a")


@given(
    kind=st.sampled_from(sorted(set(KINDS) - {"delay"})),
    zone=st.integers(0, 2**32 - 2),
    command=st.none() | st.sampled_from(["any", "read(10)", "0x94", "write-same"]),
    count=st.none() | st.integers(1, 2**64 - 1),
    after=st.integers(0, 2**64 - 1),
    probability=st.floats(0, 1, exclude_min=True),
    disk=st.integers(0, 2**32 - 1),
)
def test_text_and_fault_are_the_same(
    *, kind: str, zone: int, command: str | None, count: int | None, after: int, probability: float, disk: int
) -> None:
    fault = Fault(
        kind, zone=zone, command=command, count=count, after=after, probability=probability, disk=disk
    )
    assert parse(str(fault)) == fault
    assert str(parse(str(fault))) == str(fault)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("read-eror", "unknown kind of fault 'read-eror'", "Did you mean read-error? Kinds: "),
        ("", "unknown kind of fault ''", "Kinds: read-error, "),
        ("busy,zon=5", "busy: unknown option 'zon'", "Did you mean zone? "),
        ("busy,zone", "busy: zone has no value", "Write zone=VALUE; it is a whole number from 0 "),
        ("busy,zone=5,zone=6", "busy: zone is given twice", "Keep one of the two."),
        ("busy,zone=-1", "zone=-1: not a whole number", "zone is a whole number from 0 "),
        ("busy,zone=1,lba=3", "lba=3: zone=1 is given too", "Keep one of the two."),
        ("busy,blocks=3", "blocks=3: there is no lba that they start at", "Add lba=N."),
        ("busy,count=0", "count=0: less than 1", "count is a whole number from 1 "),
        ("busy,probability=0", "probability=0: not above 0 and up to 1", "probability is a number above 0 "),
        ("busy,probability=x", "probability=x: not a number", "probability is "),
        ("busy,command=writ", "command=writ: no command of the disk. Did you mean write?", "command is one "),
        ("busy,command=0x888", "command=0x888: not 0x and two digits", "command is one of read, write, "),
        ("busy,milliseconds=3", "milliseconds=3: busy takes no time", "They are for delay."),
        ("delay", "delay: how long is missing", "Write delay,milliseconds=500."),
        ("busy,asc=0x29", "asc=0x29: busy has its own", "It is for unit-attention."),
        ("unit-attention,asc=29", "asc=29: not 0x and two digits", "asc is a byte in hexadecimal"),
        ("unit-attention,ascq=0x01", "ascq=0x01: there is no asc that it qualifies", "Add asc="),
        ("offline", "offline needs a zone, and none is given", "Add zone=N."),
    ],
)
def test_a_fault_that_cannot_be(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert raised.value.message == message
    assert raised.value.hint.startswith(hint)


# Files


def test_a_file_of_faults(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[fault]]\nkind = "read-error"\nzone = 5\ncount = 1\n'
        '[[fault]]\nkind = "unit-attention"\nasc = 0x2a\nprobability = 0.5\ncommand = "write"\n'
    )
    assert load(path) == [
        Fault("read-error", zone=5, count=1),
        Fault("unit-attention", asc=0x2A, probability=0.5, command="write"),
    ]
    path.write_text("")
    assert load(path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[fault]\n", "{} is not TOML that can be read: "),
        ("\xff", "{} is not TOML that can be read: "),
        ('[[faults]]\nkind = "busy"\n', "{}: 'faults' is not an entry of a file of faults"),
        ("fault = 5\n", "{}: 'fault' is not an entry of a file of faults"),
        ("[[fault]]\nzone = 5\n", "{}: fault 1: there is no kind"),
        ('[[fault]]\nkind = "busy"\n[[fault]]\nkind = "buzy"\n', "{}: fault 2: unknown kind of fault 'buzy'"),
        ('[[fault]]\nkind = "busy"\nzone = true\n', "{}: fault 1: zone=True: not a whole number"),
        ('[[fault]]\nkind = "busy"\nzone = [5]\n', "{}: fault 1: zone=[5]: not a whole number"),
        ('[[fault]]\nkind = "busy"\nplace = 5\n', "{}: fault 1: busy: unknown option 'place'"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError) as raised:
        load(path)
    assert raised.value.message.startswith(message.format(path))
    assert raised.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        load(tmp_path / "faults.toml")


# Disks


@pytest.mark.parametrize("kind", KINDS)
def test_the_core_knows_every_kind(disk: Disk, kind: str) -> None:
    injected = Faults({0: disk}).inject(at_zone(kind))
    assert str(injected.fault) == at_zone(kind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("busy,zone=16", "there is no zone 16: the disk has 16, from 0 to 15"),
        ("busy,lba=131071,blocks=2", "there are no 2 blocks at LBA 131071: the disk's last LBA is 131071"),
        ("reset-recommended,zone=0", "zone 0 is conventional, and it happens to sequential zones only"),
        ("read-only,zone=0", "zone 0 is conventional, and it happens to sequential zones only"),
        ("offline,lba=0,blocks=8193", "zone 0 is conventional, and it happens to sequential zones only"),
        ("read-error,command=write", "it never happens at command write"),
        ("busy,disk=1", "disk 1 is not an emulated disk that is served here"),
    ],
)
def test_a_fault_that_the_disk_cannot_have(disk: Disk, text: str, message: str) -> None:
    faults = Faults({0: disk})
    with pytest.raises(UsageError) as raised:
        faults.inject(text)
    assert raised.value.message == f"fault {text}: {message}"
    assert not list(faults)


def test_faults_are_told_of_and_end(disk: Disk) -> None:
    read = rw16(0x88, 0, 8)
    faults = Faults({0: disk})
    faults.inject("aborted,lba=4,count=1")
    busy = faults.inject(Fault("busy", zone=0, after=1))
    assert sense_code(disk.execute(read, b"", 4096).sense) == (0xB, 0, 0)
    assert disk.execute(read, b"", 4096).status == 0
    assert disk.execute(rw10(0x28, ZONE - 8, 8), b"", 4096).status == 8
    assert [(str(one.fault), one.matched, one.fired) for one in Faults({0: disk})] == [
        ("aborted,lba=4,count=1", 2, 1),
        ("busy,zone=0,after=1", 2, 1),
    ]
    busy.remove()
    busy.remove()
    assert [one.fault.kind for one in faults] == ["aborted"]
    faults.clear()
    assert not list(faults)
    assert disk.execute(read, b"", 4096).status == 0


def test_a_command_without_an_answer_is_an_error_here(disk: Disk) -> None:
    injected = Faults({0: disk}).inject("no-answer,command=test-unit-ready")
    with pytest.raises(CoreError, match="the disk does not answer") as raised:
        disk.execute(TEST_UNIT_READY)
    assert raised.value.kind == "no-answer"
    injected.remove()
    assert disk.execute(TEST_UNIT_READY).status == 0


def test_faults_come_while_a_command_is_delayed(disk: Disk) -> None:
    faults = Faults({0: disk})
    faults.inject("delay,milliseconds=3000")
    slow = threading.Thread(target=disk.execute, args=(rw16(0x88, 0, 8), b"", 4096))
    begun = time.monotonic()
    slow.start()
    while not next(iter(faults)).fired:
        time.sleep(0.01)
    faults.clear()
    assert slow.is_alive()
    slow.join()
    assert time.monotonic() - begun >= 3


def test_zones_that_failed_stay_so_in_the_image(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="4M", conventional=1)
    with images.open(path) as disk:
        faults = Faults({0: disk})
        for text in ("read-only,zone=3", "offline,lba=32768,blocks=8193"):
            assert faults.inject(text).fired == 1
        faults.clear()
    with images.open(path) as disk:
        conditions = [zone.condition for zone in disk.zones()]
        assert [conditions[zone] for zone in (2, 3, 4, 5, 6)] == [
            "empty",
            "read-only",
            "offline",
            "offline",
            "empty",
        ]
        disk.execute(TEST_UNIT_READY)
        assert sense_code(disk.execute(zone_out(4, 3 * ZONE)).sense) == (7, 0x27, 8)
        assert sense_code(disk.execute(zone_out(4, 4 * ZONE)).sense) == (7, 0x2C, 0xE)


def test_zones_that_failed_stay_so_after_a_crash_of_the_host(disk: Disk, tmp_path: Path) -> None:
    Faults({0: disk}).inject("offline,zone=5")
    left = bytearray((tmp_path / "disk.img").read_bytes())
    # A live table whose stamp does not check is not trusted: the zones are what is stable, as in a new boot.
    left[left.index(b"\x89ZVLIVE\n") + 10] ^= 1
    (tmp_path / "left.img").write_bytes(left)
    zones = images.zones(tmp_path / "left.img")[4:7]
    assert [zone.condition for zone in zones] == ["empty", "offline", "empty"]


def test_a_zone_that_failed_and_cannot_be_made_stable_is_told(disk: Disk) -> None:
    faults = Faults({0: disk})
    faults.inject("read-only,zone=6,after=1")
    disk.execute(rw16(0x88, 6 * ZONE, 8), b"", 4096)
    with unwritable_files():
        with pytest.raises(ImageError, match=r"fault offline,zone=5: cannot make .* stable"):
            faults.inject("offline,zone=5")
        answer = disk.execute(rw16(0x88, 6 * ZONE, 8), b"", 4096)
    assert sense_code(answer.sense) == (3, 0x0C, 0)
    assert [zone.condition for zone in disk.zones()][5:7] == ["offline", "read-only"]
    assert [each.fault.zone for each in faults] == [6]


# Guests and the command line


def test_faults_find_their_disk_behind_a_controller(tmp_path: Path) -> None:
    first, last = (SmrDisk("64M", controller="a") for _ in range(2))
    shared = [first, ZnsDisk("1G", via="qemu"), SmrDisk("64M"), last]
    faults = [parse(f"busy,disk={number}") for number in (3, 0, 2)]
    attached = with_methods(shared).attachments(tmp_path, faults)
    attachments = [each for each in attached if isinstance(each, VhostUserScsi)]
    assert [[fault.disk for fault in each.faults] for each in attachments] == [[1, 0], [0]]
    (by_hand, _) = attachments[1].describe().by_hand
    assert "--fault busy,disk=0" in by_hand


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1, "disk 1 is a zns disk, and only those that zonevm emulates fail on purpose"),
        (7, "disk 7 is not there, and only those that zonevm emulates fail on purpose"),
    ],
)
def test_a_fault_of_a_disk_that_cannot_fail(number: int, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_disks([Fault("busy", disk=number)], [SmrDisk("64M"), ZnsDisk("1G", via="qemu"), ZnsDisk("1G")])
    assert raised.value.message == f"fault busy,disk={number}: {message}"
    assert raised.value.hint == "Those are: disk 0, 2."


def test_disk_faults_lists_every_kind_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["disk", "faults", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["kinds"] == KINDS
    assert [option["name"] for option in listed["options"]] == list(Fault.options())
    assert execute(["disk", "faults"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (*KINDS, *Fault.options()))


@pytest.mark.parametrize("verb", ["run", "serve"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fault", "bussy"), "unknown kind of fault 'bussy'"),
        (("--fault", "busy,disk=1"), "fault busy,disk=1: disk 1 is not there"),
        (("--faults", "/nowhere.toml"), "/nowhere.toml: No such file or directory"),
    ],
)
def test_a_wrong_fault_starts_nothing(
    capsys: pytest.CaptureFixture[str], verb: str, options: tuple[str, str], message: str
) -> None:
    assert execute([verb, "--disk", "smr,size=64M,zone-size=1M", *options]) == 2
    assert message in capsys.readouterr().err
