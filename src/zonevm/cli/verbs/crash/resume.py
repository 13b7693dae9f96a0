"""``zonevm crash resume``: goes on with a crash test."""

from __future__ import annotations

from pathlib import Path

import click

from zonevm import crash
from zonevm.cli.options import PATH, json_option
from zonevm.cli.verbs.crash.told import told


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--guests", type=click.IntRange(1), help="How many at the same time.")
@json_option
def resume(*, directory: Path, guests: int | None, as_json: bool) -> None:
    """Go on with the crash test of DIR, however it ended: with what it was asked, from where it was.

    \b
    zonevm crash resume zonevm-crash-1
    """
    with told(as_json) as telling:
        telling.tell(crash.resume(directory, guests=guests, watcher=telling.watcher, out=2))
