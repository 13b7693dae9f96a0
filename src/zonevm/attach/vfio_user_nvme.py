"""Attaches NVMe namespaces of zonevm's own: this process serves a controller over vfio-user."""

from __future__ import annotations

import json

from zonevm.attach.base import QemuDevice
from zonevm.attach.emulated import ServedDisks, check
from zonevm.attach.method import Method, QemuModel
from zonevm.errors import HostError
from zonevm.inputs import shown


class VfioUserNvme(ServedDisks):
    """One NVMe controller; the n-th disk is its namespace n + 1."""

    prefix = "nvme"

    def device(self) -> QemuDevice:
        # A socket address is no plain value: QEMU takes it as JSON only, and JSON in UTF-8.
        try:
            path = bytes(self.socket).decode()
        except UnicodeDecodeError as error:
            raise HostError(
                f"{shown(self.socket)} is not in UTF-8, in which QEMU takes the socket of an NVMe controller",
                "Set XDG_RUNTIME_DIR to a directory whose name is.",
            ) from error
        controller = {"driver": METHOD.front, "id": self.name, "socket": {"type": "unix", "path": path}}
        return QemuDevice(
            ("-device", json.dumps(controller)),
            shared_memory=True,
            needs_msi=True,
            by_hand=self.by_hand(),
        )


METHOD = Method(
    "vfio-user-nvme",
    "an emulated NVMe namespace, zoned (ZNS) or not, served by zonevm",
    VfioUserNvme,
    models=(QemuModel("vfio-user-pci", since=(10, 1)),),
    front="vfio-user-pci",
    drivers=("nvme",),
    check=check,
    scsi=False,
    served=True,
)
