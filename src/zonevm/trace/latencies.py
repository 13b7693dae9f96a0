"""Exact quantiles of latencies that are not all in memory: by a histogram, and then a closer look at few.

The first pass counts latencies in intervals, each a thousandth of what is in it. The second counts each
latency of the intervals that the quantiles are in: no more than an interval is long, in nanoseconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

_A_DOUBLING = 1024
"""Intervals from a latency to its double."""


class Latencies:
    """Latencies by what they are of. Both passes are given all of them, some at a time."""

    def __init__(self, quantiles: tuple[float, ...]) -> None:
        self._quantiles = quantiles
        self._intervals: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)
        self._wanted: dict[Hashable, pyarrow.Array] = {}
        self._closer: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)

    def count(self, of: Hashable, latencies: pyarrow.ChunkedArray) -> None:
        """First pass."""
        self._intervals[of].update(_counts(_interval(latencies)))

    def look_closer(self, of: Hashable, latencies: pyarrow.ChunkedArray) -> None:
        """Second pass."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        if not self.has(of):
            return
        if of not in self._wanted:
            wanted = {interval for interval, _ in self._places(of)}
            self._wanted[of] = pa.array(wanted, pa.uint32())
        within = pc.is_in(_interval(latencies), self._wanted[of])
        self._closer[of].update(_counts(latencies.filter(within)))

    def has(self, of: Hashable) -> bool:
        """Return whether there are any."""
        return bool(self._intervals[of])

    def quantiles(self, of: Hashable) -> list[int]:
        """Return the quantiles, each the latency nearest to it, as pyarrow's "nearest"."""
        import pyarrow as pa  # noqa: PLC0415

        closer = sorted(self._closer[of].items())
        intervals = _interval(pa.array([latency for latency, _ in closer], pa.uint64())).to_pylist()
        found = []
        for interval, place in self._places(of):
            inside = [each for each, its in zip(closer, intervals, strict=True) if its == interval]
            found.append(_at(inside, place)[0])
        return found

    def _places(self, of: Hashable) -> list[tuple[int, int]]:
        """Return the interval that each quantile is in, and how many latencies of it are before that."""
        intervals = self._intervals[of]
        last, ordered = intervals.total() - 1, sorted(intervals.items())
        return [_at(ordered, round(quantile * last)) for quantile in self._quantiles]


def _at(counts: list[tuple[int, int]], place: int) -> tuple[int, int]:
    """Return the value at ``place`` of values that are there so often, and at which of these it is."""
    for value, count in counts:
        if place < count:
            return value, place
        place -= count
    raise AssertionError("there are fewer values")


def _interval(latencies: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    import pyarrow.compute as pc  # noqa: PLC0415

    doublings = pc.log2(pc.add(pc.cast(latencies, "double", safe=False), 1.0))
    return pc.cast(pc.floor(pc.multiply(doublings, float(_A_DOUBLING))), "uint32")


def _counts(values: pyarrow.ChunkedArray) -> dict[int, int]:
    import pyarrow.compute as pc  # noqa: PLC0415

    counts = pc.value_counts(values)
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
