"""What is done to an image that nobody uses: what is printed, exit codes, what is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zonevm import images
from zonevm.cli import execute
from zonevm.errors import ImageError, UsageError
from zonevm.zone_numbers import parse_zones

from . import cdbs
from .test_image import holding, make_ready

ZONE = 1 << 20
COPY_OF_HEADER = 4096


@pytest.fixture
def image(tmp_path: Path) -> Path:
    images.create(tmp_path / "disk.img", size="16M", zone_size="1M", conventional=2, block_size=4096)
    return tmp_path / "disk.img"


def write(image: Path, zone: int, data: bytes) -> None:
    with images.open(image) as disk:
        make_ready(disk)
        assert disk.execute(cdbs.rw16(0x8A, zone * 256, len(data) // 4096), data).status == 0


def damage(image: Path, *offsets: int) -> bytes:
    with image.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))
    return image.read_bytes()


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_check_and_repair_of_a_whole_image(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["disk", "check", str(image)]) == 0
    assert capsys.readouterr().out == f"{image}: whole\n"
    assert execute(["disk", "repair", str(image)]) == 0
    assert capsys.readouterr().out == f"{image}: whole, nothing to repair\n"
    assert execute(["disk", "check", "--json", str(image)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_damaged_image_is_told_and_mended(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = damage(image, 100)
    with pytest.raises(ImageError, match="damaged") as refused:
        images.open(image)
    assert "zonevm disk check" in refused.value.hint
    assert execute(["disk", "check", str(image)]) == 1
    told = capsys.readouterr()
    assert told.out == "header: it does not check, and its copy does; can be restored from its copy\n"
    assert f"zonevm disk repair {image}" in told.err
    assert execute(["disk", "repair", "--dry-run", str(image)]) == 0
    assert "would be restored" in capsys.readouterr().out
    assert image.read_bytes() == damaged
    assert execute(["disk", "repair", "--json", str(image)]) == 0
    assert [finding["part"] for finding in json.loads(capsys.readouterr().out)] == ["header"]
    assert images.check(image) == []
    images.open(image).close()


def test_what_cannot_be_repaired_is_left_alone(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = damage(image, 100, COPY_OF_HEADER + 100)
    assert execute(["disk", "check", str(image)]) == 1
    told = capsys.readouterr()
    assert "cannot be repaired" in told.out
    assert "cannot be repaired" in told.err
    assert execute(["disk", "repair", str(image)]) == 125
    assert "neither it nor its copy checks" in capsys.readouterr().err
    assert image.read_bytes() == damaged


def test_another_file_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "notes"
    other.write_text("notes")
    for verb in ("check", "repair"):
        assert execute(["disk", verb, str(other)]) == 125
        assert "not a zonevm disk image" in capsys.readouterr().err
    assert other.read_text() == "notes"


def test_an_image_in_use_is_left_alone(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(image.with_name("other"))
    with holding(image) as holder:
        for words in (
            ["check", str(image)],
            ["repair", str(image)],
            ["snapshot", str(image), other],
            ["restore", str(image), other],
            ["export", str(image), other],
            ["resize", str(image), "32M"],
            ["zone", "set", str(image), "5", "full"],
        ):
            assert execute(["disk", *words]) == 125
            assert f"in use by process {holder.pid}" in capsys.readouterr().err
        assert names(image.parent) == {image.name}


def test_snapshot_and_restore(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(image, 3, bytes(4096))
    kept = image.with_name("kept.img")
    assert execute(["disk", "snapshot", str(image), str(kept)]) == 0
    assert capsys.readouterr().out == f"{kept}: a copy of {image}\n"
    before, copy = images.info(image), images.info(kept)
    assert (copy["serial"], copy["wwn"], copy["zones"]) == (before["serial"], before["wwn"], before["zones"])
    assert copy["uuid"] != before["uuid"]
    assert execute(["disk", "snapshot", str(image), str(kept)]) == 125
    assert "exists" in capsys.readouterr().err

    images.snapshot(image, image.with_name("twin.img"), new_identity=True)
    assert images.info(image.with_name("twin.img"))["wwn"] != before["wwn"]

    write(image, 4, bytes(4096))
    damage(image, 100, COPY_OF_HEADER + 100)
    assert execute(["disk", "restore", str(kept), str(image)]) == 0
    assert images.info(image)["zones"] == before["zones"]
    assert names(image.parent) == {"disk.img", "kept.img", "twin.img"}


def test_ctrl_c_leaves_nothing_half_made(image: Path) -> None:
    write(image, 3, bytes(4096))
    before = images.info(image)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        images.export(image, image.with_name("raw"), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        images.resize(image, "32M", progress=interrupt)
    assert names(image.parent) == {"disk.img"}
    assert images.info(image) == before


def test_export(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytes(range(256)) * 16
    write(image, 3, data)
    raw = image.with_name("raw")
    assert execute(["disk", "export", str(image), str(raw)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{raw}: 16 MiB from {image}\n"
    assert raw.read_bytes() == bytes(3 * ZONE) + data + bytes(13 * ZONE - 4096)
    assert raw.stat().st_blocks * 512 < ZONE
    assert execute(["disk", "export", str(image), str(raw)]) == 125


def test_resize(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(image, 3, bytes(4096))
    zones = images.zones(image)
    assert execute(["disk", "resize", str(image), "1G"]) == 0
    assert f"{image}: 1 GiB, 1024 zones\n" in capsys.readouterr().out
    assert images.zones(image)[:16] == zones
    assert execute(["disk", "resize", str(image), "3M"]) == 125
    told = capsys.readouterr().err
    assert "zone 3 holds data" in told
    assert "zone set FILE 3 empty" in told
    assert execute(["disk", "resize", str(image), "x"]) == 2
    assert names(image.parent) == {"disk.img"}


def test_zone_set(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for zones, condition, *rest in (
        ("0-1", "not-write-pointer"),
        ("2-4", "closed", "--written", "12K"),
        ("5", "full"),
        ("6", "offline"),
    ):
        assert execute(["disk", "zone", "set", str(image), zones, condition, *rest]) == 0
        assert capsys.readouterr().out.endswith(f"{zones}: {condition}\n")
    found = images.zones(image)
    conditions = [zone.condition for zone in found[:7]]
    assert conditions == [*2 * ["not write pointer"], *3 * ["closed"], "full", "offline"]
    assert found[3].write_pointer == found[3].start + 3


def test_a_zone_cannot_be_what_it_never_is(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = images.zones(image)
    for words, code, said in (
        (["0", "empty"], 125, "zone 0 cannot be set: a conventional zone cannot be in this condition"),
        (["0-5", "offline"], 125, "Linux refuses a disk with a conventional zone in this condition"),
        (["all", "read-only"], 125, "zones 2-15 are sequential"),
        (["5", "closed"], 125, "a closed zone holds data"),
        (["5", "closed", "--written", "1M"], 125, "not inside the zone"),
        (["5", "closed", "--written", "512"], 125, "in blocks of 4096 bytes"),
        (["all", "full"], 125, "zone 0 cannot be set"),
        (["5", "open"], 2, "open"),
        (["5-99", "full"], 2, "the disk has 16"),
        (["five", "full"], 2, "'five' names no zones"),
    ):
        assert execute(["disk", "zone", "set", str(image), *words]) == code, words
        assert said in capsys.readouterr().err
    assert images.zones(image) == before


@pytest.mark.parametrize(
    ("text", "zones"),
    [("0", range(1)), (7, range(7, 8)), ("5-9", range(5, 10)), ("3-3", range(3, 4)), ("all", range(10))],
)
def test_zones_as_people_write_them(text: str | int, zones: range) -> None:
    assert parse_zones(text, 10) == zones


@pytest.mark.parametrize("text", ["", "-1", "10", "9-5", "5-10", "1,2", "5-", "٣", -1])
def test_what_is_no_zone(text: str | int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_zones(text, 10)
    assert caught.value.hint
