"""Attaches a SCSI disk by its SG node, or an iSCSI LUN: QEMU's ``scsi-generic`` hands it every command."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from zonevm.attach import libvirt
from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.drivers import SCSI_DRIVERS
from zonevm.attach.host_disk import HostDisk, block_node
from zonevm.attach.method import HostNode, Member, Method, QemuModel
from zonevm.attach.qemu_options import option_string
from zonevm.disks import PhysicalDisk
from zonevm.host import checks_disks, checks_guest, checks_kernel
from zonevm.host.devices import Device, scsi_address

ISCSI_DRIVER = "iscsi"


class ScsiGeneric(HostDisk):
    """The disk, on a virtio-scsi controller of its own."""

    def _device(self, device: Device) -> QemuDevice:
        node = block_node(f"{self._name}-node", device.sg_node, direct=False)
        attached = _on_controller(self._name, node)
        address = scsi_address(device)
        if address is None:
            return attached
        elements = (libvirt.scsi_controller(self._index), libvirt.scsi_device(address, self._index))
        return dataclasses.replace(attached, libvirt=elements)


class IscsiLun(Attachment):
    """A LUN that QEMU itself connects to: nothing of it is on this host, so nothing is prepared."""

    def __init__(self, members: Sequence[Member[PhysicalDisk]], index: int, runtime_dir: Path) -> None:
        self._disk = members[0].disk
        self._name = f"disk{index}"

    def describe(self) -> QemuDevice:
        """Return the controller and the LUN."""
        # Only a -drive takes an address with user and password in it.
        drive = option_string(f"if=none,id={self._name}-node,format=raw", file=self._disk.path)
        return _on_controller(self._name, ("-drive", drive))

    def __enter__(self) -> QemuDevice:
        return self.describe()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _attachment(members: Sequence[Member[PhysicalDisk]], index: int, runtime_dir: Path) -> Attachment:
    made = IscsiLun if members[0].disk.iscsi else ScsiGeneric
    return made(members, index, runtime_dir)


def _on_controller(name: str, node: tuple[str, str]) -> QemuDevice:
    controller = option_string("virtio-scsi-pci", id=name)
    disk = option_string("scsi-generic", bus=f"{name}.0", drive=f"{name}-node")
    return QemuDevice((*node, "-device", controller, "-device", disk), min_qemu=METHOD.since)


METHOD = Method(
    "scsi-generic",
    "a zoned SCSI disk of this host, by its SG node",
    _attachment,
    models=(QemuModel("virtio-scsi-pci"), QemuModel("scsi-generic", (2, 0))),
    front="virtio-scsi-pci",
    drivers=SCSI_DRIVERS,
    checks=(checks_guest.iscsi, checks_kernel.feature("sg", "CHR_DEV_SG"), checks_disks.scsi_generic),
    host=HostNode("scsi-generic", lambda device: device.sg_node),
)
