"""Attaches a SCSI disk by its block node: QEMU's ``scsi-block`` hands the guest's commands to it by SG_IO."""

from __future__ import annotations

from zonevm.attach import libvirt
from zonevm.attach.base import QemuDevice
from zonevm.attach.host_disk import HostDisk, block_node
from zonevm.attach.qemu_options import option_string
from zonevm.host.devices import Device

SINCE = (4, 1)
"""Before, sense data was mishandled: the guest hangs at the first command that fails."""

DEVICES = ("virtio-scsi-pci", "scsi-block")


class ScsiBlock(HostDisk):
    """The disk, on a virtio-scsi controller of its own."""

    def _device(self, device: Device) -> QemuDevice:
        name = self._name
        node = block_node(f"{name}-node", device.node)
        controller = option_string("virtio-scsi-pci", id=name)
        disk = option_string("scsi-block", bus=f"{name}.0", drive=f"{name}-node")
        return QemuDevice(
            (*node, "-device", controller, "-device", disk),
            min_qemu=SINCE,
            libvirt=(libvirt.scsi_controller(self._index), libvirt.lun(device.node, self._index)),
        )
