"""Types of options; tables of those by which disks and faults are described, for people and for programs."""

from __future__ import annotations

import math
from typing import Any

import click

from zonevm.disks.option import Described


class Seconds(click.FloatRange):
    """A time that can be waited for: more than no time, and at most some thirty years."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, 1e9, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        seconds = float(super().convert(value, param, ctx))
        # Which no bound holds off: NaN is neither below nor above one.
        return self.fail(f"{value} is not a time.", param, ctx) if math.isnan(seconds) else seconds


def table(what: type[Described]) -> list[dict[str, Any]]:
    """Return a row for each option, as JSON has it."""
    return [
        {
            "name": option.name,
            "aliases": list(option.aliases),
            "help": option.help,
            "allowed": option.value.allowed,
            "default": None if option.default.value is None else option.value.text(option.default.value),
        }
        for option in what.options().values()
    ]


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print two lines for each row."""
    for option in rows:
        default = "" if option["default"] is None else f" [{option['default']}]"
        click.echo(f"  {', '.join((option['name'], *option['aliases'])):<24} {option['help']}{default}")
        click.echo(f"  {'':<24} {option['allowed']}")
