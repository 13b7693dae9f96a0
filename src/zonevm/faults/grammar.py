"""The text forms of faults: ``kind,option=value,...``, and TOML files with ``[[fault]]`` tables."""

from __future__ import annotations

import os
from typing import Any

from zonevm.disks.grammar import option_named, split, values
from zonevm.errors import UsageError
from zonevm.faults.fault import KINDS, Fault
from zonevm.inputs import read_regular

_LONGEST = 1 << 20
_TABLES = "[[fault]] tables"


def parse(text: str) -> Fault:
    """Return the fault that ``text`` describes: ``read-error,zone=5,count=1``.

    Raises :class:`UsageError` for an unknown kind or option, an option given twice or without a value, and a
    fault that cannot be.
    """
    kind, *settings = split(text)
    if kind not in KINDS:
        return Fault(kind)  # whose error names the kinds
    return Fault(kind, **values(Fault, kind, settings))


def load(path: str | os.PathLike[str]) -> list[Fault]:
    """Return the faults of a TOML file: each a table ``[[fault]]`` with ``kind`` and options.

    Raises :class:`UsageError`, with the file's name, for one that cannot be read, is not TOML or has anything
    else in it.
    """
    import tomllib  # noqa: PLC0415  # most faults come from options

    try:
        content = tomllib.loads(read_regular(path, _LONGEST).decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Name a TOML file with faults.") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deep", f"Write {_TABLES}.") from None
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise UsageError(f"{path} is not TOML that can be read: {error}", f"Write {_TABLES}.") from None
    tables = content.pop("fault", [])
    if content or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        wrong = next(iter(content), "fault")
        raise UsageError(f"{path}: {wrong!r} is not an entry of a file of faults", f"It has {_TABLES} alone.")
    faults = []
    for number, table in enumerate(tables, 1):
        try:
            faults.append(_from_table(table))
        except UsageError as error:
            raise UsageError(f"{path}: fault {number}: {error.message}", error.hint) from None
    return faults


def _from_table(table: dict[str, object]) -> Fault:
    kind = table.pop("kind", None)
    if not isinstance(kind, str):
        raise UsageError("there is no kind", f'Write kind = "read-error", or another: {", ".join(KINDS)}.')
    fields: dict[str, Any] = {}
    for name, value in table.items():
        field = option_named(Fault, kind, name).field
        # What no option takes, a list or a truth value, is refused as a text.
        fields[field] = value if type(value) in (int, float, str) else str(value)
    return Fault(kind, **fields)
