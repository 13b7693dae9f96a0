"""Tells what a block device calls itself and what connects it, from sysfs. Knows nothing of zones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from zonevm.host import sysfs

_NVME = ("nvme", "nvme-subsystem")
_PATH_TRANSPORTS = (
    (r"/usb\d+/", "usb"),
    (r"/ata\d+/", "sata"),
    (r"/end_device-", "sas"),
    (r"/rport-", "fc"),
    (r"/session\d+/", "iscsi"),
    (r"/virtio\d+/", "virtio-scsi"),
)
_HOST_TRANSPORTS = {"tcm_loopback": "loopback"}
_VIRTUAL_TRANSPORTS = {"nullb": "null_blk", "ublkb": "ublk"}


@dataclass(frozen=True)
class Identity:
    """What a device says of itself; "" where it says nothing.

    ``vendor``, ``product`` and ``revision`` are those of INQUIRY for a SCSI disk; an NVMe namespace has its
    controller's model and firmware revision. A stacked device has its own name, or its file's, as
    ``product``. ``wwn`` is the kernel's ``wwid``: ``naa.5000...``, ``eui.0025...``, ``uuid....``.
    """

    vendor: str = ""
    product: str = ""
    revision: str = ""
    serial: str = ""
    wwn: str = ""


def identity(block: Path) -> Identity:
    """Return the identity of the device whose directory in /sys/block is ``block``."""
    device = block / "device"
    kind = subsystem(device)
    if kind == "scsi":
        return scsi_identity(device)
    if kind in _NVME:
        product, revision, serial = (
            sysfs.text(device / name) for name in ("model", "firmware_rev", "serial")
        )
        return Identity("", product, revision, serial, sysfs.text(block / "wwid"))
    product = sysfs.text(block / "dm/name") or sysfs.text(block / "loop/backing_file")
    return Identity(product=product, serial=sysfs.text(block / "serial"), wwn=sysfs.text(block / "wwid"))


def scsi_identity(device: Path) -> Identity:
    """Return the identity of a SCSI device from its own directory, whether or not it has a block node."""
    # VPD page 80h (SPC-4, 7.8.15): a header of 4 bytes, the serial number.
    serial = sysfs.raw(device / "vpd_pg80")[4:].decode("ascii", "replace").strip("\0 ")
    vendor, product, revision = (sysfs.text(device / name) for name in ("vendor", "model", "rev"))
    return Identity(vendor, product, revision, serial, sysfs.text(device / "wwid"))


def transport(block: Path) -> str:
    """Return what connects the device whose directory in /sys/block is ``block``.

    ``sata``, ``sas``, ``fc``, ``iscsi``, ``usb``, ``virtio-scsi``, ``loopback`` (LIO on this host), or the
    driver's name, for SCSI; ``nvme``, ``nvme-tcp`` and so on; ``virtio-blk``; ``null_blk``, ``dm``, ``md``,
    ``loop`` and other drivers of devices that are made by software.
    """
    device = block / "device"
    kind = subsystem(device)
    if kind == "scsi":
        return scsi_transport(device)
    if kind in _NVME:
        over = _nvme_transport(device)
        return "nvme" if over == "pcie" else f"nvme-{over}"
    if kind == "virtio":
        return "virtio-blk"
    driver = re.split(r"[-\d!]", block.name, maxsplit=1)[0]
    return kind or _VIRTUAL_TRANSPORTS.get(driver, driver)


def _nvme_transport(device: Path) -> str:
    """Return what connects a controller, or the first controller of a multipath subsystem."""
    controllers = (device / name for name in sysfs.names(device) if re.fullmatch(r"nvme\d+", name))
    return next(
        (over for place in (device, *controllers) if (over := sysfs.text(place / "transport"))), "pcie"
    )


def scsi_transport(device: Path) -> str:
    """Return what connects a SCSI device, from its own directory."""
    place = device.resolve()
    for pattern, name in _PATH_TRANSPORTS:
        if re.search(pattern, f"{place}/"):
            return name
    host = next((part for part in place.parents if re.fullmatch(r"host\d+", part.name)), None)
    driver = sysfs.text(host / "scsi_host" / host.name / "proc_name") if host else ""
    return _HOST_TRANSPORTS.get(driver, driver or "scsi")


def subsystem(device: Path) -> str:
    """Return the kernel's subsystem that ``device`` is of (``scsi``, ``nvme``, ``virtio``); "" for none."""
    return Path(sysfs.link(device / "subsystem")).name
