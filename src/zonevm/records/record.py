"""A record: its entries, the states of its disks at each moment, and these states as disks."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zonevm import _core, images
from zonevm.attach.scratch import scratch_dir
from zonevm.disks import NvmeDisk, SmrDisk, ZnsDisk
from zonevm.disks.emulated import Emulated
from zonevm.errors import RecordError, UsageError
from zonevm.records.lost import LostCommand
from zonevm.records.state import Loss, State

if TYPE_CHECKING:
    from zonevm._core import Completed, Marked, RecordedDisk, Submitted


class Record:
    """A record that ``zonevm run --record`` has made, or makes: up to its last entry that is whole.

    A *point* is a number of entries: after so many of them the power fails. Raises :class:`RecordError` for a
    file that is not a record, and where it is damaged; :class:`UsageError` for what it does not have.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.path = Path(file)
        try:
            self._record = _core.Record(file)
        except _core.CoreError as error:
            message = error.message
            if error.kind == "not-an-image":
                message = f"{os.fspath(file)!r} is not a record of what was written to disks"
            raise RecordError(message, error.hint) from error
        with _errors():
            self._moment = self._record.moment(0)

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._record)

    def entries(self) -> Iterator[RecordedDisk | Submitted | Completed | Marked]:
        """Yield all entries, in their order: they are read as they are asked for."""
        with _errors():
            yield from self._record.entries()

    @property
    def disks(self) -> dict[int, RecordedDisk]:
        """The disks, by their numbers."""
        return {each["disk"]: each for each in self._record.disks()}

    @cached_property
    def marked(self) -> Sequence[tuple[int, str]]:
        """All marks, the oldest first, each with the point just behind it."""
        return self._record.marks()

    def marks(self, point: int) -> list[str]:
        """Return the marks before ``point``, the oldest first."""
        return [text for _, text in self.marked[: self._marks_before(point)]]

    def last_mark(self, point: int) -> str:
        """Return the last mark before ``point``; empty for none."""
        before = self._marks_before(point)
        return self.marked[before - 1][1] if before else ""

    def flush_points(self) -> Sequence[int]:
        """Return the points at which something has just been made stable, by a flush or a stable write.

        The last is the end of the record.
        """
        points = array("Q", self._record.flush_points())
        if points[-1:] != array("Q", [len(self)]):
            points.append(len(self))
        return points

    def count(self, point: int) -> int | None:
        """Return how many states there are at a point, with those that limits forbid; None: over 2**64."""
        with _errors():
            return self._at(point).count()

    def states(self, point: int, most: int, seed: int = 0) -> Iterator[State]:
        """Yield states at a point, each once, ``most`` of them at most.

        All, where they are so few. If not, first the one in which nothing is lost and the one in which all is
        that may be, then such as seeds from ``seed`` on draw: any part of what may be lost.
        """
        count = self.count(point)
        few = count is not None and count <= most
        found = self._all(point, count or 0) if few else self._some(point, most, seed)
        seen: set[State] = set()
        for state in found:
            if state is not None and state not in seen and len(seen) < most:
                seen.add(state)
                yield state

    def drawn(self, point: int, seed: int) -> State | None:
        """Return the state that a seed draws; None: the limits of active zones allow none."""
        with _errors():
            return _state(point, self._at(point).draw(seed % 2**64))

    def least(self, point: int) -> State | None:
        """Return the state in which all is lost that may be; None: the limits of active zones forbid it."""
        with _errors():
            return _state(point, self._at(point).least())

    def lost(self, state: State) -> list[LostCommand]:
        """Return the commands of which a state has lost something, in the order of their submissions."""
        with _errors():
            lost = self._at(state.point).lost(state.lost)
        return [LostCommand(**each, mark=self.last_mark(each["entry"])) for each in lost]

    def open(self, state: State, disk: int = 0, directory: Path | None = None) -> _core.Disk:
        """Return a disk in a state, to be served or asked like any other, and closed.

        It has no image: what is written to it goes to a file without a name in ``directory``, where there is
        room for temporary disks by default.
        """
        with _errors():
            return self._at(state.point).open(state.lost, disk, directory or scratch_dir())

    def show(self, state: State, place: _core.Disk, disk: int = 0, directory: Path | None = None) -> None:
        """Make ``place``, what :meth:`open` has returned for this disk, what it would return for ``state``.

        Nobody may use it meanwhile, though it may be served: :meth:`zonevm.Guest.renew` sees to that.
        """
        with _errors():
            self._at(state.point).show(state.lost, disk, directory or scratch_dir(), place)

    def described(self) -> list[Emulated]:
        """Return what the disks are, in their order: what a guest is given to have such ones."""
        return [_described(each["shape"]) for _, each in sorted(self.disks.items())]

    def _marks_before(self, point: int) -> int:
        return bisect_right(self.marked, point, key=itemgetter(0))

    def _some(self, point: int, most: int, seed: int) -> Iterator[State | None]:
        with _errors():
            moment = self._at(point)
            first = moment.state(0), moment.least()
        yield from (_state(point, each) for each in first)
        # Seeds may draw the same.
        for number in range(4 * most):
            yield self.drawn(point, seed + number)

    def _all(self, point: int, count: int) -> Iterator[State | None]:
        for number in range(count):
            with _errors():
                yield _state(point, self._at(point).state(number))

    def _at(self, point: int) -> _core.Moment:
        """The disks at a point. To go back means to begin again."""
        if not 0 <= point <= len(self):
            raise UsageError(
                f"there is no point {point} in the record", f"It has those from 0 to {len(self)}."
            )
        if point < self._moment.point:
            self._moment = self._record.moment(point)
        elif point > self._moment.point:
            self._moment.advance(point)
        return self._moment


def _state(
    point: int, lost: Sequence[tuple[int, Literal["zone", "block"], int, int, int]] | None
) -> State | None:
    return None if lost is None else State(point, tuple(Loss(*each) for each in lost))


def _described(shape: Mapping[str, Any]) -> Emulated:
    kinds: tuple[type[SmrDisk | ZnsDisk | NvmeDisk], ...] = (SmrDisk, ZnsDisk, NvmeDisk)
    kind = next(each for each in kinds if each.kind == images.kind_of(shape))
    told = {
        option.field: shape.get(kind.facts.get(option.name, option.field))
        for option in kind.options().values()
    }
    return kind(**{field: value for field, value in told.items() if value is not None})


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _core.CoreError as error:
        raise RecordError(error.message, error.hint) from error
