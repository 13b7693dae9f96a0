"""A matrix as a TOML file: what is not right in one is told with its place in the file. Runs nothing."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from zonevm.disks import parse
from zonevm.disks.grammar import nearest
from zonevm.errors import UsageError
from zonevm.inputs import read_regular, shown
from zonevm.matrix.cell import Cell
from zonevm.matrix.matrix import AXES, Entry, Matrix, Settings
from zonevm.matrix.workload import CrashTest, Run, Workload
from zonevm.units import parse_size

_LONGEST = 1 << 20
_LONGEST_TIME = 1e9
_TABLES = tuple(f"{axis}s" for axis in AXES)
_SETTINGS = tuple(each.name for each in fields(Settings))
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_WHOLE = {"states": 1, "points": 1, "seed": 0}
"""Options of crash tests that are whole numbers, with the least."""
_MOST = 2**63 - 1


def load(path: str | os.PathLike[str]) -> list[Cell]:
    """Return the cells of a file with the tables ``kernels``, ``disks`` and ``workloads``.

    Raises :class:`UsageError`, with the file's name and the place in it, for one that cannot be read, is not
    TOML, has anything else in it, or no cells.
    """
    name = shown(os.fspath(path))
    try:
        content = tomllib.loads(read_regular(path, _LONGEST).decode())
    except OSError as error:
        raise UsageError(
            f"{name}: {error.strerror}", "Name a TOML file with a matrix: docs/matrix.md."
        ) from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deep", "docs/matrix.md says what is in it.") from None
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise UsageError(f"{name} is not TOML that can be read: {error}", "") from None
    with _within(f"{name}:"):
        return _matrix(content).cells()


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Put where in the file it is before what is said of it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{place} {error.message}", error.hint) from None


def _matrix(content: Mapping[str, object]) -> Matrix:
    _refuse_others(content, (*_TABLES, "exclude", "include", *_SETTINGS))
    tables = {name: _table(content, name) for name in _TABLES}
    workloads = {}
    for name, value in tables["workloads"].items():
        with _within(f"workloads.{name}:"):
            workloads[name] = _workload(value)
    kernels = {}
    for name, value in tables["kernels"].items():
        with _within(f"kernels.{name}:"):
            kernels[name] = _text(value, "a version such as 6.12, or the path of a bzImage or a build tree")
    disks = {}
    for name, value in tables["disks"].items():
        with _within(f"disks.{name}:"):
            disks[name] = _disks(value)
    return Matrix(
        kernels,
        disks,
        workloads,
        [_entry(tables, *each, settings=False) for each in _entries(content, "exclude")],
        [_entry(tables, *each, settings=True) for each in _entries(content, "include")],
        _settings(content),
    )


def _table(content: Mapping[str, object], name: str) -> dict[str, object]:
    table = content.get(name)
    if not isinstance(table, dict) or not table:
        what = "empty" if table == {} else "not a table" if name in content else "missing"
        raise UsageError(f"[{name}] is {what}", f"It has names, and what they stand for: {_EXAMPLES[name]}.")
    for each in table:
        if not _NAME.fullmatch(each):
            raise UsageError(
                f"{name}: '{shown(each)}' is not a name that a file can have",
                "Use letters, digits, dots, dashes and underscores, 64 at most.",
            )
    return table


_EXAMPLES = {
    "kernels": 'lts = "6.12"',
    "disks": 'smr = "smr,size=4G"',
    "workloads": 'fio = "fio job.fio"',
}


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(f"{_seen(value)} is not {what}", "Write it as a text in quotes.")
    return value


def _disks(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise UsageError("there are no disks", 'Write one, or several: ["smr,size=4G", "nvme,size=1G"].')
    checked = [_text(each, "a disk such as smr,size=4G") for each in texts]
    for each in checked:
        parse(each)
    return tuple(checked)


def _workload(value: object) -> tuple[Workload, Settings]:
    if not isinstance(value, dict):
        return Run(_text(value, "a command of the shell")), Settings()
    _refuse_others(value, ("run", "crash", *_SETTINGS))
    if ("run" in value) == ("crash" in value):
        what = "both run and crash are" if "run" in value else "neither run nor crash is"
        raise UsageError(
            f"{what} given", 'Write run = "COMMAND", or crash = { work = "COMMAND", check = "COMMAND" }.'
        )
    settings = _settings(value)
    if "run" in value:
        with _within("run:"):
            return Run(_text(value["run"], "a command of the shell")), settings
    with _within("crash:"):
        return _crash(value["crash"]), settings


def _crash(value: object) -> CrashTest:
    names = [each.name for each in fields(CrashTest)]
    if not isinstance(value, dict):
        raise UsageError(f"{_seen(value)} is not a table", 'Write { work = "COMMAND", check = "COMMAND" }.')
    _refuse_others(value, names)
    for name in ("work", "check"):
        if name not in value:
            raise UsageError(f"there is no {name}", "A crash test needs both work and check.")
    checked: dict[str, Any] = {}
    for name, each in value.items():
        with _within(f"{name}:"):
            if name == "timeout":
                checked[name] = _seconds(each)
            elif name in _WHOLE:
                checked[name] = _number(each, _WHOLE[name])
            else:
                checked[name] = _text(each, "a command of the shell")
    return CrashTest(**checked)


def _entries(content: Mapping[str, object], name: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the tables of a list of tables, each with its place."""
    tables = content.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UsageError(
            f"{name} is not a list of tables", f'Write [[{name}]], and below it kernel = "NAME".'
        )
    yield from ((f"{name} {number}", table) for number, table in enumerate(tables, 1))


def _entry(
    tables: Mapping[str, Mapping[str, object]], place: str, table: Mapping[str, object], *, settings: bool
) -> Entry:
    with _within(f"{place}:"):
        _refuse_others(table, (*AXES, *(_SETTINGS if settings else ())))
        names = {axis: table[axis] for axis in AXES if axis in table}
        if not names and not settings:
            raise UsageError("it names nothing", f"Name one or more of {', '.join(AXES)}.")
        for axis, name in names.items():
            known = tables[f"{axis}s"]
            if not isinstance(name, str) or name not in known:
                near = nearest(name, known) if isinstance(name, str) else ""
                raise UsageError(
                    f"{axis}: there is no {axis} {_seen(name)}", f"{near}[{axis}s] has: {', '.join(known)}."
                )
        return Entry(place, {axis: str(name) for axis, name in names.items()}, _settings(table))


def _settings(table: Mapping[str, object]) -> Settings:
    timeout, memory = table.get("timeout"), table.get("memory")
    if timeout is not None:
        with _within("timeout:"):
            timeout = _seconds(timeout)
    if memory is not None:
        with _within("memory:"):
            memory = str(memory) if type(memory) is int else _text(memory, "a size such as 2G")
            parse_size(memory)
    return Settings(timeout, memory)


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 0 < (seconds := _float(value)) <= _LONGEST_TIME:
        raise UsageError(f"{_seen(value)} is not a time", "Write a number of seconds: timeout = 600.")
    return seconds


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _number(value: object, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise UsageError(f"{_seen(value)} is not a number from {least} on", "Write one without quotes.")
    return value


def _refuse_others(table: Mapping[str, object], allowed: tuple[str, ...] | list[str]) -> None:
    for name in table:
        if name not in allowed:
            raise UsageError(
                f"unknown key '{shown(name)}'", f"{nearest(name, allowed)}Keys here: {', '.join(allowed)}."
            )


def _seen(value: object) -> str:
    return f"'{shown(value)}'"
