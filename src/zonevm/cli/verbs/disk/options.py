"""``zonevm disk options`` and ``faults``: what a disk can be, and how it can fail."""

from __future__ import annotations

from typing import Any

import click

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json
from zonevm.disks import KINDS
from zonevm.disks.option import Described
from zonevm.errors import DiskError
from zonevm.faults import KINDS as FAULTS
from zonevm.faults import Fault


@click.command()
@click.argument("kind", required=False)
@json_option
def options(kind: str | None, as_json: bool) -> None:
    """List the options of all kinds of disk, or of KIND."""
    if kind is not None and kind not in KINDS:
        raise DiskError(f"unknown kind of disk {kind!r}", f"Kinds: {', '.join(KINDS)}.")
    tables = {name: _table(KINDS[name]) for name in ([kind] if kind else KINDS)}
    if as_json:
        print_json(tables)
        return
    for name, rows in tables.items():
        click.echo(f"{name}: {KINDS[name].summary}")
        _print_table(rows)


@click.command()
@json_option
def faults(as_json: bool) -> None:
    """List the faults that an emulated disk can have, and their options."""
    rows = _table(Fault)
    if as_json:
        print_json({"kinds": FAULTS, "options": rows})
        return
    for kind, what in FAULTS.items():
        click.echo(f"{kind:<20} {what}")
    click.echo("options:")
    _print_table(rows)


def _table(what: type[Described]) -> list[dict[str, Any]]:
    return [
        {
            "name": option.name,
            "aliases": list(option.aliases),
            "help": option.help,
            "allowed": option.value.allowed,
            "default": None if option.default.value is None else option.value.text(option.default.value),
            **({"names": dict(option.value.names)} if option.value.names else {}),
        }
        for option in what.options().values()
    ]


def _print_table(rows: list[dict[str, Any]]) -> None:
    for option in rows:
        default = "" if option["default"] is None else f" [{option['default']}]"
        click.echo(f"  {', '.join((option['name'], *option['aliases'])):<24} {option['help']}{default}")
        click.echo(f"  {'':<24} {option['allowed']}")
        for name, what in option.get("names", {}).items():
            click.echo(f"  {'':<24} {name}: {what}")
