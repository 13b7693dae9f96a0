"""The values that options take: each converts what it is given to one held form, and back to text.

Texts of the ``--disk`` grammar and Python values go through the same conversion. A value knows neither the
option's name nor any other option.
"""

from __future__ import annotations

import os
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from zonevm.errors import UsageError
from zonevm.inputs import check_path
from zonevm.units import FORMS, format_size, parse_size

_MOST_DIGITS = 40
"""No number that anything here can be has as many; Python reads no more than some thousands."""

Given = TypeVar("Given")
Held = TypeVar("Held")
_Some = TypeVar("_Some")
_Kept = TypeVar("_Kept")


class Value(ABC, Generic[Given, Held]):
    """What an option may be. ``allowed`` says it in words that follow "is" or "must be".

    ``names`` are texts that stand for more than they say, with what they stand for.
    """

    allowed: str
    names: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def convert(self, given: Given) -> Held:
        """Return the held form; raise :class:`ValueError` for what is not allowed."""

    def text(self, held: Held) -> str:
        """Return the text that :meth:`convert` reads back as ``held``."""
        return str(held)


class Size(Value[int | str, int]):
    """Bytes."""

    def __init__(self, minimum: int = 1) -> None:
        self.minimum = minimum
        self.allowed = FORMS

    def convert(self, given: int | str) -> int:
        try:
            size = parse_size(given)
        except UsageError as error:
            raise ValueError(error.message) from None
        if size < self.minimum:
            raise ValueError(f"less than {self.minimum}")
        return size

    def text(self, held: int) -> str:
        """Return the shortest exact form."""
        return format_size(held)


class PowerOfTwo(Size):
    """Bytes, a power of two."""

    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__(minimum)
        self.maximum = maximum
        self.allowed = f"a power of two from {format_size(minimum)} to {format_size(maximum)}, such as 256M"

    def convert(self, given: int | str) -> int:
        size = super().convert(given)
        if size & (size - 1):
            below = format_size(1 << (size.bit_length() - 1))
            above = format_size(1 << size.bit_length())
            raise ValueError(f"not a power of two (the nearest are {below} and {above})")
        if size > self.maximum:
            raise ValueError(f"more than {format_size(self.maximum)}")
        return size


class Count(Value[int | str, int]):
    """A whole number in a range, both ends included."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum, self.maximum = minimum, maximum
        self.allowed = f"a whole number from {minimum} to {maximum}"

    def convert(self, given: int | str) -> int:
        number = whole(given)
        if not self.minimum <= number <= self.maximum:
            raise ValueError(
                f"less than {self.minimum}" if number < self.minimum else f"more than {self.maximum}"
            )
        return number


def whole(given: object) -> int:
    """Return a whole number, given as one or in decimal digits; :class:`ValueError` for anything else."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if not (isinstance(given, str) and given.isascii() and given.isdecimal()):
        raise ValueError("not a whole number")
    if len(given) > _MOST_DIGITS:
        raise ValueError(f"{len(given)} digits are too many")
    return int(given)


class Choice(Value[int | str, int]):
    """One of a few numbers."""

    def __init__(self, *choices: int) -> None:
        self.choices = choices
        self.allowed = " or ".join(map(str, choices))

    def convert(self, given: int | str) -> int:
        try:
            number = parse_size(given)
        except UsageError as error:
            raise ValueError(error.message) from None
        if number not in self.choices:
            raise ValueError(f"not {self.allowed}")
        return number


