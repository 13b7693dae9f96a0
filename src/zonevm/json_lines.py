"""Results of long work, a line of JSON each, in a file that grows; by it the work goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zonevm.errors import HostError, UsageError
from zonevm.inputs import shown

_Result = TypeVar("_Result")


def read(file: Path, made_of: Callable[[Any], _Result]) -> list[_Result]:
    """Return what ``made_of`` makes of each line, in order; none where there is no file.

    A line that a kill has torn is cut off, so that the next one is a line. ``made_of`` raises ValueError,
    TypeError or KeyError for what is not a result. Raises :class:`UsageError` for such a file.
    """
    try:
        data = file.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(file, len(whole))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(
            f"cannot read the results {file}: {error.strerror}", "Give another directory."
        ) from error
    return [_made(line, file, made_of) for line in whole.split(b"\n")[:-1]]


def append(file: Path, facts: object) -> None:
    """Add a result. Raises :class:`HostError` where it cannot be written."""
    try:
        with file.open("a") as out:
            out.write(f"{json.dumps(facts)}\n")
    except OSError as error:
        raise HostError(
            f"cannot write {file}: {error.strerror}", "Make room, and begin again: it goes on."
        ) from error


def _made(line: bytes, file: Path, made_of: Callable[[Any], _Result]) -> _Result:
    try:
        return made_of(json.loads(line))
    except (ValueError, TypeError, KeyError) as error:
        start = shown(line[:80].decode(errors="replace"))
        raise UsageError(
            f"{file} has a line that is not a result: '{start}'", "Give another directory."
        ) from error
