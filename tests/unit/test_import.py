"""Imports: data and zone state come over, holes stay holes, and nothing is left of what fails."""

from __future__ import annotations

import json
import random
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from zonevm import ImageError, SmrDisk, images
from zonevm.cli import execute
from zonevm.transfer import import_disk
from zonevm.transfer.draft import draft
from zonevm.transfer.writer import Writer

MIB = 1 << 20
ZONE = MIB
PAGE = 4096
NOT_WP, EMPTY, IMPLICIT, EXPLICIT, CLOSED, READ_ONLY, FULL, OFFLINE = 0, 1, 2, 3, 4, 0xD, 0xE, 0xF
ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]


@dataclass
class TcmuFile:
    """Writes what tcmu-runner's zbc handler writes: a header, 64 bytes a zone, a page's padding, the data."""

    path: Path
    size: int
    conventional: int = 1
    block: int = 512
    zone_size: int = ZONE
    zones: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Zone number: (condition, bytes below the write pointer)."""
    data: dict[int, bytes] = field(default_factory=dict)
    model: int = 0x14

    def write(self) -> Path:
        count = -(-self.size // self.zone_size)
        meta = -(-(48 + 64 * count) // PAGE) * PAGE
        zone_blocks = self.zone_size // self.block
        header = struct.pack(
            "=IIQIIIIIII4x",
            0x555A4243,
            self.model,
            self.size // self.block,
            self.block,
            zone_blocks,
            count,
            self.conventional,
            4,
            0,
            0,
        )
        with self.path.open("wb") as file:
            file.write(header)
            for number in range(count):
                conventional = number < self.conventional
                condition, written = self.zones.get(number, (EMPTY, 0))
                start = number * zone_blocks
                length = min(zone_blocks, self.size // self.block - start)
                pointer = (1 << 64) - 1 if conventional else start + written // self.block
                kind, condition = (1, NOT_WP) if conventional else (2, condition)
                file.write(struct.pack("=QQQBBBB36x", start, length, pointer, kind, condition, 0, 0))
            file.truncate(meta + self.size)
            for offset, data in self.data.items():
                file.seek(meta + offset)
                file.write(data)
        return self.path


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def read(disk: images.Disk, offset: int, length: int) -> bytes:
    block = disk.info()["block_size"]
    cdb = b"\x88\0" + (offset // block).to_bytes(8, "big") + (length // block).to_bytes(4, "big") + b"\0\0"
    for _ in range(2):  # the first command after power on ends in a unit attention
        response = disk.execute(cdb, data_in_length=length)
        if response.status == 0:
            return response.data
    raise AssertionError(response.sense.hex())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk.img"


def test_data_and_zones_come_over(tmp_path: Path, target: Path) -> None:
    data = {
        5 * 4096: noise(4096, 1),
        1 * ZONE: noise(ZONE, 2),
        2 * ZONE: noise(12288, 3),
        3 * ZONE + 512 * 1024: noise(8192, 4),
        4 * ZONE: noise(4096, 5),
        # what was written before a reset is still in the file, above the write pointer
        6 * ZONE: noise(4096, 6),
        7 * ZONE: noise(ZONE // 2, 7),
    }
    zones = {
        1: (FULL, ZONE),
        2: (IMPLICIT, 12288),
        3: (EXPLICIT, 768 * 1024),
        4: (FULL, ZONE),
        5: (EXPLICIT, 0),
        7: (CLOSED, ZONE // 2),
    }
    source = TcmuFile(tmp_path / "zbc0.raw", 8 * ZONE - 64 * 1024, zones=zones, data=data).write()
    told: list[tuple[int, int]] = []
    done = import_disk(source, target, lambda *now: told.append(now))
    assert (done.zones, done.conventional, done.notes) == (8, 1, ())
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    with images.open(target) as disk:
        info = disk.info()
        assert (info["size"], info["zone_size"], info["max_open"]) == (8 * ZONE - 65536, ZONE, 4)
        states = [(zone.condition, zone.write_pointer) for zone in disk.zones()]
        assert states == [
            ("not write pointer", None),
            ("full", None),
            ("closed", (2 * ZONE + 12288) // 512),
            ("closed", (3 * ZONE + 768 * 1024) // 512),
            ("full", None),
            ("empty", 5 * ZONE // 512),
            ("empty", 6 * ZONE // 512),
            ("closed", (7 * ZONE + ZONE // 2) // 512),
        ]
        del data[6 * ZONE]
        for zone in disk.zones():
            start = zone.start * 512
            expected = bytearray(zone.length * 512)
            for offset, part in data.items():
                if start <= offset < start + len(expected):
                    expected[offset - start : offset - start + len(part)] = part
            assert read(disk, start, len(expected)) == expected


@pytest.mark.parametrize("block", [512, 4096])
def test_holes_stay_holes(tmp_path: Path, target: Path, block: int) -> None:
    size = 1 << 40
    zone = 256 * MIB
    zones = dict.fromkeys(range(40, 2000), (FULL, zone)) | {3000: (CLOSED, 200 * MIB)}
    data = {41 * zone + 16 * MIB: noise(65536)}
    tcmu = TcmuFile(tmp_path / "zbc0.raw", size, 40, block, zone, zones, data)
    done = import_disk(tcmu.write(), target)
    assert done.data == 65536
    assert images.info(target)["allocated"] < 2 * MIB
    with images.open(target) as disk:
        assert disk.zones()[41].condition == "full"
        assert disk.zones()[3000].write_pointer == (3000 * zone + 200 * MIB) // block
        assert read(disk, 41 * zone + 16 * MIB - 4096, 65536 + 8192) == bytes(4096) + data.popitem()[
            1
        ] + bytes(4096)


def test_zeroes_that_were_written_take_no_space(tmp_path: Path, target: Path) -> None:
    data = {0: bytes(4 * ZONE), 5 * ZONE: bytes(ZONE)}
    tcmu = TcmuFile(tmp_path / "z", 8 * ZONE, 4, zones={5: (FULL, ZONE)}, data=data)
    assert import_disk(tcmu.write(), target).data == 0
    assert images.info(target)["allocated"] < 2 * MIB


def test_what_cannot_be_kept_is_told(tmp_path: Path, target: Path) -> None:
    zones = {1: (READ_ONLY, 8192), 2: (OFFLINE, 0), 3: (CLOSED, 512), 4: (CLOSED, 512 * 3)}
    data = {1 * ZONE: noise(8192), 3 * ZONE: noise(512), 3 * ZONE + 512: b"old" * 100}
    done = import_disk(TcmuFile(tmp_path / "z", 8 * ZONE, zones=zones, data=data).write(), target)
    assert done.notes == (
        "zone 1: read-only there, and full here",
        "zone 2: offline there, and empty here",
        "zones 3, 4: written up to no multiple of 4096 bytes there, and with zeroes up to the next here",
    )
    with images.open(target) as disk:
        assert [zone.condition for zone in disk.zones()][1:5] == ["full", "empty", "closed", "closed"]
        assert read(disk, ZONE, 8192) == data[ZONE]
        assert read(disk, 3 * ZONE, 4096) == data[3 * ZONE] + bytes(3584)


def test_a_wrong_file_is_refused(tmp_path: Path, target: Path) -> None:
    good = TcmuFile(tmp_path / "good", 8 * ZONE).write().read_bytes()
    zone3 = 48 + 3 * 64
    cases = {
        "there is no such file": (None, "No such file"),
        "empty": (b"", "shorter than a header"),
        "foreign": (b"x" * PAGE, "does not start with the header"),
        "truncated": (good[:-512], f"it has {len(good) - 512} bytes"),
        "swapped": (bytes(reversed(good[:4])) + good[4:], "does not start with the header"),
        "damaged": (good[: zone3 + 24] + b"\x09" + good[zone3 + 25 :], "zone 3 is damaged"),
        "moved": (good[:zone3] + bytes(8) + good[zone3 + 8 :], "zone 3 .*damaged"),
        "pointer": (
            good[: zone3 + 16] + bytes(8) + b"\x02\x04" + good[zone3 + 26 :],
            "condition 0x4 with a write pointer at byte 0",
        ),
    }
    for name, (content, message) in cases.items():
        source = tmp_path / name
        if content is not None:
            source.write_bytes(content)
        with pytest.raises(ImageError, match=message) as caught:
            import_disk(source, target)
        assert str(source) in caught.value.message
        assert caught.value.hint
        assert not list(tmp_path.glob("*disk.img*"))


def test_a_host_aware_disk_is_refused(tmp_path: Path, target: Path) -> None:
    source = TcmuFile(tmp_path / "z", 8 * ZONE, conventional=8, model=0).write()
    source.write_bytes(source.read_bytes()[:28] + b"\1" + source.read_bytes()[29:])
    with pytest.raises(ImageError, match="host-aware"):
        import_disk(source, target)


def test_an_image_in_use_is_refused(tmp_path: Path, target: Path) -> None:
    source = TcmuFile(tmp_path / "z", 8 * ZONE).write()
    with source.open("rb+"), pytest.raises(ImageError, match="in use"):
        import_disk(source, target)
    import_disk(source, target)


def test_a_size_of_no_whole_blocks_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.raises(ImageError, match="multiple of the physical block"):
        import_disk(TcmuFile(tmp_path / "z", 8 * ZONE + 512).write(), target)


def test_nothing_is_overwritten(tmp_path: Path, target: Path) -> None:
    target.write_text("precious")
    with pytest.raises(ImageError, match=r"disk\.img exists"):
        import_disk(TcmuFile(tmp_path / "z", 8 * ZONE).write(), target)
    assert target.read_text() == "precious"


def test_a_draft_is_nowhere_until_it_is_complete(tmp_path: Path, target: Path) -> None:
    source = TcmuFile(tmp_path / "z", 8 * ZONE, zones={1: (FULL, ZONE)}, data={ZONE: noise(ZONE)}).write()

    def interrupt(*_: int) -> None:
        assert not target.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_disk(source, target, interrupt)
    assert list(tmp_path.iterdir()) == [source]


def test_two_drafts_of_one_file(tmp_path: Path, target: Path) -> None:
    source = TcmuFile(tmp_path / "z", 8 * ZONE).write()
    shape = SmrDisk("16M", "1M")
    with draft(target, shape), pytest.raises(ImageError, match=r"is being made: .* in use by this process"):
        import_disk(source, target)
    with pytest.raises(ImageError, match="exists"):
        import_disk(source, target)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_import_that_was_stopped_can_be_started_again(
    tmp_path: Path, target: Path, number: signal.Signals
) -> None:
    count = 3000
    zones = dict.fromkeys(range(1, count), (FULL, ZONE))
    data = {zone * ZONE: noise(4096, zone) for zone in range(1, count)}
    source = TcmuFile(tmp_path / "z", count * ZONE, zones=zones, data=data).write()
    with subprocess.Popen(
        [*ZONEVM, "disk", "import", source, target], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        while not (tmp_path / ".disk.img.partial").exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(number)
        process.communicate()
    assert not target.exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ([".disk.img.partial", "z"] if number == signal.SIGKILL else ["z"])
    assert execute(["disk", "import", str(source), str(target)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.img", "z"]


def test_an_import_that_is_stopped_when_its_image_was_just_made_leaves_nothing(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TcmuFile(tmp_path / "z", 8 * ZONE).write()
    create_as = images.create_as

    def stopped(*where: Any, **options: Any) -> None:
        create_as(*where, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "create_as", stopped)
    with pytest.raises(KeyboardInterrupt):
        import_disk(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["z"]


def test_the_command_line(tmp_path: Path, target: Path, capfd: pytest.CaptureFixture[str]) -> None:
    zones = {1: (CLOSED, 8192), 2: (OFFLINE, 0)}
    source = TcmuFile(tmp_path / "z", 8 * ZONE, zones=zones, data={ZONE: noise(8192)}).write()
    assert execute(["disk", "import", "--json", str(source), str(target)]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {
        "source": str(source),
        "file": str(target),
        "size": 8 * ZONE,
        "zone_size": ZONE,
        "zones": 8,
        "conventional": 1,
        "data": 8192,
        "notes": ["zone 2: offline there, and empty here"],
    }
    assert "zonevm: zone 2: offline there, and empty here\n" in err
    assert "zonevm: imported 1 MiB of 1.01 MiB\n" in err
    assert execute(["disk", "import", str(source)]) == 2
    assert "one disk to one file, and there are 1 paths" in capfd.readouterr().err
    assert execute(["disk", "import", "--from", "/dev/null", str(tmp_path / "other")]) == 125
    assert "/dev/null is a character device" in capfd.readouterr().err


def test_a_write_that_fails_is_told(tmp_path: Path, target: Path) -> None:
    with (
        pytest.raises(ImageError, match=r"disk\.img cannot be written at byte 4096 .*: sense data") as caught,
        draft(target, SmrDisk("16M", "1M")) as disk,
    ):
        Writer(disk, target).write(4096, bytes(4096))
    assert str(tmp_path) in caught.value.hint
    assert not list(tmp_path.iterdir())
