"""Decides how each disk is attached, once. A new kind of disk is a row in :data:`_METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from zonevm.attach import namespace, physical, plain, vfio_user_nvme, vhost_scsi, vhost_user_scsi
from zonevm.attach.case import Case
from zonevm.attach.disk_set import DiskSet
from zonevm.attach.method import Member, Method
from zonevm.attach.methods import MODELS
from zonevm.disks import Disk, NvmeDisk, PhysicalDisk, PlainDisk, SmrDisk, TcmuDisk, ZnsDisk
from zonevm.errors import HostError, QemuError
from zonevm.host import find_qemu
from zonevm.host.abilities import Abilities
from zonevm.host.devices import Device
from zonevm.host.qemu import pulled_qemus

_METHODS: Mapping[type[Disk], Callable[[Any], Method]] = {
    SmrDisk: lambda _: vhost_user_scsi.METHOD,
    ZnsDisk: namespace.method,
    NvmeDisk: lambda _: vfio_user_nvme.METHOD,
    TcmuDisk: lambda _: vhost_scsi.TCMU,
    PlainDisk: lambda _: plain.METHOD,
    PhysicalDisk: physical.method,
}
"""What returns the method of a disk of each kind, once it is chosen."""

_CHOOSERS: Mapping[type[Disk], Callable[[Any, Case], tuple[Disk, Device | None]]] = {
    PhysicalDisk: lambda disk, case: physical.choose(disk, case.abilities()),
    ZnsDisk: namespace.choose,
    NvmeDisk: namespace.choose,
}
"""What chooses, for the kinds that have several methods."""


def resolve(
    disks: Iterable[Disk],
    qemu: str | None = None,
    *,
    serve: Container[int] = (),
    elsewhere: bool = False,
) -> DiskSet:
    """Return the disks, each with its method, and the QEMU that is to have them; a set is returned as it is.

    The QEMU is ``qemu``, as :func:`find_qemu` takes it. With None, and disks that the host's QEMU cannot
    have, it is one that was pulled and can: the first disk then has a note that says why. It is asked what
    it can do only where a kind has several methods. ``serve``: the numbers of disks that zonevm itself has
    to serve, since they fail on purpose or their commands are seen. ``elsewhere``: somebody else starts the
    QEMU, which is not asked. Raises what the choosers do, and :class:`UsageError` for more disks than a guest
    can have.
    """
    if isinstance(disks, DiskSet):
        return disks
    choice = _Choice(tuple(disks), serve, elsewhere)
    others = pulled_qemus() if qemu is None and not elsewhere else []
    if not others:
        return choice.made(qemu, makeshift=True)
    try:
        return choice.fitting(None)
    except (HostError, QemuError) as error:
        refusal = error
    try:
        chosen = choice.fitting(str(others[0]))
    except (HostError, QemuError):
        return choice.made(None, makeshift=True)
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


@dataclass(frozen=True)
class _Choice:
    """Disks, some of kinds that have several methods; see :func:`resolve`."""

    disks: tuple[Disk, ...]
    serve: Container[int]
    elsewhere: bool

    def fitting(self, qemu: str | None) -> DiskSet:
        """Return the set, if its disks can be attached and ``qemu`` is new enough for each."""
        found = find_qemu(qemu)
        chosen = self.made(qemu, makeshift=False)
        chosen.check()
        chosen.require_qemu(found)
        return chosen

    def made(self, qemu: str | None, *, makeshift: bool) -> DiskSet:
        """Return the set with a method for each disk, as good as ``qemu`` can, or else an error."""
        abilities = cache(lambda: Abilities.of(find_qemu(qemu), MODELS))
        chosen, devices = list(self.disks), {}
        for number, disk in enumerate(self.disks):
            if choose := _CHOOSERS.get(type(disk)):
                case = Case(abilities, number in self.serve, self.elsewhere, makeshift)
                chosen[number], device = choose(disk, case)
                if device:
                    devices[number] = device
        return with_methods(chosen, devices, qemu)
