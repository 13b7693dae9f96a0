"""Records of disks, from commands to states that are disks again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import Guest, ZonevmError, images
from zonevm._core import CoreError, Disk, Recording
from zonevm.crash import Loss, Record, State
from zonevm.disks import SmrDisk, ZnsDisk
from zonevm.errors import RecordError, UsageError

from . import cdbs, sqes

BLOCK = 4096
ZONE = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def recording(file: Path) -> Recording:
    return Recording(file)


@pytest.fixture
def smr(tmp_path: Path, recording: Recording) -> Iterator[Disk]:
    kind = SmrDisk(size=4 * ZONE, zone_size=ZONE, conventional=1, block_size=BLOCK)
    with images.temporary(tmp_path, kind) as disk:
        disk.record_to(recording, 0)
        disk.execute(cdbs.TEST_UNIT_READY)
        yield disk


def write(disk: Disk, lba: int, count: int, byte: int) -> None:
    response = disk.execute(cdbs.rw16(0x8A, lba, count), bytes([byte]) * (BLOCK * count))
    assert response.status == 0


def flush(disk: Disk) -> None:
    assert disk.execute(cdbs.rw10(0x35, 0, 0)).status == 0


def read(disk: Disk, lba: int, count: int) -> bytes:
    disk.execute(cdbs.TEST_UNIT_READY)
    return disk.execute(cdbs.rw16(0x88, lba, count), data_in_length=BLOCK * count).data


def test_from_commands_to_states(smr: Disk, recording: Recording, file: Path, tmp_path: Path) -> None:
    write(smr, 256, 2, 1)
    flush(smr)
    recording.mark("the first is safe")
    write(smr, 258, 3, 2)
    write(smr, 4, 1, 3)
    recording.check()
    record = Record(file)
    entries = list(record.entries())
    kinds = [each["kind"] for each in entries]
    assert kinds == ["disk"] + ["submitted", "completed"] * 2 + ["mark"] + ["submitted", "completed"] * 2
    assert entries[1] == {
        "kind": "submitted",
        "disk": 0,
        "command": "WRITE(16)",
        "operation": "write",
        "stable": False,
        "place": 256,
        "count": 2,
    }
    assert record.disks[0]["shape"]["zone_size"] == ZONE
    assert list(record.flush_points()) == [5, len(record)]
    assert (record.marks(5), record.marks(6)) == ([], ["the first is safe"])
    assert (record.last_mark(5), record.last_mark(6)) == ("", "the first is safe")
    assert list(record.marked) == [(6, "the first is safe")]
    assert list(record.states(5, 9)) == [State(5)]
    end = len(record)
    states = list(record.states(end, 100))
    assert len(states) == len(set(states)) == 4 * 2
    found = set()
    for state in states:
        assert State.parse(str(state)) == state
        with record.open(state, 0, tmp_path) as disk:
            pointer = disk.zones()[1].write_pointer
            assert pointer is not None
            data = read(disk, 256, 8)
            assert data == (b"\1" * 2 * BLOCK + b"\2" * (pointer - 258) * BLOCK).ljust(8 * BLOCK, b"\0")
            found.add((pointer, read(disk, 4, 1)[0]))
            # It is a disk like any other.
            write(disk, pointer, 1, 9)
            assert read(disk, pointer, 1) == b"\x09" * BLOCK
            with images.serve(tmp_path / "socket", [disk], 1) as server:
                assert not server.connected
    assert found == {(pointer, byte) for pointer in range(258, 262) for byte in (0, 3)}
    assert len(list(record.states(end, 5, seed=3))) == 5
    assert list(record.states(end, 5, seed=3))[:2] == [states[0], states[-1]]
    assert record.drawn(end, 7) == record.drawn(end, 7)
    assert Record(file).count(end) == 8


def test_disks_that_share_a_record_are_cut_together(tmp_path: Path, recording: Recording, file: Path) -> None:
    kind = ZnsDisk(size=4 * ZONE, zone_size=ZONE, block_size=BLOCK)
    with images.temporary(tmp_path, kind) as first, images.temporary(tmp_path, kind) as second:
        for number, disk in enumerate((first, second)):
            disk.record_to(recording, number)
            disk.execute(sqes.blocks(sqes.WRITE, 0, 1), bytes(BLOCK))
        first.execute(sqes.entry(sqes.FLUSH))
    record = Record(file)
    states = list(record.states(len(record), 9))
    assert [state.lost for state in states] == [(), (Loss(1, "zone", 0, 1),)]
    for state, pointer in zip(states, (1, 0), strict=True):
        with record.open(state, 1, tmp_path) as disk:
            assert disk.zones()[0].write_pointer == pointer
    with record.open(states[0], 1, tmp_path) as disk, pytest.raises(CoreError, match="has no image"):
        disk.info()


def test_a_lying_disk_makes_nothing_stable(tmp_path: Path, recording: Recording, file: Path) -> None:
    kind = SmrDisk(size=4 * ZONE, zone_size=ZONE, conventional=1, block_size=BLOCK, cache="lying")
    with images.temporary(tmp_path, kind) as disk:
        disk.record_to(recording, 0)
        disk.execute(cdbs.TEST_UNIT_READY)
        write(disk, 256, 1, 1)
        flush(disk)
        with pytest.raises(CoreError, match="a power cut is not in the record"):
            disk.power_cut()
    record = Record(file)
    assert record.count(len(record)) == 2


def test_what_cannot_be_recorded(smr: Disk, recording: Recording, file: Path, tmp_path: Path) -> None:
    with pytest.raises(CoreError, match="is recorded already"):
        smr.record_to(recording, 1)
    aware = SmrDisk(size=4 * ZONE, zone_size=ZONE, model="host-aware")
    with images.temporary(tmp_path, aware) as disk, pytest.raises(CoreError, match="host-aware"):
        disk.record_to(recording, 1)
    kind = SmrDisk(size=4 * ZONE, zone_size=ZONE, conventional=1, block_size=BLOCK)
    for lba in (0, 256):
        with images.temporary(tmp_path, kind) as disk:
            disk.execute(cdbs.TEST_UNIT_READY)
            write(disk, lba, 1, 1)
            with pytest.raises(CoreError, match="something was written to the disk already"):
                disk.record_to(recording, 1)
    with pytest.raises(CoreError) as exists:
        Recording(file)
    assert exists.value.kind == "exists"


def test_what_is_no_record_or_not_in_it(smr: Disk, file: Path, tmp_path: Path) -> None:
    write(smr, 256, 2, 1)
    other = tmp_path / "other"
    other.write_text("something else")
    for wrong in (other, tmp_path / "none", tmp_path):
        with pytest.raises(RecordError):
            Record(wrong)
    record = Record(file)
    with pytest.raises(UsageError, match="no point 4 in the record"):
        record.count(4)
    for lost in ((Loss(0, "zone", 1, 2),), (Loss(0, "zone", 1, 1, 2),), (Loss(0, "block", 1, 1),)):
        with pytest.raises(RecordError, match="cannot have lost"):
            record.open(State(3, lost), 0, tmp_path)
    with pytest.raises(RecordError, match="disk 1 is not in the record"):
        record.open(State(3), 1, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"point":-1,"lost":[]}',
        '{"point":1,"lost":[[0,"track",1,1,0]]}',
        '{"point":1,"lost":[[0,"zone",1,true,0]]}',
        '{"point":1,"lost":[[0,"zone"]]}',
        '{"point":1,"lost":3}',
    ],
)
def test_texts_that_are_no_states(text: str) -> None:
    with pytest.raises(ZonevmError, match="is not a state of a record"):
        State.parse(text)


def test_a_state_is_a_line_of_json() -> None:
    state = State(12, (Loss(0, "block", 77, 1), Loss(0, "zone", 4, 2, 5)))
    assert json.loads(str(state)) == {"point": 12, "lost": [[0, "block", 77, 1, 0], [0, "zone", 4, 2, 5]]}


def test_what_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.sh").write_text("a script, not a record")
    with pytest.raises(RecordError, match=r"store\.sh' is not a record"):
        Record(tmp_path / "store.sh")
    with pytest.raises(RecordError, match=r"cannot open the record .*missing: No such file or directory$"):
        Record(tmp_path / "missing")


def test_a_state_is_served_by_zonevm_whatever_the_qemu_could_have_in_its_place(tmp_path: Path) -> None:
    with images.temporary(tmp_path, ZnsDisk(size="1G")) as disk:
        guest = Guest(["zns,size=1G", "plain,size=1G"], states={0: disk})
        assert guest._settings.seen == {0}
