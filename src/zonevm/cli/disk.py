"""``zonevm disk``: create images, look at them, and list what a disk can be; the group of all its verbs."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from zonevm import images
from zonevm.cli.disk_check import check, repair
from zonevm.cli.disk_copy import export, resize, restore, snapshot
from zonevm.cli.disk_zone import zone
from zonevm.cli.import_ import import_
from zonevm.cli.options import print_table, table
from zonevm.cli.output import OUTPUT, print_json, print_json_rows, say, tell
from zonevm.disks import KINDS, SmrShape
from zonevm.errors import DiskError
from zonevm.faults import KINDS as FAULTS
from zonevm.faults import Fault
from zonevm.outputs import Draft, Named
from zonevm.outputs import check as check_outputs
from zonevm.units import about_size, format_size
from zonevm.view.svg import svg
from zonevm.view.terminal import listing, print_map

if TYPE_CHECKING:
    from zonevm._core import Inspection

_Command = TypeVar("_Command", bound=Callable[..., Any])

_IMAGE = click.argument("file", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Fail as any other output does: rich would end the program, with 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), OUTPUT)


@click.group()
def disk() -> None:
    """Create, import, look at, mend and copy disks."""


for _verb in (check, export, import_, repair, resize, restore, snapshot, zone):
    disk.add_command(_verb)


def _image_options(command: _Command) -> _Command:
    """Add an option for everything that an image is created with, from the table of its shape."""
    for option in reversed(SmrShape.options().values()):
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        default = option.value.text(option.default.value) if option.default.value is not None else ""
        text = f"{option.help} [{default}]" if default else option.help
        command = click.option(*names, option.field, help=text, required=option.name == "size")(command)
    return command


@disk.command()
@_IMAGE
@_image_options
def create(file: Path, **options: str | None) -> None:
    """Create FILE, the image of an emulated SMR disk: sparse, with empty zones."""
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    images.create_as(file, SmrShape(**given))
    click.echo(_title(file, images.info(file)))


@disk.command()
@_IMAGE
@_JSON
def info(file: Path, as_json: bool) -> None:
    """Print what the disk in image FILE is, and who uses it."""
    image = images.info(file)
    if as_json:
        print_json(
            {name: value for name, value in image.items() if name != "zones"} | {"wwn": _hex(image["wwn"])}
        )
        return
    user = image["user"]
    size = format_size(image["size"])
    rows = {
        "size": f"{size} ({image['size']} bytes)",
        "zones": _zones(image),
        "block size": f"{image['block_size']} bytes logical, 4096 physical",
        "model": image["model"],
        "max open": _max_open(image),
        "reads": "unrestricted" if image["urswrz"] else "restricted (urswrz=off)",
        "identity": f"{image['vendor']} {image['product']} {image['revision']}".strip(),
        "serial": image["serial"],
        "wwn": _hex(image["wwn"]),
        "uuid": image["uuid"],
        "created": datetime.fromtimestamp(image["created"], UTC).astimezone().isoformat(" ", "seconds"),
        "written": _written(image),
        "on the host": about_size(image["allocated"]),
        "in use": f"by process {user['pid']} ({user['program']})" if user else "no",
    }
    for name, value in rows.items():
        tell(f"{name:<12} {value}")


@disk.command()
@_IMAGE
@_JSON
@click.option("--list", "as_list", is_flag=True, help="Print a line for each zone instead of a map.")
@click.option("--svg", "drawing", type=click.Path(path_type=Path), help="Draw the map to this SVG file.")
def zones(file: Path, as_json: bool, as_list: bool, drawing: Path | None) -> None:
    """Show the zones of image FILE, also while a guest uses it."""
    image = images.info(file)
    title = _title(file, image)
    if drawing is not None:
        check_outputs([Named("--svg", drawing)], [Named("the image", file)])
        with Draft(drawing) as draft:
            draft.file.write(svg(title, image["zones"], image["block_size"]).encode())
            draft.publish()
        say(f"drew {drawing}")
    if as_json:
        rule = "preferred" if image["model"] == "host-aware" else "required"
        print_json_rows(_as_dict(number, zone, rule) for number, zone in enumerate(image["zones"]))
    elif as_list:
        sys.stdout.writelines(f"{line}\n" for line in listing(image["zones"]))
    elif drawing is None:
        print_map(_Screen(), title, image["zones"], image["block_size"])


@disk.command()
@click.argument("kind", required=False)
@_JSON
def options(kind: str | None, as_json: bool) -> None:
    """List the options of all kinds of disk, or of KIND."""
    if kind is not None and kind not in KINDS:
        raise DiskError(f"unknown kind of disk {kind!r}", f"Kinds: {', '.join(KINDS)}.")
    tables = {name: table(KINDS[name]) for name in ([kind] if kind else KINDS)}
    if as_json:
        print_json(tables)
        return
    for name, rows in tables.items():
        click.echo(f"{name}: {KINDS[name].summary}")
        print_table(rows)


@disk.command()
@_JSON
def faults(as_json: bool) -> None:
    """List the faults that an smr disk can have, and their options."""
    rows = table(Fault)
    if as_json:
        print_json({"kinds": FAULTS, "options": rows})
        return
    for kind, what in FAULTS.items():
        click.echo(f"{kind:<20} {what}")
    click.echo("options:")
    print_table(rows)


def _max_open(image: Inspection) -> str:
    if image["max_open"] is None:
        return "no limit"
    return f"{image['max_open']}{' (optimal, no limit)' if image['model'] == 'host-aware' else ''}"


def _hex(wwn: int) -> str:
    return f"{wwn:016x}"


def _title(file: Path, image: Inspection) -> str:
    return f"{file}: {about_size(image['size'])}, {_zones(image, 'zones ')}"


def _zones(image: Inspection, what: str = "") -> str:
    zone_size, capacity = format_size(image["zone_size"]), format_size(image["zone_capacity"])
    less = "" if capacity == zone_size else f" (capacity {capacity})"
    return f"{image['zone_count']} {what}of {zone_size}{less}, {image['conventional']} conventional"


def _written(image: Inspection) -> str:
    blocks = image["zones"].sums(0, image["zone_count"])["written"]
    return f"{about_size(blocks * image['block_size'])} in sequential zones"


def _as_dict(number: int, zone: images.Zone, rule: str) -> dict[str, object]:
    return {
        "zone": number,
        "type": "conventional" if zone.conventional else f"sequential write {rule}",
        "condition": zone.condition,
        "non_sequential": zone.non_sequential,
        "start": zone.start,
        "length": zone.length,
        "write_pointer": zone.write_pointer,
    }
