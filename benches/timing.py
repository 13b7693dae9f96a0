"""The timing profiles beside publications: draws the plots of docs/timing.md, and prints its tables.

python benches/timing.py. The points, and what is to come of them, are in tests/unit/published.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chart import Bar, Group, chart

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))

from tests.unit.published import PUBLISHED, Point, Published, measured, row  # noqa: E402


def main() -> None:
    """Write the plots, print the tables."""
    for published in PUBLISHED:
        title = f"{published.profile}: model by publication"
        groups = [group(published, point) for point in published.points]
        (ROOT / f"docs/timing-{published.profile}.svg").write_text(chart(title, groups))
        print(f"\n{published.drive}\n")
        for point in published.points:
            print(row(published.profile, point))


def group(published: Published, point: Point) -> Group:
    """Return a point's bar, with how far it may be off as its least and most."""
    ratio = measured(published.profile, point) / point.published
    name = "fitted to" if point.fitted else "held out" if not point.unmet else "held out, and not met"
    return Group(
        f"{point.name}, {point.unit}", [Bar(name, ratio, 1 - published.tolerance, 1 + published.tolerance)]
    )


if __name__ == "__main__":
    main()
