"""A command whose effect a state has lost, in words. Knows no record."""

from __future__ import annotations

from dataclasses import dataclass

_IN_BLOCKS = ("write", "append", "fill")


@dataclass(frozen=True)
class LostCommand:
    """A command, or another request to a disk, whose effect is lost, wholly or in part.

    ``entry``: of its submission. ``command``: as the standard spells it; empty for what came of no command,
    such as the failure of a zone. ``operation``: what it does, as the record's entries have it. ``zone``:
    where it begins, None on a disk without zones. ``lba``: the first that it writes; of an append in flight
    the one that it would have written. ``count``: how many blocks it writes. ``lost``: how many of them are
    lost, ``lost_from``: the first. ``in_flight``: it had not completed. ``mark``: the last one before it was
    submitted; empty for none.

    Of what acts on zones ``count`` and ``lost`` are zones, as far as it changed them, ``zone`` is the first
    of these, and ``lba`` its start.
    """

    entry: int
    disk: int
    command: str
    operation: str
    zone: int | None
    lba: int
    count: int
    lost: int
    lost_from: int
    in_flight: bool
    mark: str

    @property
    def whole(self) -> bool:
        """Whether all of it is lost."""
        return self.lost == self.count

    def words(self) -> str:
        """Return one line that says which command it is and what of it is lost."""
        name = self.command or self.operation
        flight = ", in flight" if self.in_flight else ""
        after = f", after mark {self.mark!r}" if self.mark else ""
        said = f"disk {self.disk}: {name} {self._where()} {self._extent()}"
        return f"{said} (entry {self.entry}{flight}{after})"

    def _where(self) -> str:
        if self.operation in _IN_BLOCKS:
            zone = "" if self.zone is None else f", zone {self.zone},"
            return f"of {_counted(self.count, 'block')} at LBA {self.lba}{zone}"
        if self.count == 1:
            return f"of zone {self.zone}"
        return f"of {self.count} zones, zone {self.zone} the first,"

    def _extent(self) -> str:
        if self.whole:
            return "is lost"
        if self.operation not in _IN_BLOCKS:
            return f"is lost in {self.lost} of them, the first at LBA {self.lost_from}"
        kept = self.count - self.lost
        if self.lost_from == self.lba + kept:
            first = "block" if kept == 1 else f"{kept} blocks"
            return f"is lost but for its first {first}"
        return f"has lost {self.lost} of them, from LBA {self.lost_from} on"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
