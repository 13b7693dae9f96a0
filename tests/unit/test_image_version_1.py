"""Images of format version 1, made by an older zonevm: read as they are, and converted when they are used."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from zonevm import images

from .test_image import ZONE, ZONE_BLOCKS, block_of, opened, read, write

IMAGES = Path(__file__).with_name("images")
VERSION = slice(8, 12)

CONDITIONS = ["closed", "empty", "full", "full", "read-only", "closed"]
"""Of zones 3 to 8."""
WRITTEN = {3: 10, 5: ZONE_BLOCKS, 6: 4, 7: 2, 8: 1}
"""How many blocks of a sequential zone hold data."""


def data(lba: int) -> bytes:
    return lba.to_bytes(4, "little") * 1024


def contents(anywhere: dict[int, int]) -> bytes:
    """Return what the disk holds; ``anywhere``: LBAs from which so many blocks are written, besides."""
    starts = {zone * ZONE_BLOCKS: count for zone, count in WRITTEN.items()} | anywhere
    raw = bytearray(8 * ZONE + ZONE // 2)
    for start, count in starts.items():
        for lba in range(start, start + count):
            raw[lba * 4096 : (lba + 1) * 4096] = data(lba)
    return bytes(raw)


KINDS = {
    "managed": contents({ZONE_BLOCKS + 3: 5}),
    "aware": contents({5: 3}),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(kind: str, tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(gzip.decompress((IMAGES / f"version-1-{kind}.img.gz").read_bytes()))
    return path


def raw(image: Path) -> bytes:
    target = image.with_suffix(".raw")
    images.export(image, target)
    found = target.read_bytes()
    target.unlink()
    return found


def conditions(image: Path) -> list[str]:
    return [str(zone.condition) for zone in images.zones(image)][3:]


def test_it_is_read_as_it_is(image: Path, kind: str, tmp_path: Path) -> None:
    before = image.read_bytes()
    assert images.check(image) == []
    assert conditions(image) == CONDITIONS
    assert raw(image) == KINDS[kind]
    images.snapshot(image, tmp_path / "copy.img")
    assert raw(tmp_path / "copy.img") == KINDS[kind]
    assert (tmp_path / "copy.img").stat().st_size == len(before)
    assert image.read_bytes() == before
    assert before[VERSION] == b"\1\0\0\0"


def test_it_becomes_todays_when_it_is_used(image: Path, kind: str) -> None:
    with opened(image) as disk:
        assert read(disk, 3 * ZONE_BLOCKS, 1) == data(3 * ZONE_BLOCKS)
        assert write(disk, 3 * ZONE_BLOCKS + 10, block_of(1)).status == 0
        assert write(disk, 4 * ZONE_BLOCKS, block_of(2)).status == 0
    assert image.read_bytes()[VERSION] == b"\2\0\0\0"
    assert images.check(image) == []
    assert conditions(image) == ["closed", "closed", *CONDITIONS[2:]]
    expected = bytearray(KINDS[kind])
    expected[3 * ZONE + 10 * 4096 : 3 * ZONE + 11 * 4096] = block_of(1)
    expected[4 * ZONE : 4 * ZONE + 4096] = block_of(2)
    assert raw(image) == expected


def test_tools_that_change_it_keep_what_it_holds(image: Path, kind: str) -> None:
    images.resize(image, 10 * ZONE)
    assert raw(image) == KINDS[kind].ljust(10 * ZONE, b"\0")
    assert images.check(image) == []


def test_it_is_repaired_as_it_is(image: Path, kind: str) -> None:
    with image.open("r+b") as file:
        file.seek(2 * 4096 + 8 * 3)
        file.write(b"\xff" * 8)
    assert [found["part"] for found in images.check(image)] == ["live table"]
    images.repair(image)
    assert images.check(image) == []
    assert image.read_bytes()[VERSION] == b"\1\0\0\0"
    assert raw(image) == KINDS[kind]
