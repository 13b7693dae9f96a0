"""Chooses the method for a disk of this host: for this disk, this QEMU and this user. Attaches nothing."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from zonevm.attach import scsi_generic
from zonevm.attach.method import Method
from zonevm.attach.methods import OF_HOST
from zonevm.disks import PhysicalDisk
from zonevm.errors import HostError, ZonevmError
from zonevm.host.abilities import Abilities
from zonevm.host.devices import Device, find_device, named_node
from zonevm.host.usable import require_access, require_usable


def choose(
    disk: PhysicalDisk, abilities: Abilities, root: Path = Path("/")
) -> tuple[PhysicalDisk, Device | None]:
    """Return ``disk`` with its method, and the device that it is; None for an iSCSI LUN.

    One that was chosen here has a note that says which and why.

    Raises :class:`HostError` for a device that may not be given to a guest and one that this user may not
    open, and :class:`QemuError` for a QEMU that cannot do it.
    """
    if disk.iscsi:
        _require_qemu("scsi-generic", abilities)
        abilities.require_driver(scsi_generic.ISCSI_DRIVER)
        return disk if disk.via else _chosen(disk, "scsi-generic", "QEMU itself connects to it"), None
    device = find_device(Path(disk.path), root)
    require_usable(device, force=disk.force, root=root)
    if disk.via is not None:
        _require(disk.via, device, abilities, root)
        return disk, device
    named = named_node(Path(disk.path), root)
    if named == device.sg_node:
        _require("scsi-generic", device, abilities, root)
        return _chosen(disk, "scsi-generic", _why(device, named, [])), device
    refusals: list[tuple[str, ZonevmError]] = []
    for via in _best_first(device):
        try:
            node = _require(via, device, abilities, root)
        except ZonevmError as refusal:
            refusals.append((via, refusal))
        else:
            return _chosen(disk, via, _why(device, node, refusals)), device
    raise refusals[0][1]


def method(disk: PhysicalDisk) -> Method:
    """Return the method of a disk for which one was chosen."""
    if disk.iscsi:
        return scsi_generic.METHOD
    if disk.via is None:
        raise HostError(f"no method was chosen for {disk}", f"Give it one: {disk},via=scsi-block")
    return OF_HOST[disk.via]


def _best_first(device: Device) -> list[str]:
    """Return what is tried for a disk that is not named by its SG node."""
    return [
        via
        for via, method in OF_HOST.items()
        if method.host and method.host.unasked and method.scsi == device.scsi
    ]


def _chosen(disk: PhysicalDisk, via: str, why: str) -> PhysicalDisk:
    chosen = PhysicalDisk(disk.path, via, force=True) if disk.force else PhysicalDisk(disk.path, via)
    chosen.note(f"{disk.path} by {via}: {why}")
    return chosen


def _require(via: str, device: Device, abilities: Abilities, root: Path) -> Path | None:
    """Return the node that QEMU opens. Raises the reason why ``via`` cannot be used for ``device``."""
    method = OF_HOST[via]
    if method.scsi and not device.scsi:
        raise HostError(
            f"{device} is not a SCSI disk ({device.transport}), which {via} needs",
            "Leave via out, or: via=virtio-blk",
        )
    _require_qemu(via, abilities)
    if method.host is None or method.host.node is None:
        return None
    node = method.host.node(device)
    if node is None:
        missing, hint = (
            ("SG node", "Load the kernel module for it: sudo modprobe sg")
            if device.sg_node is None
            else ("block node", "Use its SG node: via=scsi-generic")
        )
        raise HostError(f"{device} has no {missing}, which {via} needs", hint)
    require_access(device, node, root)
    return node


def _require_qemu(via: str, abilities: Abilities) -> None:
    method = OF_HOST[via]
    abilities.qemu.require(method.since, f"{via} for a zoned disk")
    for model in method.models:
        abilities.require_device(model.name)


def _why(device: Device, node: Path | None, refusals: list[tuple[str, ZonevmError]]) -> str:
    if refusals:
        return "; ".join(f"not {via}, since {refusal.message}" for via, refusal in refusals)
    what = "it is a SCSI disk" if device.scsi else f"it is not a SCSI disk ({device.transport})"
    if node == device.sg_node:
        what = "it is named by its SG node"
    return f"{what}, and {pwd.getpwuid(os.geteuid()).pw_name} may read and write {node}"
