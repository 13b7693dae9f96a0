"""``zonevm disk zones``: the zones of an image as a map, a list, a drawing or JSON."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import click
from rich.console import Console

from zonevm import images, outputs
from zonevm.cli.options import PATH, image_argument, json_option
from zonevm.cli.output import OUTPUT, print_json_rows, say
from zonevm.cli.verbs.disk.title import require_zones, title
from zonevm.outputs import Named
from zonevm.outputs import check as check_outputs
from zonevm.view.svg import svg
from zonevm.view.terminal import listing, print_map


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Fail as any other output does: rich would end the program, with 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), OUTPUT)


@click.command()
@image_argument
@json_option
@click.option("--list", "as_list", is_flag=True, help="Print a line for each zone instead of a map.")
@click.option("--svg", "drawing", type=PATH, help="Draw the map to this SVG file.")
def zones(file: Path, as_json: bool, as_list: bool, drawing: Path | None) -> None:
    """Show the zones of image FILE, also while a guest uses it."""
    image = images.info(file)
    require_zones(file, image)
    named = title(file, image)
    if drawing is not None:
        check_outputs([Named("--svg", drawing)], [Named("the image", file)])
        outputs.write(drawing, svg(named, image["zones"], image["block_size"]))
        say(f"drew {drawing}")
    if as_json:
        rule = "preferred" if image["model"] == "host-aware" else "required"
        print_json_rows(_as_dict(number, zone, rule) for number, zone in enumerate(image["zones"]))
    elif as_list:
        sys.stdout.writelines(f"{line}\n" for line in listing(image["zones"]))
    elif drawing is None:
        print_map(_Screen(), named, image["zones"], image["block_size"])


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
