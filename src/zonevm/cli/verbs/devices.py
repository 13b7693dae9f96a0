"""``zonevm devices``: the zoned devices of this host, and who uses them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json, print_table, say
from zonevm.host.devices import Device, block_devices
from zonevm.host.usable import access
from zonevm.units import about_size, format_size

_COLUMNS = (
    "NODE",
    "SG",
    "TRANSPORT",
    "MODEL",
    "CAPACITY",
    "ZONES",
    "ZONE SIZE",
    "DEVICE",
    "SERIAL",
    "USED BY",
)


@click.command()
@click.option("--all", "everything", is_flag=True, help="List all block devices, not only the zoned ones.")
@json_option
def devices(everything: bool, as_json: bool) -> None:
    """List this host's zoned devices and what uses them. Does not need root."""
    shown = [
        device for device in block_devices() if device.zoned != "none" or (everything and device.capacity)
    ]
    if as_json:
        print_json([_as_dict(device) for device in shown])
    elif shown:
        print_table([_COLUMNS, *(_row(device) for device in shown)])
    if not shown:
        say("this host has no zoned device", "Emulate one in a guest: zonevm run --disk smr,size=20G")


def _row(device: Device) -> tuple[str, ...]:
    zones, what = device.zones, device.identity
    return (
        str(device.node or "-"),
        str(device.sg_node or "-"),
        device.transport,
        device.zoned,
        about_size(device.capacity) if device.capacity else "-",
        str(zones.count) if zones else "-",
        format_size(zones.size) if zones else "-",
        " ".join(filter(None, (what.vendor, what.product, what.revision))) or "-",
        what.serial or "-",
        _users(device),
    )


def _users(device: Device) -> str:
    if not device.uses:
        return "-"
    more = f" (and {len(device.uses) - 1} more)" if len(device.uses) > 1 else ""
    return f"{device.uses[0]}{more}"


def _as_dict(device: Device) -> dict[str, Any]:
    """Return a device as JSON has it: paths as text, and what this user may do with each node."""
    fields = asdict(device)
    for name in ("node", "sg_node"):
        node = getattr(device, name)
        fields[name] = None if node is None else str(node)
        fields[f"{name}_access"] = None if node is None else asdict(access(node))
    return {**fields, "links": [str(link) for link in device.links], "system": device.system}
