"""Tables of the options by which disks and faults are described, for people and for programs."""

from __future__ import annotations

from typing import Any

import click

from zonevm.disks.option import Described


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
