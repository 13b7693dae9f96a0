"""What a power cut has left, told by what is lost. Knows no record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from zonevm.errors import UsageError


class Loss(NamedTuple):
    """What one zone, or one physical block that can be overwritten, has lost.

    ``disk``: its number in the record. ``changes``: how many of the last changes are lost (writes, resets,
    and so on, in the order in which they were submitted). ``kept``: how many write units of the first of
    these are there nevertheless: physical blocks of an SMR disk, logical ones of a namespace.
    """

    disk: int
    place: Literal["zone", "block"]
    number: int
    changes: int
    kept: int = 0


@dataclass(frozen=True)
class State:
    """The disks of a record after a power cut.

    ``point``: how many of its entries there were. ``lost``: what of the changes since each place was stable
    is lost, in order; all else is there, also what was in flight.
    """

    point: int
    lost: tuple[Loss, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "lost", tuple(sorted(self.lost)))

    def __str__(self) -> str:
        """Return one line of JSON, of which :meth:`parse` makes the state again."""
        return json.dumps(self.facts(), separators=(",", ":"))

    def facts(self) -> dict[str, object]:
        """Return it for JSON; :meth:`of` makes the state of it again."""
        return {"point": self.point, "lost": [list(loss) for loss in self.lost]}

    @classmethod
    def parse(cls, text: str) -> State:
        """Return the state that a line of JSON tells; raises :class:`UsageError` for any other text."""
        try:
            return cls.of(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{text[:100]!r} is not a state of a record: {error}",
                'Give one as it was told, such as {"point":12,"lost":[[0,"zone",4,1,0]]}.',
            ) from error

    @classmethod
    def of(cls, facts: Any) -> State:
        """Return the state of which :meth:`facts` told. Raises ValueError, TypeError, KeyError for others."""
        return cls(_count(facts["point"]), tuple(_loss(*each) for each in facts["lost"]))


def _loss(disk: object, place: object, number: object, changes: object, kept: object = 0) -> Loss:
    match place:
        case "zone" | "block":
            return Loss(_count(disk), place, _count(number), _count(changes), _count(kept))
    raise ValueError(f"{place!r} is neither a zone nor a block")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise ValueError(f"{value!r} is no number of something")
    return value
