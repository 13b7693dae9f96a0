"""Attaches any zoned block device by virtio-blk: QEMU does the guest's zone operations by ioctl."""

from __future__ import annotations

from zonevm.attach import libvirt
from zonevm.attach.base import QemuDevice
from zonevm.attach.drivers import BLOCK_DRIVERS
from zonevm.attach.host_disk import HostDisk, block_node
from zonevm.attach.method import HostNode, Method, QemuModel
from zonevm.attach.qemu_options import option_string
from zonevm.host import checks_disks
from zonevm.host.devices import Device

_SINCE = (8, 1)
"""The first QEMU that passes zones (VIRTIO_BLK_F_ZONED, virtio 1.3, 5.2) on to a guest."""

_SINCE_KERNEL = (6, 4)
"""The first Linux whose virtio_blk sees the zones."""


class VirtioBlk(HostDisk):
    """The device, as a virtio-blk device."""

    def _device(self, device: Device) -> QemuDevice:
        name = self._name
        node = block_node(f"{name}-node", device.node)
        disk = option_string("virtio-blk-pci", id=name, drive=f"{name}-node")
        return QemuDevice(
            (*node, "-device", disk),
            min_qemu=METHOD.since,
            min_kernel=METHOD.min_kernel,
            libvirt=(libvirt.block_disk(device.node, self._index),),
        )


METHOD = Method(
    "virtio-blk",
    "any zoned block device of this host",
    VirtioBlk,
    models=(QemuModel("virtio-blk-pci", _SINCE),),
    front="virtio-blk-pci",
    drivers=BLOCK_DRIVERS,
    min_kernel=_SINCE_KERNEL,
    checks=(checks_disks.block,),
    host=HostNode("virtio-blk", lambda device: device.node),
    scsi=False,
)
