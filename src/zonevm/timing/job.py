"""WHAT a benchmark sends to a device: a frozen dataclass and its text, ``kind,option=value,...``. No I/O."""

from __future__ import annotations

import math

from zonevm.disks.grammar import nearest, split, values
from zonevm.disks.option import Described, Option, described
from zonevm.disks.value import Count, Flag, Maybe, Size, Text, Value, Word
from zonevm.errors import UsageError

KINDS = {
    "read": "what is written of the zones, one after the other",
    "randread": "anywhere in what is written",
    "write": "zones are filled, each stream one after the other of its own; a full one is reset first",
    "randwrite": "each write goes to the write pointer of any zone; a full one is reset first",
    "append": "as write, by zone append",
    "open": "zones are opened",
    "close": "zones are closed",
    "finish": "zones are finished, each filled up to fill before, which takes no time",
    "reset": "zones are reset, each filled up to fill before",
    "flush": "what was written is flushed",
    "report": "zones are reported",
}
"""Every kind of job, and what its commands are."""

_MOST = 1024
_PLACED = ("read", "randread", "write", "randwrite", "append")


class Percent(Value[float | str, float]):
    """A part of something."""

    allowed = "a number from 0 to 100, such as 12.5"

    def convert(self, given: float | str) -> float:
        try:
            number = float("" if isinstance(given, bool) else given)
        except (ValueError, TypeError, OverflowError):
            raise ValueError("not a number") from None
        if math.isnan(number) or not 0 <= number <= 100:
            raise ValueError("not from 0 to 100")
        return number


@described
class Job(Described):
    """Clients that all send the same kind of command, each the next one when one has ended.

    ``str(job)`` is its text. Raises :class:`UsageError` for what cannot be.
    """

    kind: str
    block: Option[int | str, int] = Option(
        Size(512), "4K", "bytes of a command that reads or writes", aliases=("bs",)
    )
    depth: Option[int | str, int] = Option(
        Count(1, _MOST), 1, "commands in flight of each stream", aliases=("iodepth",)
    )
    streams: Option[int | str, int] = Option(
        Count(1, _MOST), 1, "streams; each writes zones of its own", aliases=("numjobs",)
    )
    zones: Option[str | None, str | None] = Option(
        Maybe(Text(48)), None, "zones, such as 5-9 or all; default: those that are not conventional"
    )
    order: Option[str, str] = Option(
        Word("sequential", "random"),
        "sequential",
        "which zone a stream goes on with when it is done with one",
    )
    unwritten: Option[bool | str, bool] = Option(Flag(), False, "reads are of what is not written, too")
    stable: Option[bool | str, bool] = Option(Flag(), False, "writes end on the medium (FUA)")
    fill: Option[float | str, float] = Option(
        Percent(), 0.0, "how full, in percent, zones are made before they are finished or reset"
    )
    rate: Option[int | str | None, int | None] = Option(
        Maybe(Size()), None, "bytes a second that a stream sends at most"
    )

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"unknown kind of job {self.kind!r}",
                f"{nearest(str(self.kind), KINDS)}Kinds: {', '.join(KINDS)}.",
            )
        if self.block % 512:
            raise self.wrong("block", "not a multiple of 512", "Write block=4K, for example.")
        if self.rate is not None and self.kind not in _PLACED:
            raise self.wrong("rate", f"a {self.kind} moves no data", f"It is for {', '.join(_PLACED)}.")

    def __str__(self) -> str:
        return ",".join((self.kind, *self.settings()))


def parse(text: str) -> Job:
    """Return the job that ``text`` describes: ``randread,block=256K,depth=16``.

    Raises :class:`UsageError` for an unknown kind or option, and for one given twice or without a value.
    """
    kind, *settings = split(text)
    if kind not in KINDS:
        return Job(kind)  # whose error names the kinds
    return Job(kind, **values(Job, kind, settings))
