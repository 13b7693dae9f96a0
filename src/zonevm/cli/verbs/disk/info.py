"""``zonevm disk info``: what the disk in an image is, and who uses it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zonevm import images
from zonevm.cli.options import image_argument, json_option
from zonevm.cli.output import print_json, tell
from zonevm.cli.verbs.disk.title import has_zones, zones_of
from zonevm.units import about_size, format_size

if TYPE_CHECKING:
    from zonevm._core import Inspection


@click.command()
@image_argument
@json_option
def info(file: Path, as_json: bool) -> None:
    """Describe the disk in image FILE, and say what uses it."""
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
        **({"zones": zones_of(image)} if has_zones(image) else {}),
        "block size": f"{image['block_size']} bytes logical, 4096 physical",
        "model": image["model"],
        **_rules(image),
        "identity": f"{image['vendor']} {image['product']} {image['revision']}".strip(),
        "serial": image["serial"],
        "wwn": _hex(image["wwn"]),
        "uuid": image["uuid"],
        "created": datetime.fromtimestamp(image["created"], UTC).astimezone().isoformat(" ", "seconds"),
        **({"written": _written(image)} if has_zones(image) else {}),
        "on the host": about_size(image["allocated"]),
        "in use": f"by process {user['pid']} ({user['program']})" if user else "no",
    }
    for name, value in rows.items():
        tell(f"{name:<12} {value}")


def _rules(image: Inspection) -> dict[str, str]:
    """Return the rows that there are for disks of the image's model only."""
    match image["model"]:
        case "conventional":
            return {}
        case "zns":
            return {
                "max open": _max_open(image),
                "max active": "no limit" if image["max_active"] is None else str(image["max_active"]),
                "reads": f"{'may' if image['urswrz'] else 'may not'} cross zones",
                "extensions": f"{image['descr_ext_size']} bytes a zone",
            }
    reads = "unrestricted" if image["urswrz"] else "restricted (urswrz=off)"
    return {"max open": _max_open(image), "reads": reads}


def _max_open(image: Inspection) -> str:
    if image["max_open"] is None:
        return "no limit"
    return f"{image['max_open']}{' (optimal, no limit)' if image['model'] == 'host-aware' else ''}"


def _hex(wwn: int) -> str:
    return f"{wwn:016x}"


def _written(image: Inspection) -> str:
    blocks = image["zones"].sums(0, image["zone_count"])["written"]
    return f"{about_size(blocks * image['block_size'])} in sequential zones"
