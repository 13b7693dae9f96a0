"""What is kept for the fuzz targets: seeds of each, and few."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.soak import fuzz_targets

SEEDS = Path(__file__).parents[2] / "fuzz/seeds"
MOST_FILES = 200
MOST_BYTES = 64 << 10


def test_no_seeds_without_a_target() -> None:
    assert sorted(path.name for path in SEEDS.iterdir()) == fuzz_targets()


@pytest.mark.parametrize("target", fuzz_targets())
def test_a_target_has_seeds_and_they_are_small(target: str) -> None:
    sizes = [path.stat().st_size for path in (SEEDS / target).iterdir()]
    assert 0 < len(sizes) <= MOST_FILES
    assert sum(sizes) <= MOST_BYTES
