"""WHAT is to fail: a frozen dataclass, checked at construction. No I/O; knows no disk's size or zones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from zonevm.disks import Disk
from zonevm.disks.grammar import nearest
from zonevm.disks.option import Described, Option, described
from zonevm.disks.value import Count, Maybe
from zonevm.errors import UsageError
from zonevm.faults.value import Code, Command, Probability

KINDS = {
    "read-error": "a read fails with UNRECOVERED READ ERROR (3/11/00) at the first bad block",
    "write-error": "a write fails with PERIPHERAL DEVICE WRITE FAULT (3/03/00), and nothing is written",
    "aborted": "the command fails with ABORTED COMMAND (B/00/00)",
    "busy": "the command ends with status BUSY",
    "unit-attention": "the command fails with UNIT ATTENTION (6/29/00, or another asc and ascq)",
    "no-zone-resources": "what would open a zone fails with INSUFFICIENT ZONE RESOURCES (7/55/0E)",
    "delay": "the command begins some milliseconds later",
    "no-answer": "the command is never completed",
    "bit-flip": "a bit of the data read is another",
    "reset-recommended": "the zone's RESET bit is set: reset write pointer recommended",
    "read-only": "the zone goes into condition READ ONLY, for good",
    "offline": "the zone goes into condition OFFLINE, for good",
}
"""Every kind of fault, and what happens."""

_OF_ZONES = ("reset-recommended", "read-only", "offline")
_MOST_ZONES = 2**32 - 1
_MOST = 2**64 - 1
_DAY = 24 * 60 * 60 * 1000


@described
class Fault(Described):
    """What is to fail, where, at which commands and how often. :class:`UsageError` for what cannot be.

    ``str(fault)`` is its ``--fault`` text. Without ``zone`` or ``lba`` it fires everywhere; faults of a
    zone need one of them, of a sequential zone, and come about at once unless ``command``, ``after`` or
    ``probability`` is given.
    """

    kind: str
    zone: Option[int | str | None, int | None] = Option(
        Maybe(Count(0, _MOST_ZONES - 1)), None, "the zone, by its number from 0 on"
    )
    lba: Option[int | str | None, int | None] = Option(
        Maybe(Count(0, _MOST)), None, "the first logical block, in place of a zone"
    )
    blocks: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, _MOST)), None, "how many logical blocks from lba on; default: 1"
    )
    command: Option[int | str | None, str | None] = Option(
        Maybe(Command()),
        None,
        "at which commands; default: those that fit the kind, of all to blocks and zones",
    )
    count: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, _MOST)), None, "how often at most; default: always, a fault of a zone once"
    )
    after: Option[int | str, int] = Option(Count(0, _MOST), 0, "how many commands that fit pass first")
    probability: Option[float | str, float] = Option(
        Probability(), 1.0, "how likely it fires at a command that matches"
    )
    seed: Option[int | str, int] = Option(
        Count(0, _MOST), 0, "where randomness comes from: the same seed fails in the same way"
    )
    milliseconds: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, _DAY)), None, "of a delay: how long", aliases=("ms",)
    )
    asc: Option[int | str | None, int | None] = Option(
        Maybe(Code()), None, "of a unit-attention: the additional sense code"
    )
    ascq: Option[int | str | None, int | None] = Option(
        Maybe(Code()), None, "of a unit-attention: its qualifier; default: 0x00"
    )
    disk: Option[int | str, int] = Option(
        Count(0, _MOST_ZONES), 0, "the disk, by its place among all of the guest's, from 0 on"
    )

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"unknown kind of fault {self.kind!r}",
                f"{nearest(str(self.kind), KINDS)}Kinds: {', '.join(KINDS)}.",
            )
        if self.zone is not None and self.lba is not None:
            raise self.wrong("lba", f"zone={self.zone} is given too", "Keep one of the two.")
        if self.blocks is not None and self.lba is None:
            raise self.wrong("blocks", "there is no lba that they start at", "Add lba=N.")
        if self.kind in _OF_ZONES and self.zone is None and self.lba is None:
            raise UsageError(f"{self.kind} needs a zone, and none is given", "Add zone=N.")
        if (self.kind == "delay") != (self.milliseconds is not None):
            if self.kind == "delay":
                raise UsageError("delay: how long is missing", "Write delay,milliseconds=500.")
            raise self.wrong("milliseconds", f"{self.kind} takes no time", "They are for delay.")
        if self.asc is not None and self.kind != "unit-attention":
            raise self.wrong("asc", f"{self.kind} has its own", "It is for unit-attention.")
        if self.ascq is not None and self.asc is None:
            raise self.wrong("ascq", "there is no asc that it qualifies", "Add asc=0x2a, for example.")

    @property
    def code(self) -> int | None:
        """The additional sense code and qualifier of a unit attention, in 16 bits, where they are given."""
        return None if self.asc is None else self.asc << 8 | (self.ascq or 0)

    def on_disk(self, number: int) -> Self:
        """Return the same fault of another disk."""
        if number == self.disk:
            return self
        fields = {o.field: getattr(self, o.field) for o in self.options().values() if o.name in self.given}
        return type(self)(self.kind, **fields | {"disk": number})

    def __str__(self) -> str:
        return ",".join((self.kind, *self.settings()))


def check_disks(faults: Iterable[Fault], disks: Sequence[Disk]) -> None:
    """Raise :class:`UsageError` for a fault whose disk is none of ``disks``, or cannot fail on purpose."""
    able = [str(number) for number, disk in enumerate(disks) if disk.fails]
    for fault in faults:
        if str(fault.disk) not in able:
            what = f"a {disks[fault.disk].kind} disk" if fault.disk < len(disks) else "not there"
            raise UsageError(
                f"fault {fault}: disk {fault.disk} is {what}, "
                "and only those that zonevm emulates fail on purpose",
                f"Those are: disk {', '.join(able)}." if able else "Add one: --disk smr,size=20G.",
            )
