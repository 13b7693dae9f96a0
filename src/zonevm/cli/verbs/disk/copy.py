"""``zonevm disk snapshot``, ``restore``, ``export``, ``resize``: images and raw files made from images."""

from __future__ import annotations

from pathlib import Path

import click

from zonevm import images
from zonevm.cli.options import PATH, image_argument
from zonevm.cli.output import say
from zonevm.cli.progress import progress
from zonevm.units import about_size, parse_size


@click.command()
@image_argument
@click.argument("copy", type=PATH)
@click.option("--new-identity", is_flag=True, help="Draw a serial number and a WWN for the copy.")
def snapshot(file: Path, copy: Path, new_identity: bool) -> None:
    """Copy image FILE to COPY. FILE must not be in use, COPY must not exist.

    Instant where the file system can share blocks between files (btrfs, XFS); elsewhere the data are copied
    and holes stay holes. To a guest the copy is the same disk: one that is given both needs --new-identity.
    COPY gets the owner and mode of FILE. If you may not give it that owner it is yours, and only users who
    may read FILE may read it.
    """
    with progress("copying", "copied") as tell:
        same_owner = images.snapshot(file, copy, new_identity=new_identity, progress=tell)
    _tell_owner(copy, file, same_owner)
    click.echo(f"{copy}: a copy of {file}")


@click.command()
@click.argument("snapshot", type=PATH)
@image_argument
def restore(snapshot: Path, file: Path) -> None:
    """Replace image FILE with a copy of SNAPSHOT. Neither may be in use.

    FILE may be damaged; it is replaced once the copy is complete, and keeps its owner and mode.
    """
    with progress("copying", "copied") as tell:
        same_owner = images.restore(snapshot, file, progress=tell)
    _tell_owner(file, snapshot, same_owner)
    click.echo(f"{file}: as in {snapshot}")


@click.command()
@image_argument
@click.argument("raw", type=PATH)
def export(file: Path, raw: Path) -> None:
    """Write what a guest would read from image FILE to the sparse file RAW. FILE must not be in use.

    What lies above a write pointer, and all of an offline zone, is zeroes.
    """
    with progress("exporting", "exported") as tell:
        images.export(file, raw, progress=tell)
    click.echo(f"{raw}: {about_size(raw.stat().st_size)} from {file}")


@click.command()
@image_argument
@click.argument("size")
def resize(file: Path, size: str) -> None:
    """Grow or shrink the disk in image FILE to SIZE, by empty zones at its end. FILE must not be in use.

    Zones that hold data are never removed. A new file replaces FILE once it is complete, with the same owner
    and mode.
    """
    with progress("copying", "copied") as tell:
        images.resize(file, size, progress=tell)
    click.echo(f"{file}: {about_size(parse_size(size))}, {images.info(file)['zone_count']} zones")


def _tell_owner(copy: Path, original: Path, same: bool) -> None:
    if not same:
        say(f"{copy} is yours: you may not give it to the owner of {original}")
