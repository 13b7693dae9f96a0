"""A share of a matrix, for one of several machines that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from zonevm.errors import UsageError
from zonevm.matrix.cell import Cell


class Shard(NamedTuple):
    """The share ``number`` of ``shares``, from 1 on."""

    number: int
    shares: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that ``2/5`` names; raises :class:`UsageError` for any other text."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"{text!r} is not a shard", "Write I/N, I from 1 to N: --shard 2/5.")
        return cls(int(match[1]), int(match[2]))

    def of(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return this shard's cells, in the order of the matrix.

        Each cell is in one shard. Shards have the same number of cells but for one, of each workload too.
        """
        by_workload = sorted(range(len(cells)), key=lambda place: cells[place].workload)
        return [cells[place] for place in sorted(by_workload[self.number - 1 :: self.shares])]
