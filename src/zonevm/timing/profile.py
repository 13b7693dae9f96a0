"""Timing profiles: the numbers of a device, by name, from a TOML file: one of zonevm's own, or a user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from zonevm._core import CoreError, check_timing, timing_parameters
from zonevm.disks.grammar import nearest
from zonevm.errors import UsageError
from zonevm.inputs import read_regular, shown

_LONGEST = 1 << 20
_DIRECTORY = Path(__file__).parent / "profiles"

Kind = Literal["disk", "ssd"]
_KINDS: tuple[Kind, ...] = ("disk", "ssd")

PROFILES: tuple[str, ...] = tuple(sorted(file.stem for file in _DIRECTORY.glob("*.toml")))
"""The names of the profiles that zonevm comes with."""


@dataclass(frozen=True)
class Profile:
    """What a device is like: the kind of model and its parameters, whose names tell their units."""

    name: str
    kind: Kind
    parameters: Mapping[str, float]


def load(profile: str | os.PathLike[str]) -> Profile:
    """Return a profile of zonevm's by its name, or the one in a TOML file.

    A file has one table, ``[disk]`` or ``[ssd]``, with all parameters of that kind and no other. Raises
    :class:`UsageError`, with the file's name, for anything else.
    """
    name = os.fspath(profile)
    if name in PROFILES:
        return _read(name, _DIRECTORY / f"{name}.toml")
    if "/" not in name and not name.endswith(".toml"):
        raise UsageError(
            f"there is no timing profile '{shown(name)}'",
            f"{nearest(name, PROFILES)}Profiles: {', '.join(PROFILES)}; or name a TOML file.",
        )
    return _read(name, Path(name))


def _read(name: str, path: Path) -> Profile:
    import tomllib  # noqa: PLC0415  # most disks take no device's time

    try:
        content = tomllib.loads(read_regular(path, _LONGEST).decode())
    except OSError as error:
        raise UsageError(
            f"{shown(name)}: {error.strerror}",
            f"Name a TOML file with a timing profile, or one of: {', '.join(PROFILES)}.",
        ) from None
    except RecursionError:
        raise UsageError(f"{shown(name)} is nested too deep", _form()) from None
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise UsageError(f"{shown(name)} is not TOML that can be read: {error}", _form()) from None
    if len(content) != 1 or next(iter(content)) not in _KINDS:
        seen = ", ".join(shown(entry) for entry in content) or "nothing"
        raise UsageError(f"{shown(name)} has {seen}, not one table [disk] or [ssd]", _form())
    kind, table = next(iter(content.items()))
    if not isinstance(table, dict):
        raise UsageError(f"{shown(name)}: {kind} is not a table", _form())
    for parameter, value in table.items():
        if type(value) not in (int, float):
            raise UsageError(
                f"{shown(name)}: {shown(parameter)} = {shown(value)} is not a number",
                f"Parameters of [{kind}] are numbers: {', '.join(timing_parameters(kind))}.",
            )
    try:
        parameters = {parameter: float(value) for parameter, value in table.items()}
        check_timing(kind, parameters)
    except OverflowError:
        raise UsageError(f"{shown(name)}: a number is too large", _form()) from None
    except CoreError as error:
        raise UsageError(f"{shown(name)}: {error.message}", _form()) from None
    return Profile(Path(name).stem, cast(Kind, kind), parameters)


def _form() -> str:
    return "docs/timing.md lists the parameters; a profile that zonevm comes with is a file to start from."
