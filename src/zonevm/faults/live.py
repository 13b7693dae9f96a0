"""Faults in force on disks that this process serves: put in, looked at and ended while a guest runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zonevm import _core
from zonevm.errors import ImageError, UsageError
from zonevm.faults.fault import Fault
from zonevm.faults.grammar import parse


@dataclass(frozen=True)
class Injected:
    """A fault in force, as it was when it was looked at.

    ``matched``: commands that matched its kind, place and command so far. ``fired``: at how many of
    them it fired; a fault of a zone that came about at once counts as one.
    """

    fault: Fault
    matched: int
    fired: int
    _faults: _core.Faults = field(repr=False, compare=False)
    _number: int = field(repr=False)

    def remove(self) -> None:
        """End it. What it did to zones stays; removing it twice is fine."""
        self._faults.remove(self._number)


class Faults:
    """The faults of disks; ``disks`` are open ones by their numbers, which :attr:`Fault.disk` names.

    Iterating gives an :class:`Injected` for each fault in force, in the order in which they act.
    """

    def __init__(self, disks: Mapping[int, _core.Disk]) -> None:
        self._disks = {number: _core.Faults(disk) for number, disk in disks.items()}

    def inject(self, fault: Fault | str) -> Injected:
        """Put a fault in force, from the next command on and behind those that are; return it.

        Raises :class:`UsageError` for a fault that this disk cannot have: a zone that it does not have, a
        command at which the fault never happens. Raises :class:`ImageError` where zones failed, and that
        could not be made stable.
        """
        if isinstance(fault, str):
            fault = parse(fault)
        faults = self._disks.get(fault.disk)
        if faults is None:
            numbers = ", ".join(map(str, self._disks)) or "none"
            raise UsageError(
                f"fault {fault}: disk {fault.disk} is not an emulated disk that is served here",
                f"Those are: {numbers}.",
            )
        try:
            number = faults.add(
                str(fault),
                fault.kind,
                zone=fault.zone,
                lba=fault.lba,
                blocks=fault.blocks or 1,
                command=fault.command,
                count=fault.count,
                after=fault.after,
                probability=fault.probability,
                seed=fault.seed,
                milliseconds=fault.milliseconds or 0,
                code=fault.code,
            )
        except _core.CoreError as error:
            kind = UsageError if error.kind == "invalid" else ImageError
            raise kind(f"fault {fault}: {error.message}", error.hint) from None
        return next(injected for injected in self._of(fault.disk) if injected._number == number)

    def clear(self) -> None:
        """End all of them. What they did to zones stays."""
        for faults in self._disks.values():
            faults.clear()

    def __iter__(self) -> Iterator[Injected]:
        return (injected for number in self._disks for injected in self._of(number))

    def _of(self, disk: int) -> Iterator[Injected]:
        faults = self._disks[disk]
        for number, text, matched, fired in faults.list():
            yield Injected(parse(text).on_disk(disk), matched, fired, faults, number)
