"""Sizes, as people write them and as they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm.errors import UsageError
from zonevm.units import about_size, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        (4096, 4096),
        ("0", 0),
        ("17B", 17),
        ("1K", 1024),
        ("256M", 256 * 2**20),
        ("256MiB", 256 * 2**20),
        ("256 mib", 256 * 2**20),
        ("20G", 20 * 2**30),
        ("1.5G", 3 * 2**29),
        (".5K", 512),
        ("14T", 14 * 2**40),
        ("2P", 2 * 2**50),
        ("14TB", 14 * 10**12),
        ("1kb", 1000),
        (" 1G ", 2**30),
    ],
)
def test_a_size_is_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "G", "big", "-1G", "1E", "1,5G", "1.G", "0x10", "1 2", "1GiBB", "٣G", "1e3", -1, True]
)
def test_what_is_no_size_is_refused_with_the_forms_that_are(text: str | int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert str(text) in caught.value.message
    assert "20G" in caught.value.hint


def test_a_part_of_a_byte_is_no_size() -> None:
    with pytest.raises(UsageError, match="whole number of bytes"):
        parse_size("1.0001K")


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_formatted_size_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (4097, "4097"), (20 * 2**30, "20G"), (3 * 2**29, "1536M"), (2**60, "1024P")],
)
def test_the_shortest_exact_form(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "0.999 KiB"),
        (256 * 2**20, "256 MiB"),
        (14 * 10**12, "12.7 TiB"),
        (1000 * 2**20, "0.977 GiB"),
        (3 * 2**29, "1.5 GiB"),
    ],
)
def test_about_how_much(size: int, text: str) -> None:
    assert about_size(size) == text
