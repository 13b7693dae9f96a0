"""``zonevm disk``: the group of the verbs for disks and their images."""

from __future__ import annotations

import click

from zonevm.cli.verbs.disk.bench import bench
from zonevm.cli.verbs.disk.check import check, repair
from zonevm.cli.verbs.disk.copy import export, resize, restore, snapshot
from zonevm.cli.verbs.disk.create import create
from zonevm.cli.verbs.disk.import_ import import_
from zonevm.cli.verbs.disk.info import info
from zonevm.cli.verbs.disk.options import faults, options
from zonevm.cli.verbs.disk.zone import zone
from zonevm.cli.verbs.disk.zones import zones


@click.group()
def disk() -> None:
    """Create, import, inspect, repair, copy and time disks."""


for _verb in (
    bench,
    check,
    create,
    export,
    faults,
    import_,
    info,
    options,
    repair,
    resize,
    restore,
    snapshot,
    zone,
    zones,
):
    disk.add_command(_verb)
