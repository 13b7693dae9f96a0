"""What a cell does: a command in a guest, or a crash test. A dataclass a kind, which makes a command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

_END_SECONDS = "60"
"""How long a crash test that is out of time has to end, before it is killed."""


@dataclass(frozen=True)
class Guest:
    """What the guest of a cell is made of, as the command line takes it. ``timeout``: seconds."""

    kernel: str
    disks: Sequence[str]
    memory: str
    timeout: float | None

    def options(self) -> Iterator[str]:
        yield from ("--kernel", self.kernel, "--memory", self.memory)
        for disk in self.disks:
            yield from ("--disk", disk)


class Workload(Protocol):
    """One kind of workload. ``keeps``: whether its command takes ``--dir``."""

    keeps: ClassVar[bool]

    def command(self, guest: Guest) -> tuple[str, ...]:
        """Return the command line whose exit code is the result."""
        ...


@dataclass(frozen=True)
class Run:
    """A command of the shell, in a guest."""

    keeps: ClassVar[bool] = False

    run: str

    def command(self, guest: Guest) -> tuple[str, ...]:
        limit = () if guest.timeout is None else ("--timeout", f"{guest.timeout:g}")
        return ("zonevm", "run", *guest.options(), *limit, "--", "sh", "-c", self.run)


@dataclass(frozen=True)
class CrashTest:
    """A crash test. Its fields are options of ``zonevm crash``; ``timeout`` is that of a check."""

    keeps: ClassVar[bool] = True

    work: str
    check: str
    setup: str | None = None
    states: int | None = None
    points: int | None = None
    seed: int | None = None
    timeout: float | None = None

    def command(self, guest: Guest) -> tuple[str, ...]:
        """Return ``zonevm crash``, by one guest; timeout(1) ends it when its time is over."""
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        options = [word for name, value in given if value is not None for word in (f"--{name}", _word(value))]
        limit: tuple[str, ...] = ()
        if guest.timeout is not None:
            limit = ("timeout", "--signal=INT", f"--kill-after={_END_SECONDS}", f"{guest.timeout:g}")
        return (*limit, "zonevm", "crash", *guest.options(), "--guests", "1", *options)


def _word(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
