"""How the command line talks: messages for people go to stderr, results to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click


def say(message: str, hint: str = "") -> None:
    """Tell the user something on stderr."""
    click.echo(f"zonevm: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, the first of them the columns' names."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_json(value: object) -> None:
    """Print a result for programs."""
    json.dump(value, sys.stdout, indent=2)
    click.echo()
