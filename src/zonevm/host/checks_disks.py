"""Checks of the host's own disks: is there one for a method, and may this user open it."""

from __future__ import annotations

from pathlib import Path

from zonevm.errors import HostError, ZonevmError
from zonevm.host.checks import Finding, Host, Status
from zonevm.host.devices import Device
from zonevm.host.usable import require_access, require_usable

_LIST = "zonevm devices --all lists what is here; zonevm run --disk smr,size=20G emulates one in a guest"


def scsi_block(host: Host) -> Finding:
    """Check that the host has a zoned SCSI disk with a block node, free and open to this user."""
    nodes = [(each, each.node) for each in host.devices if each.sg_node and each.zoned != "none"]
    return _disk(host, "zoned SCSI disk", nodes)


def scsi_generic(host: Host) -> Finding:
    """Check that the host has a zoned SCSI disk with an SG node, free and open to this user."""
    nodes = [(each, each.sg_node) for each in host.devices if each.zoned != "none"]
    return _disk(host, "zoned SCSI disk", nodes)


def block(host: Host) -> Finding:
    """Check that the host has a zoned block device of any kind, free and open to this user."""
    nodes = [(each, each.node) for each in host.devices if each.zoned != "none"]
    return _disk(host, "zoned block device", nodes)


def _disk(host: Host, name: str, nodes: list[tuple[Device, Path | None]]) -> Finding:
    """Check that at least one of ``nodes`` can be given to a guest; say of each why not."""
    refusals: list[ZonevmError] = []
    free: list[Path] = []
    for device, node in nodes:
        if node is not None:
            try:
                require_usable(device, root=host.root)
                require_access(device, node, root=host.root)
            except HostError as refusal:
                refusals.append(refusal)
            else:
                free.append(node)
    if free:
        return Finding(name, Status.OK, ", ".join(map(str, free)))
    if refusals:
        return Finding(name, Status.MISSING, "; ".join(each.message for each in refusals), refusals[0].hint)
    return Finding(name, Status.MISSING, "this host has none", _LIST)
