"""What a crash test is asked to do. Starts nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from zonevm.errors import UsageError

Words = Sequence[str] | str
"""A program and its arguments, or one string for ``sh -c``."""


@dataclass(frozen=True)
class CrashTest:
    """States of a record, and the check that says which of them are right.

    ``check``, ``setup``, ``work``: commands, run in the guest in ``cwd``. ``disks``: texts of the ``--disk``
    grammar; ``setup`` and ``work`` write to them, and that is recorded. Without them ``record`` is a file
    that was recorded. ``after``: only states behind this mark. ``states``: of each flush point, at most;
    ``points``: flush points, at most, which ``seed`` draws; None: all. ``timeout``: seconds of a check.
    ``reboot``: a guest of its own for each state. ``options``: of the guests.
    """

    check: Sequence[str]
    disks: Sequence[str] = ()
    setup: Sequence[str] = ()
    work: Sequence[str] = ()
    record: str = ""
    after: str = ""
    states: int = 20
    points: int | None = None
    seed: int = 0
    timeout: float | None = None
    reboot: bool = False
    cwd: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as JSON, of which :meth:`parse` makes it again."""
        return json.dumps(vars(self), indent=2, default=os.fspath)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the test that JSON tells; raises :class:`UsageError` for any other text."""
        try:
            told = json.loads(text)
            lists = {name: tuple(map(str, told[name])) for name in ("check", "disks", "setup", "work")}
            return cls(**{**told, **lists})
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"this is not the description of a crash test: {error}",
                "Give a directory that zonevm crash has made.",
            ) from error


def words(command: Words) -> tuple[str, ...]:
    """Return a command as a program and its arguments; none for an empty string."""
    if isinstance(command, str):
        return ("/bin/sh", "-c", command) if command else ()
    return tuple(command)
