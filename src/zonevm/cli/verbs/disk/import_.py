"""``zonevm disk import``: an image from a tcmu-runner image or a zoned device."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zonevm.cli.options import PATH, json_option
from zonevm.cli.output import print_json, say
from zonevm.cli.progress import progress
from zonevm.errors import UsageError
from zonevm.transfer import Imported, import_disk
from zonevm.units import about_size, format_size


@click.command("import")
@click.option("--from", "device", type=PATH, metavar="NODE", help="Copy this device.")
@json_option
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="[IMAGE] FILE")
def import_(device: Path | None, as_json: bool, paths: tuple[Path, ...]) -> None:
    """Make FILE, the image of an emulated disk, from another disk and the state of its zones.

    IMAGE is an image of tcmu-runner. Only data below the write pointers are copied. FILE appears once it is
    complete; an import that was stopped can be started again.

    \b
    zonevm disk import zbc0.raw disk.img
    zonevm disk import --from /dev/sdf disk.img
    """
    given = paths if device is None else (device, *paths)
    if len(given) != 2:
        raise UsageError(
            f"an import is from one disk to one file, and there are {len(given)} paths",
            "Write `zonevm disk import IMAGE FILE`, or `zonevm disk import --from NODE FILE`.",
        )
    with progress("importing", "imported") as tell:
        done = import_disk(*given, tell)
    for note in done.notes:
        say(note)
    if as_json:
        print_json({**asdict(done), "source": str(done.source), "file": str(done.file)})
    else:
        click.echo(_title(done))


def _title(done: Imported) -> str:
    return (
        f"{done.file}: {about_size(done.size)}, {done.zones} zones of {format_size(done.zone_size)}, "
        f"{done.conventional} conventional; {about_size(done.data)} of data copied from {done.source}"
    )
