"""The options of crash tests, by what they are for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import click

from zonevm.cli.options import PATH, Seconds, option
from zonevm.cli.pulling import qemu_attributes


@dataclass(frozen=True)
class Asked:
    """What is recorded, and what is checked."""

    title: ClassVar[str] = "Test"

    disks: tuple[str, ...] = option(
        "--disk", multiple=True, metavar="DISK", help="A disk: smr,size=4G, zns,size=4G, nvme,size=4G, ..."
    )
    setup: str = option(
        "--setup", default="", metavar="SETUP", help="Run first; what it leaves is taken as safe."
    )
    work: str = option("--work", default="", metavar="WORK", help="What is tested: a command of the shell.")
    check: str = option(
        "--check", default="", metavar="CHECK", help="Says by its exit code whether a state is right."
    )
    directory: Path | None = option(
        "--dir", type=PATH, metavar="DIR", help="A new directory for what comes of it. [zonevm-crash-N]"
    )


@dataclass(frozen=True)
class Trying:
    """Which states are tried, and how."""

    title: ClassVar[str] = "States"

    states: int = option(
        "--states",
        default=20,
        show_default=True,
        type=click.IntRange(1),
        help="Between two flushes.",
    )
    points: int | None = option(
        "--points", type=click.IntRange(1), help="Only so many of the flushes, drawn by the seed. [all]"
    )
    seed: int = option("--seed", default=0, show_default=True, help="Draws where there are more.")
    timeout: float | None = option(
        "--timeout", type=Seconds(), metavar="SECONDS", help="Of a check, which has failed then."
    )
    reboot: bool = option("--reboot", is_flag=True, help="Boot a guest for each state.")
    guests: int | None = option(
        "--guests",
        type=click.IntRange(1),
        help="How many at the same time. [what processors and memory carry]",
    )


@dataclass(frozen=True)
class Machine:
    """The guests."""

    title: ClassVar[str] = "Guests"

    kernel: str | None = option(
        "--kernel", metavar="KERNEL", help="A bzImage, a build tree or a version. [the host's, else pulled]"
    )
    memory: str | None = option("--memory", metavar="SIZE", help="Memory of each. [1G]")
    append: str | None = option("--append", metavar="TEXT", help="Add this to the kernel's command line.")
    qemu: str | None = option("--qemu", **qemu_attributes("Another QEMU"))
    accel: str | None = option("--accel", type=click.Choice(["auto", "kvm", "tcg"]), help="[auto]")

    def given(self) -> dict[str, Any]:
        """Return those that were given, as arguments of a guest."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}
