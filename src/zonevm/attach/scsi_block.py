"""Attaches a SCSI disk by its block node: QEMU's ``scsi-block`` hands the guest's commands to it by SG_IO."""

from __future__ import annotations

from zonevm.attach import libvirt
from zonevm.attach.base import QemuDevice
from zonevm.attach.drivers import SCSI_DRIVERS
from zonevm.attach.host_disk import HostDisk, block_node
from zonevm.attach.method import HostNode, Method, QemuModel
from zonevm.attach.qemu_options import option_string
from zonevm.host import checks_disks
from zonevm.host.devices import Device

_SINCE = (4, 1)
"""Before, sense data was mishandled: the guest hangs at the first command that fails."""


class ScsiBlock(HostDisk):
    """The disk, on a virtio-scsi controller of its own."""

    def _device(self, device: Device) -> QemuDevice:
        name = self._name
        node = block_node(f"{name}-node", device.node)
        controller = option_string("virtio-scsi-pci", id=name)
        disk = option_string("scsi-block", bus=f"{name}.0", drive=f"{name}-node")
        return QemuDevice(
            (*node, "-device", controller, "-device", disk),
            min_qemu=METHOD.since,
            libvirt=(libvirt.scsi_controller(self._index), libvirt.lun(device.node, self._index)),
        )


METHOD = Method(
    "scsi-block",
    "a zoned SCSI disk of this host, by its block node",
    ScsiBlock,
    models=(QemuModel("virtio-scsi-pci"), QemuModel("scsi-block", _SINCE)),
    front="virtio-scsi-pci",
    drivers=SCSI_DRIVERS,
    checks=(checks_disks.scsi_block,),
    host=HostNode("scsi-block", lambda device: device.node),
)
