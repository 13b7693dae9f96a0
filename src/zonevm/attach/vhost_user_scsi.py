"""Attaches emulated SMR disks: this process serves a vhost-user-scsi controller, the disks are its LUNs."""

from __future__ import annotations

from zonevm.attach.base import QemuDevice
from zonevm.attach.drivers import SCSI_DRIVERS
from zonevm.attach.emulated import ServedDisks, check
from zonevm.attach.method import Method, QemuModel
from zonevm.attach.qemu_options import option_string


class VhostUserScsi(ServedDisks):
    """One SCSI controller; the n-th disk is LUN n of its target 0."""

    prefix = "smr"

    def device(self) -> QemuDevice:
        chardev = f"{self.name}-socket"
        socket = option_string("socket", id=chardev, path=self.socket)
        controller = option_string(
            "vhost-user-scsi-pci", id=self.name, chardev=chardev, num_queues=self.queues
        )
        return QemuDevice(
            ("-chardev", socket, "-device", controller),
            shared_memory=True,
            min_qemu=METHOD.since,
            by_hand=self.by_hand(),
        )


METHOD = Method(
    "vhost-user-scsi",
    "an emulated SMR disk, served by zonevm",
    VhostUserScsi,
    models=(QemuModel("vhost-user-scsi-pci", since=(7, 2)),),
    front="vhost-user-scsi-pci",
    drivers=SCSI_DRIVERS,
    check=check,
    crowd=16,
    served=True,
)
