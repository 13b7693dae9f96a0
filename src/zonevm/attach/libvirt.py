"""Spells disks as elements of libvirt's ``<devices>`` (libvirt.org, "Domain XML format"). Knows no method."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase

_REFERENCES = str.maketrans({character: f"&#{ord(character)};" for character in "&<'\t\n\r"})
"""What an attribute in single quotes has instead of these (XML 1.0, 3.3.3)."""


def scsi_controller(index: int) -> str:
    """Return a virtio-scsi controller."""
    return f"<controller type='scsi' index='{index}' model='virtio-scsi'/>"


def lun(node: Path | None, controller: int) -> str:
    """Return a SCSI disk by its block node, on a controller of its own: QEMU's scsi-block."""
    return (
        "<disk type='block' device='lun'><driver name='qemu' type='raw' cache='none'/>"
        f"<source dev={_quoted(str(node))}/><target dev={_target('sd', controller)} bus='scsi'/>"
        f"{_address(controller)}</disk>"
    )


def block_disk(node: Path | None, index: int) -> str:
    """Return a block device as a virtio-blk disk. The name vda is left for the system's disk."""
    return (
        "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>"
        f"<source dev={_quoted(str(node))}/><target dev={_target('vd', index + 1)} bus='virtio'/></disk>"
    )


def scsi_device(address: tuple[int, int, int, int], controller: int) -> str:
    """Return a SCSI device by its host, channel, target and LUN: QEMU's scsi-generic."""
    host, bus, target, unit = address
    return (
        "<hostdev mode='subsystem' type='scsi'>"
        f"<source><adapter name='scsi_host{host}'/>"
        f"<address bus='{bus}' target='{target}' unit='{unit}'/></source>"
        f"{_address(controller)}</hostdev>"
    )


def vhost_scsi(wwpn: str) -> str:
    """Return a kernel target."""
    return (
        "<hostdev mode='subsystem' type='scsi_host'>"
        f"<source protocol='vhost' wwpn={_quoted(wwpn)}/></hostdev>"
    )


def _quoted(value: str) -> str:
    return f"'{value.translate(_REFERENCES)}'"


def _address(controller: int) -> str:
    return f"<address type='drive' controller='{controller}' bus='0' target='0' unit='0'/>"


def _target(prefix: str, index: int) -> str:
    """Return the name that libvirt wants for a disk, which no other of its domain has."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, len(ascii_lowercase))
        letters = ascii_lowercase[letter] + letters
    return f"'{prefix}{letters}'"
