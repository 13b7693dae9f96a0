"""Decides how each disk is attached, once. A new kind of disk is a row in :data:`_METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from zonevm.attach import nvme_zns, physical, plain, vhost_scsi, vhost_user_scsi
from zonevm.attach.disk_set import DiskSet
from zonevm.attach.method import Member, Method
from zonevm.attach.methods import MODELS
from zonevm.disks import Disk, PhysicalDisk, PlainDisk, SmrDisk, TcmuDisk, ZnsDisk
from zonevm.errors import HostError, QemuError, ZonevmError
from zonevm.host import find_qemu
from zonevm.host.abilities import Abilities
from zonevm.host.devices import Device
from zonevm.host.qemu import pulled_qemus

_METHODS: Mapping[type[Disk], Callable[[Any], Method]] = {
    SmrDisk: lambda _: vhost_user_scsi.METHOD,
    ZnsDisk: lambda _: nvme_zns.METHOD,
    TcmuDisk: lambda _: vhost_scsi.TCMU,
    PlainDisk: lambda _: plain.METHOD,
    PhysicalDisk: physical.method,
}
"""What returns the method of a disk of each kind, once it is chosen."""

_CHOOSERS: Mapping[type[Disk], Callable[[Any, Abilities], tuple[Disk, Device | None]]] = {
    PhysicalDisk: physical.choose
}
"""What chooses, for the kinds that have several methods."""


def resolve(disks: Iterable[Disk], qemu: str | None = None, *, pulled: bool = True) -> DiskSet:
    """Return the disks, each with its method, and the QEMU that is to have them; a set is returned as it is.

    The QEMU is ``qemu``, as :func:`find_qemu` takes it. With None, and disks that the host's QEMU cannot
    have, it is one that was pulled and can, unless ``pulled`` is off: the first disk then has a note that
    says why. It is asked what it can do only where a kind has several methods. Raises what
    :func:`physical.choose` does, and :class:`UsageError` for more disks than a guest can have.
    """
    if isinstance(disks, DiskSet):
        return disks
    disks = tuple(disks)
    others = pulled_qemus() if pulled and qemu is None else []
    if not others:
        return _chosen(disks, qemu)
    try:
        return _fitting(disks, None)
    except (HostError, QemuError) as error:
        refusal = error
    try:
        chosen = _fitting(disks, str(others[0]))
    except ZonevmError:
        raise refusal from None
    for disk in chosen[:1]:
        disk.note(f"using the pulled QEMU, since {refusal.message}")
    return chosen


def with_methods(
    disks: Iterable[Disk],
    devices: Mapping[int, Device] = MappingProxyType({}),
    qemu: str | None = None,
) -> DiskSet:
    """Return the set of disks whose methods were chosen; ``devices``: the host's, by the disks' numbers."""
    members = (
        Member(number, disk, _METHODS[type(disk)](disk), devices.get(number))
        for number, disk in enumerate(disks)
    )
    return DiskSet(members, qemu)


def _fitting(disks: tuple[Disk, ...], qemu: str | None) -> DiskSet:
    """Return the set, if its disks can be attached and ``qemu`` is new enough for each."""
    found = find_qemu(qemu)
    chosen = _chosen(disks, qemu)
    chosen.check()
    chosen.require_qemu(found)
    return chosen


def _chosen(disks: tuple[Disk, ...], qemu: str | None) -> DiskSet:
    chosen, devices = list(disks), {}
    several = [number for number, disk in enumerate(disks) if type(disk) in _CHOOSERS]
    if several:
        abilities = Abilities.of(find_qemu(qemu), MODELS)
        for number in several:
            chosen[number], device = _CHOOSERS[type(disks[number])](disks[number], abilities)
            if device:
                devices[number] = device
    return with_methods(chosen, devices, qemu)
