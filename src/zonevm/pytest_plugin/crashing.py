"""Crash tests of a test's disks: what comes of them is in the test's directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from zonevm import crash
from zonevm.crash import forms
from zonevm.guest import Guest
from zonevm.pytest_plugin.guests import check_host
from zonevm.pytest_plugin.running import Running


def check(test: Running) -> None:
    """Raise :class:`HostError` where this host cannot start the guests."""
    check_host(Guest(test.asked.disks, record=test.tmp_path / "record", **_options(test)))


def explore(test: Running, arguments: Mapping[str, Any], *, alone: bool) -> tuple[crash.Report, str]:
    """Run a crash test with these ``arguments`` of :func:`zonevm.crash.explore`; return what came of it.

    The text is for people. ``alone``: no other tests run beside this one. What there is of findings is kept.
    """
    directory = _new(test.tmp_path, "crash")
    given = {**_options(test), "directory": directory, "guests": None if alone else 1, **arguments}
    report = crash.explore(test.asked.texts, **given)
    if report.failed and test.artifacts is not None:
        shutil.copytree(directory, _new(test.place, directory.name))
    return report, forms.text(report)


def _options(test: Running) -> dict[str, Any]:
    """The options of the guests, as a crash test keeps them in JSON."""
    options = {name: value for name, value in test.asked.options.items() if name != "faults"}
    return {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()
    }


def _new(directory: Path, name: str) -> Path:
    """Return a place in a directory where there is nothing."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(place for place in map(directory.joinpath, names) if not place.exists())
