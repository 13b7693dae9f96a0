"""Which states of a record are tried. Starts nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator

from zonevm.errors import UsageError
from zonevm.records import Record, State


def chosen(
    record: Record, most: int, seed: int = 0, after: str = "", points: int | None = None
) -> Iterator[State]:
    """Yield the states to be tried, each once, in the order of their points.

    For each flush ``most`` of those of just before it is over, as many as there are or seeds from ``seed`` on
    draw; and that of just after it with all lost that may be: what was promised has to be enough.
    ``after``: only those of points behind the first mark of this text; raises :class:`UsageError` where there
    is none. ``points``: only so many of the flushes, which ``seed`` draws.
    """
    first = _behind(record, after)
    flushes = [point for point in record.flush_points() if point > first]
    if points is not None and points < len(flushes):
        flushes = sorted(random.Random(seed).sample(flushes, points))
    seen = set()
    for point in flushes:
        for state in (*record.states(point - 1, most, seed), record.least(point)):
            if state is not None and state not in seen:
                seen.add(state)
                yield state
    for state in record.states(len(record), most, seed):
        if state not in seen:
            seen.add(state)
            yield state


def _behind(record: Record, mark: str) -> int:
    if not mark:
        return 0
    for point, text in record.marked:
        if text == mark:
            return point
    marks = ", ".join(map(repr, [text for _, text in record.marked[:9]])) or "none"
    raise UsageError(f"there is no mark {mark!r} in the record", f"The first that there are: {marks}.")
