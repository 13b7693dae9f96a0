"""The values that only options of faults take. Knows no option."""

from __future__ import annotations

import re

from zonevm._core import command_names
from zonevm.disks.grammar import nearest
from zonevm.disks.value import Value, whole

GROUPS = ("read", "write", "zone", "any")
"""Commands that are named together; what they are is in the core."""

_LARGEST_CODE = 0xFF


class Command(Value[int | str, str]):
    """A choice of SCSI commands: a group, a command's name with its CDB's length or without, or a code."""

    allowed = (
        f"one of {', '.join(GROUPS)}, a command such as test-unit-ready or write(16), "
        "or an operation code such as 0x88"
    )

    def convert(self, given: int | str) -> str:
        """Return the name in lower case with dashes, or the code in hexadecimal."""
        if not isinstance(given, str) or given.lower().startswith("0x"):
            return f"{Code().convert(given):#04x}"
        name = _plain(given)
        known = command_names()
        short = [re.split("[(,]", each)[0] for each in known]
        names = [*GROUPS, *map(_plain, short), *map(_plain, known)]
        if name not in names:
            raise ValueError(f"no command of the disk. {nearest(name, names)}".rstrip())
        return name


def _plain(name: str) -> str:
    return re.sub("[ _]", "-", name.lower().replace(",", ""))


class Code(Value[int | str, int]):
    """A byte, as the standards have additional sense codes: in hexadecimal."""

    allowed = "a byte in hexadecimal, such as 0x29"

    def convert(self, given: int | str) -> int:
        if isinstance(given, str):
            if not re.fullmatch("0x[0-9a-f]{1,2}", given, re.IGNORECASE | re.ASCII):
                raise ValueError("not 0x and two digits")
            given = int(given, 16)
        if not 0 <= whole(given) <= _LARGEST_CODE:
            raise ValueError("not a byte")
        return given

    def text(self, held: int) -> str:
        """Return the byte in hexadecimal."""
        return f"{held:#04x}"


class Probability(Value[float | str, float]):
    """How likely something is; never is not allowed."""

    allowed = "a number above 0 and up to 1, such as 0.01"

    def convert(self, given: float | str) -> float:
        try:
            number = float("" if isinstance(given, bool) else given)
        except (ValueError, TypeError, OverflowError):
            raise ValueError("not a number") from None
        if not 0 < number <= 1:
            raise ValueError("not above 0 and up to 1")
        return number