class Word(Value[str, str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.allowed = f"one of {', '.join(words)}"

    def convert(self, given: str) -> str:
        if given not in self.words:
            raise ValueError(f"not {self.allowed}")
        return given


class Name(Word):
    """One of a few names, each of which stands for something."""

    def __init__(self, names: Mapping[str, object]) -> None:
        super().__init__(*names)
        self.names = {name: str(what) for name, what in names.items()}

    def convert(self, given: str) -> str:
        if given not in self.words:
            raise ValueError("there is none of this name")
        return given


class Flag(Value[bool | str, bool]):
    """On or off."""

    allowed = "on or off"
    _on = ("on", "yes", "true", "1")
    _off = ("off", "no", "false", "0")

    def convert(self, given: bool | str) -> bool:
        if isinstance(given, bool):
            return given
        if given not in self._on + self._off:
            raise ValueError("neither on nor off")
        return given in self._on

    def text(self, held: bool) -> str:
        """Return ``on`` or ``off``."""
        return "on" if held else "off"


class Text(Value[str, str]):
    """Printable ASCII up to a length, as identification fields of SCSI and NVMe hold it."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.allowed = f"1 to {longest} printable ASCII characters"

    def convert(self, given: str) -> str:
        if not isinstance(given, str):
            raise ValueError("not a text")
        if not 1 <= len(given) <= self.longest:
            raise ValueError(f"{len(given)} characters")
        if not (given.isascii() and given.isprintable()):
            raise ValueError("a character that is not printable ASCII")
        return given


class FilePath(Value[str | os.PathLike[str], Path]):
    """A file's path."""

    allowed = "the path of a file"

    def convert(self, given: str | os.PathLike[str]) -> Path:
        """Return the path, relative ones as they are."""
        if not isinstance(given, str | os.PathLike):
            raise ValueError("not a path")
        return check_path(given)


class DeviceName(Value[str | os.PathLike[str], str]):
    """The absolute path of a device's node, or the address of an iSCSI LUN as QEMU takes it."""

    allowed = "a path such as /dev/sdf, or an address such as iscsi://host/target/lun"

    def convert(self, given: str | os.PathLike[str]) -> str:
        if not isinstance(given, str | os.PathLike):
            raise ValueError("not a path")
        check_path(given)
        text = os.fspath(given)
        if not re.fullmatch(r"/[^\0]+|iscsi://[^/\s]+/[^/\s]+/\d+", text, re.ASCII):
            raise ValueError("neither an absolute path nor iscsi://HOST[:PORT]/TARGET/LUN")
        return text


class Wwn(Value[int | str, int]):
    """A 64-bit NAA world wide name (SPC-5, 7.7.3.6: NAA 3h and 5h)."""

    allowed = (
        "16 hexadecimal digits that start with 3 or 5, such as 5000c500a1b2c3d4 (0x or naa. may precede)"
    )

    def convert(self, given: int | str) -> int:
        """Return the 64 bits."""
        if isinstance(given, str):
            digits = re.fullmatch(r"(?:0x|naa\.)?([0-9a-f]{16})", given, re.IGNORECASE | re.ASCII)
            if digits is None:
                raise ValueError("not 16 hexadecimal digits")
            given = int(digits[1], 16)
        if whole(given) >> 60 not in (3, 5):
            raise ValueError("the first digit is neither 3 nor 5")
        return given

    def text(self, held: int) -> str:
        """Return 16 hexadecimal digits."""
        return f"{held:016x}"


class Uuid(Value[str | uuid.UUID, uuid.UUID]):
    """A UUID."""

    allowed = "a UUID such as 2b6b8f2e-9a5c-4c39-8d2a-2f1f6f0f7c11"

    def convert(self, given: str | uuid.UUID) -> uuid.UUID:
        try:
            return uuid.UUID(str(given))
        except ValueError:
            raise ValueError("not a UUID") from None


class Maybe(Value[_Some | None, _Kept | None], Generic[_Some, _Kept]):
    """A value or ``None``; ``none`` is the word for ``None`` in texts, where there is one."""

    def __init__(self, value: Value[_Some, _Kept], none: str = "") -> None:
        self.value = value
        self.none = none
        self.names = value.names
        self.allowed = f"{value.allowed}, or {none}" if none else value.allowed

    def convert(self, given: _Some | None) -> _Kept | None:
        """Return ``None`` or what the value makes of it."""
        if given is None or (self.none and str(given) == self.none):
            return None
        return self.value.convert(given)

    def text(self, held: _Kept | None) -> str:
        """Return the word for ``None``, or the value's text."""
        return self.none if held is None else self.value.text(held)
