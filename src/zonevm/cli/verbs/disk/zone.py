"""``zonevm disk zone``: zones brought into a condition before a guest starts."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from zonevm import images
from zonevm.cli.options import image_argument
from zonevm.cli.verbs.disk.title import require_zones


@click.group()
def zone() -> None:
    """Set the conditions of zones."""


@zone.command("set")
@image_argument
@click.argument("zones")
@click.argument("condition", type=click.Choice(get_args(images.Settable)))
@click.option("--written", metavar="SIZE", help="How much of each zone holds data. [as much as now]")
def set_(file: Path, zones: str, condition: images.Settable, written: str | None) -> None:
    """Set ZONES of image FILE to CONDITION. FILE must not be in use.

    ZONES is one zone (5), a range (5-9) or all. What was not written before reads as zeroes. A conventional
    zone can only be not-write-pointer.
    """
    require_zones(file, images.info(file))
    images.set_zones(file, zones, condition, written=written)
    named = "all zones" if zones == "all" else f"zone{'s' if '-' in zones else ''} {zones}"
    click.echo(f"{file}: {named}: {condition}")
