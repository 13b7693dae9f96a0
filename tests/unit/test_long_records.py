"""A record is read in little memory, however long it is. At full length: tests/campaigns/long_records.py."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.long_records import KIB, MIB, read, write_record

MOST = 16 * MIB
"""A dictionary of each entry of the long record would take more than twice of it, a structure as much."""


def test_memory_does_not_grow_with_the_record(tmp_path: Path) -> None:
    peaks = []
    for size in (8 * MIB, 200 * MIB):
        file = tmp_path / f"record{size}"
        write_record(file, tmp_path, size, largest=4 * KIB, flush=MIB)
        peaks.append({step: most for step, (_, most) in read(file, tmp_path).items()})
    short, long = peaks
    grown = {step: long[step] - short[step] for step in short if long[step] > short[step] + MOST}
    assert not grown
