"""Examines a host, method by method: what can be done here, what is missing, what mends it.

A new method is a row of :data:`METHODS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zonevm.host import checks_disks as disks
from zonevm.host import checks_guest as guest
from zonevm.host import checks_kernel as kernel
from zonevm.host.checks import Check, Finding, Host

MAIN = "vhost-user-scsi"
"""The method that zonevm is useful with on its own, without hardware or root."""


@dataclass(frozen=True)
class Method:
    """One way of attaching a disk, and what it needs of the host."""

    summary: str
    checks: tuple[Check, ...]


_VHOST = (
    *guest.GUEST,
    guest.device("vhost-scsi-pci", since=(2, 6)),
    *kernel.LIO,
    kernel.feature("vhost_scsi", "VHOST_SCSI"),
)

METHODS = {
    MAIN: Method(
        "an emulated SMR disk, served by zonevm",
        (*guest.GUEST, guest.core, guest.device("vhost-user-scsi-pci", since=(7, 2))),
    ),
    "nvme-zns": Method(
        "an emulated ZNS namespace, by QEMU",
        (*guest.GUEST, guest.device("nvme-ns", "zoned", "zoned.zone_capacity", since=(6, 0))),
    ),
    "scsi-block": Method(
        "a zoned SCSI disk of this host, by its block node",
        (
            *guest.GUEST,
            guest.device("virtio-scsi-pci"),
            guest.device("scsi-block", since=(4, 1)),
            disks.scsi_block,
        ),
    ),
    "scsi-generic": Method(
        "a zoned SCSI disk of this host, by its SG node",
        (
            *guest.GUEST,
            guest.device("virtio-scsi-pci"),
            guest.device("scsi-generic", since=(2, 0)),
            guest.iscsi,
            kernel.feature("sg", "CHR_DEV_SG"),
            disks.scsi_generic,
        ),
    ),
    "vhost-scsi-pscsi": Method(
        "a zoned SCSI disk of this host, through LIO",
        (*_VHOST, *kernel.PSCSI, disks.scsi_generic),
    ),
    "vhost-scsi-tcmu": Method(
        "an SMR disk emulated by tcmu-runner, through LIO",
        (*_VHOST, *kernel.TCMU),
    ),
    "loopback": Method(
        "an SMR disk emulated by tcmu-runner, on this host itself",
        (
            *kernel.LIO,
            kernel.feature("tcm_loop", "LOOPBACK_TARGET"),
            *kernel.TCMU,
            kernel.zoned_block_layer,
        ),
    ),
    "virtio-blk": Method(
        "any zoned block device of this host",
        (
            *guest.MACHINE,
            guest.kernel_since((6, 4), "zoned virtio-blk"),
            guest.device("virtio-blk-pci", since=(8, 1)),
            disks.block,
        ),
    ),
}
"""The methods by their names."""


@dataclass(frozen=True)
class Report:
    """What was found of one method."""

    method: str
    summary: str
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether the method works here: all that it requires is there."""
        return not any(finding.fails for finding in self.findings)


def examine(host: Host, methods: Iterable[str] = tuple(METHODS)) -> list[Report]:
    """Return the reports of ``methods``. A check that several need is made once."""
    found: dict[Check, Finding] = {}
    reports = []
    for name in methods:
        method = METHODS[name]
        for check in method.checks:
            if check not in found:
                found[check] = check(host)
        reports.append(Report(name, method.summary, tuple(found[check] for check in method.checks)))
    return reports
