"""Says whether a device of the host may be given to a guest, and why not. Changes nothing."""

from __future__ import annotations

import errno
import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host.devices import Device

RULES_FILE = "/etc/udev/rules.d/70-zonevm.rules"


@dataclass(frozen=True)
class Access:
    """What this user may do with a node, and the group that owns it."""

    readable: bool
    writable: bool
    group: str


def access(node: Path, root: Path = Path("/")) -> Access:
    """Return what this user may do with ``node``, below ``root``."""
    place = _below(root, node)
    try:
        gid = place.stat().st_gid
    except OSError:
        return Access(False, False, "")
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return Access(os.access(place, os.R_OK), os.access(place, os.W_OK), group)


def require_usable(
    device: Device, *, zoned: bool = True, force: bool = False, root: Path = Path("/")
) -> None:
    """Raise :class:`HostError` unless ``device`` can be given to a guest without harm to the host's data.

    ``zoned``: a zoned device is needed. ``force``: processes that have the device open for reading only do
    not stand in the way. There is no way around the other reasons: each of them can cost data.
    """
    if zoned and device.zoned == "none":
        raise HostError(f"{device} is not a zoned device", "`zonevm devices` lists the zoned ones.")
    uses = [use for use in device.uses if not (force and use.reads_only)]
    if device.system:
        places = ", ".join(use.by for use in uses if use.system)
        raise HostError(f"{device} holds this running system ({places})", "Give another disk.")
    if uses:
        reasons = "; ".join(f"{use}" if use.on == device.name else f"{use.on} is {use}" for use in uses)
        raise HostError(f"{device} is in use: {reasons}", "End that first, or give another disk.")
    if device.node and _claimed(_below(root, device.node)):
        raise HostError(
            f"{device} is in use: a part of the kernel, or a program, has claimed it exclusively",
            f"Find out what uses it: lsblk {device}; sudo fuser -v {device}",
        )


def require_access(device: Device, node: Path, root: Path = Path("/")) -> None:
    """Raise :class:`HostError` unless this user may read and write ``node``, a node of ``device``."""
    granted = access(node, root)
    if granted.readable and granted.writable:
        return
    user = pwd.getpwuid(os.geteuid()).pw_name
    denied = "written" if granted.readable else "read" if granted.writable else "read and written"
    raise HostError(
        f"{node} cannot be {denied} by {user}; its group is {granted.group or 'unknown'}",
        f"{membership(granted.group, user)} Or for this disk alone, as root: "
        f"echo '{udev_rule(device, user)}' >> {RULES_FILE} && udevadm control --reload && udevadm trigger",
    )


def membership(group: str, user: str) -> str:
    """Return the way into ``group``, which owns a node; "root" owns what nobody else should."""
    if group == "root":
        return "Run zonevm as root."
    return f"Join that group: sudo usermod -aG {group} {user} (and log in again)."


def udev_rule(device: Device, user: str) -> str:
    """Return the udev rule (udev(7)) that gives ``device``, both its nodes, to ``user``."""
    if device.sg_node and device.identity.wwn:
        which = f'SUBSYSTEM=="block|scsi_generic", ATTRS{{wwid}}=="{device.identity.wwn}"'
    elif device.identity.wwn:
        which = f'SUBSYSTEM=="block", ATTR{{wwid}}=="{device.identity.wwn}"'
    else:
        which = f'KERNEL=="{device.name}"'
    return f'{which}, OWNER="{user}"'


def _claimed(node: Path) -> bool:
    """Whether someone has the block device open with ``O_EXCL`` (open(2)); no where it cannot be asked."""
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _below(root: Path, node: Path) -> Path:
    return root / node.relative_to("/")
