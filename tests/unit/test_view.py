"""Zone maps: every zone is accounted for, at any number of zones."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from zonevm.view.svg import svg
from zonevm.view.terminal import listing, print_map, symbol
from zonevm.view.zone_map import LOOKS, Cell, Listed, zone_map
from zonevm.view.zone_map import Zone as AnyZone

LENGTH = 1000
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Zone:
    start: int
    length: int
    condition: str
    write_pointer: int | None

    @property
    def conventional(self) -> bool:
        return self.condition == "not write pointer"


def a_zone(number: int, condition: str, part: float = 0.5) -> Zone:
    start = number * LENGTH
    pointers = {
        "empty": start,
        "implicitly open": start + int(LENGTH * part),
        "explicitly open": start + int(LENGTH * part),
        "closed": start + int(LENGTH * part),
    }
    return Zone(start, LENGTH, condition, pointers.get(condition))


def written(zone: AnyZone) -> int:
    if zone.condition == "full":
        return zone.length
    return 0 if zone.write_pointer is None else zone.write_pointer - zone.start


def disk(*conditions: str) -> Listed:
    return Listed(a_zone(number, condition) for number, condition in enumerate(conditions))


def drawn(zones: Listed, width: int = 80, *, tty: bool = False) -> str:
    out = io.StringIO()
    print_map(Console(file=out, width=width, force_terminal=tty, no_color=False), "d.img", zones, 512)
    return out.getvalue()


@given(
    st.lists(st.sampled_from(list(LOOKS)), min_size=1, max_size=300), st.integers(1, 40), st.integers(1, 8)
)
def test_every_zone_is_in_one_cell_and_one_count(conditions: list[str], columns: int, rows: int) -> None:
    zones = disk(*conditions)
    grid = zone_map(zones, columns, rows)
    assert [number for cell in grid.cells for number in range(cell.first, cell.last + 1)] == list(
        range(len(zones))
    )
    assert grid.rows <= rows
    assert grid.counts == Counter(conditions)
    assert grid.written == sum(map(written, zones))


def test_a_cell_of_several_zones_shows_what_matters_most() -> None:
    (cell,) = zone_map(disk("full", "empty", "empty", "offline"), 1, 1).cells
    assert (cell.condition, cell.fill) == ("offline", 0.25)


def test_conventional_zones_do_not_count_as_written_or_to_be_written() -> None:
    grid = zone_map(disk("not write pointer", "full", "empty"), 8, 1)
    assert (grid.written, grid.blocks) == (LENGTH, 2 * LENGTH)


@pytest.mark.parametrize(
    ("condition", "fill", "expected"),
    [
        ("empty", 0.0, "·"),
        ("not write pointer", 0.0, "▒"),
        ("offline", 0.0, "x"),
        ("read-only", 0.5, "r"),
        ("closed", 0.001, "▁"),
        ("closed", 0.5, "▅"),
        ("implicitly open", 0.999, "▇"),
        ("explicitly open", 0.0, "·"),
        ("full", 1.0, "█"),
    ],
)
def test_the_symbol_of_a_cell(condition: str, fill: float, expected: str) -> None:
    assert symbol(Cell(0, 0, condition, fill)) == expected


def test_a_small_disk_is_drawn_zone_by_zone() -> None:
    text = drawn(disk("not write pointer", "full", "implicitly open", *["empty"] * 13))
    assert " 0 ▒█▅·············\n" in text
    assert "conventional     1" in text
    assert "empty           13" in text
    assert "one character" not in text


def test_a_14_tb_disk_fits_a_screen() -> None:
    text = drawn(disk(*["not write pointer"] * 500, *["full"] * 4500, *["empty"] * 50000))
    assert len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 80
    assert "one character is 64 zones" in text


def test_there_is_no_colour_where_there_is_no_terminal() -> None:
    zones = disk("full", "empty")
    assert "\x1b" not in drawn(zones)
    assert "\x1b" in drawn(zones, tty=True)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    print_map(Console(file=out, width=80, force_terminal=True), "d.img", disk("full"), 512)
    assert "\x1b[34m" not in out.getvalue()


def test_a_narrow_terminal_is_enough() -> None:
    assert "▅" in drawn(disk(*["closed"] * 100), width=20)


def test_the_listing_has_a_line_for_each_zone() -> None:
    heading, *lines = listing(disk("not write pointer", "closed"))
    assert heading.split() == ["zone", "type", "condition", "start", "write", "pointer", "length"]
    assert lines[0].split() == ["0", "conventional", "not", "write", "pointer", "0", "-", "1000"]
    assert lines[1].split() == ["1", "sequential", "closed", "1000", "1500", "1000"]


def test_the_drawing_stands_alone_and_has_a_tooltip_for_each_cell() -> None:
    text = svg("a<b>.img", disk("not write pointer", "full", "closed", "empty"), 512)
    assert "href" not in text
    assert "<script" not in text
    root = ElementTree.fromstring(text)
    assert root.findtext(f"{SVG}title") == "a<b>.img"
    tooltips = [group.findtext(f"{SVG}title") for group in root.iter(f"{SVG}g")]
    assert tooltips == [
        "zone 0: conventional, blocks 0 to 999",
        "zone 1: full, blocks 1000 to 1999",
        "zone 2: closed, blocks 2000 to 2999, write pointer 2500",
        "zone 3: empty, blocks 3000 to 3999, write pointer 3000",
    ]
    labels = [label.text for label in root.iter(f"{SVG}text")]
    assert {"conventional: 1", "full: 1", "closed: 1", "empty: 1"} <= set(labels)


def test_a_large_disk_makes_no_large_drawing() -> None:
    text = svg("d.img", disk(*["empty"] * 55000), 512)
    assert len(text) < 10**6
    assert "one cell is 16 zones" in text


@pytest.mark.parametrize("name", ["\x01\x1b&<\"'\ud800\uffff", "\udcff\x85"])
def test_a_drawing_is_xml_whatever_the_name_of_its_image(name: str) -> None:
    assert ElementTree.fromstring(svg(name, disk("empty"), 512).encode())[0].text
