"""The timing profiles beside what was published of their drives, point by point, as docs/timing.md has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zonevm import timing

from .published import PUBLISHED, Point, Published, measured, row

PAGE = (Path(__file__).parents[2] / "docs" / "timing.md").read_text()
ALL = [(published, point) for published in PUBLISHED for point in published.points]


@pytest.mark.parametrize(("published", "point"), ALL, ids=lambda each: getattr(each, "name", ""))
def test_the_model_is_near_enough(published: Published, point: Point) -> None:
    ratio = measured(published.profile, point) / point.published
    near_enough = abs(ratio - 1) <= published.tolerance
    assert near_enough == (not point.unmet), f"{ratio:.3f}"


@pytest.mark.parametrize(("published", "point"), ALL, ids=lambda each: getattr(each, "name", ""))
def test_the_page_says_so(published: Published, point: Point) -> None:
    assert row(published.profile, point) in PAGE.splitlines()


def test_each_profile_is_judged_by_points_that_it_was_not_fitted_to() -> None:
    assert {published.profile for published in PUBLISHED} == set(timing.PROFILES)
    for published in PUBLISHED:
        held_out = [point for point in published.points if not point.fitted and not point.unmet]
        assert len(held_out) >= 10


@pytest.mark.parametrize("name", timing.PROFILES)
def test_the_page_names_the_source_of_each_parameter(name: str) -> None:
    section = PAGE.partition(f"## {name}\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \| .+ \|$", section, re.MULTILINE))
    assert {parameter: float(value) for parameter, value in rows.items()} == timing.load(name).parameters
