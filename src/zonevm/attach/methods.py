"""All methods, and what they need together. Attaches nothing.

A new method is a new file and its row in :data:`METHODS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from zonevm.attach import (
    nvme_zns,
    plain,
    scsi_block,
    scsi_generic,
    vfio_user_nvme,
    vhost_scsi,
    vhost_user_scsi,
    virtio_blk,
)
from zonevm.attach.method import Method
from zonevm.attach.qemu_options import properties
from zonevm.host import checks_kernel

_LOOPBACK = Method(
    "loopback",
    "an SMR disk emulated by tcmu-runner, on this host itself",
    checks=(
        *checks_kernel.LIO,
        checks_kernel.feature("tcm_loop", "LOOPBACK_TARGET"),
        *checks_kernel.TCMU,
        checks_kernel.zoned_block_layer,
    ),
)

METHODS = {
    method.name: method
    for method in (
        vhost_user_scsi.METHOD,
        vfio_user_nvme.METHOD,
        nvme_zns.METHOD,
        scsi_block.METHOD,
        scsi_generic.METHOD,
        vhost_scsi.PSCSI,
        vhost_scsi.TCMU,
        _LOOPBACK,
        virtio_blk.METHOD,
        plain.METHOD,
    )
}
"""The methods by their names; those for devices of this host with the better ones first."""

OF_HOST = {method.host.via: method for method in METHODS.values() if method.host}
"""The methods for devices of this host, by the names that ``via`` has for them."""

MODELS = tuple(sorted({model.name for method in METHODS.values() for model in method.models}))
"""The QEMU devices that methods need."""


def driver_modules(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``(module, device that needs it)`` for the disks' devices among QEMU arguments.

    A variant of a device (``virtio-scsi-pci-non-transitional``, ``nvme-ns``) has the same drivers: no udev
    in the guest loads them.
    """
    having = [method for method in METHODS.values() if method.front]
    fronts = {method.front.removesuffix("-pci"): method.drivers for method in having}
    wanted: list[tuple[str, str]] = []
    for option, value in pairwise(arguments):
        if option == "-device":
            device = str(properties(value).get("driver", ""))
            for prefix, modules in fronts.items():
                if device.startswith(prefix):
                    wanted += [(module, f"the device {device}") for module in modules]
    return list(dict.fromkeys(wanted))
