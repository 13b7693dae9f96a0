"""How the command line talks: messages for people go to stderr, results to stdout."""

from __future__ import annotations

import json
import sys

import click


def say(message: str, hint: str = "") -> None:
    """Tell the user something on stderr."""
    click.echo(f"zonevm: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def print_json(value: object) -> None:
    """Print a result for programs."""
    json.dump(value, sys.stdout, indent=2)
    click.echo()
