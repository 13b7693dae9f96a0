"""How the verbs for disks name an image and its zones in a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zonevm.errors import UsageError
from zonevm.units import about_size, format_size

if TYPE_CHECKING:
    from zonevm._core import Inspection


def title(file: Path, image: Inspection) -> str:
    """Return the line on an image: its file, its size and its zones."""
    zones = zones_of(image, "zones ") if has_zones(image) else "no zones"
    return f"{file}: {about_size(image['size'])}, {zones}"


def has_zones(image: Inspection) -> bool:
    """Whether the disk has zones that a host learns of."""
    return image["model"] != "conventional"


def require_zones(file: Path, image: Inspection) -> None:
    """Raise :class:`UsageError` for the image of a disk without zones."""
    if not has_zones(image):
        raise UsageError(
            f"{file} is the image of an nvme disk, which has no zones", f"See `zonevm disk info {file}`."
        )


def zones_of(image: Inspection, what: str = "") -> str:
    """Return how many zones of which size there are; ``what`` follows the number."""
    zone_size, capacity = format_size(image["zone_size"]), format_size(image["zone_capacity"])
    less = "" if capacity == zone_size else f" (capacity {capacity})"
    return f"{image['zone_count']} {what}of {zone_size}{less}, {image['conventional']} conventional"
