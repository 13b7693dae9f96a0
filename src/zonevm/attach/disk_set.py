"""A guest's disks once it is decided how each is attached. Decides nothing, looks at nothing on the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from zonevm.attach import pci
from zonevm.attach.base import Attachment
from zonevm.attach.method import Member
from zonevm.disks import Disk
from zonevm.errors import UsageError
from zonevm.faults import Fault, check_disks
from zonevm.host import Qemu

MOST_DISKS = 256
"""Of one guest. A PCI Express root port takes eight devices, and a machine some dozens of ports."""

Group = Sequence[Member[Any]]
"""Disks that share an attachment."""


class DiskSet(Sequence[Disk]):
    """The disks, by their numbers, each with its method; ``qemu`` names the QEMU that is to have them.

    ``qemu`` is what :func:`zonevm.host.find_qemu` takes. Raises :class:`UsageError` for more disks than a
    guest can have.
    """

    def __init__(self, members: Iterable[Member[Any]], qemu: str | None = None) -> None:
        self.members = tuple(members)
        self.qemu = qemu
        if len(self.members) > MOST_DISKS:
            raise UsageError(
                f"there are {len(self.members)} disks, and a guest has {MOST_DISKS} at most",
                "Leave some out, or give the others to a second guest.",
            )

    def __len__(self) -> int:
        return len(self.members)

    @overload
    def __getitem__(self, number: int) -> Disk: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Disk]: ...
    def __getitem__(self, number: int | slice) -> Disk | Sequence[Disk]:
        return tuple(member.disk for member in self.members)[number]

    @cached_property
    def groups(self) -> list[Group]:
        """The disks by attachment, in order: those that share a controller share one."""
        found = _by_controller(self.members, [(each.method.name, each.disk.shares) for each in self.members])
        return found if len(found) <= pci.MANY else _by_controller(self.members, _crowded(self.members))

    @property
    def served(self) -> list[int]:
        """The numbers of the disks that this process serves."""
        return [member.number for member in self.members if member.method.served]

    def drivers(self) -> list[tuple[str, str]]:
        """Return the modules that the guest's kernel needs, each with what needs it."""
        wanted = [driver for group in self.groups for driver in group[0].method.wanted()]
        return list(dict.fromkeys(wanted))

    def require_qemu(self, qemu: Qemu) -> None:
        """Raise :class:`QemuError` for a QEMU that is too old for one of the disks."""
        for member in self.members:
            qemu.require(member.since, "a disk of this guest")

    def check(self) -> None:
        """Raise what attaching the disks would for a request that cannot work, such as a missing image."""
        for group in self.groups:
            for member in group:
                if member.method.check:
                    member.method.check(member)

    def attachments(self, runtime_dir: Path, faults: Sequence[Fault] = ()) -> list[Attachment]:
        """Return the attachments of :attr:`groups`, in their order. Nothing is created yet.

        ``runtime_dir`` is where sockets go: private to the guest, there when an attachment is entered,
        removed by its owner after the last one is left, and short (a socket's path has at most 107 bytes).
        ``faults`` are in force from when an attachment is entered; :class:`UsageError` for one of a disk that
        cannot fail on purpose.
        """
        check_disks(faults, self)
        made = []
        for index, group in enumerate(self.groups):
            attach = group[0].method.attach
            assert attach
            attachment = attach(group, index, runtime_dir)
            if attachment.served:
                attachment.served.fail(faults)
            made.append(attachment)
        return made


def _by_controller(
    members: Sequence[Member[Any]], controllers: Iterable[tuple[object, object]]
) -> list[Group]:
    """Return the disks by their controllers; a controller whose second part is None is one disk's own."""
    found: dict[object, list[Member[Any]]] = {}
    for member, controller in zip(members, controllers, strict=True):
        found.setdefault(member.number if controller[1] is None else controller, []).append(member)
    return list(found.values())


def _crowded(members: Sequence[Member[Any]]) -> Iterator[tuple[object, object]]:
    """Yield the disks' controllers where disks without one of their own share some, if their method can.

    Only those share one that have no other SCSI disk between them: names in the guest go by controller.
    """
    controller, luns = 0, 0
    for member in members:
        method = member.method
        shared = method.crowd > 1 and member.disk.shares is None
        if (shared and luns == method.crowd) or (not shared and method.scsi):
            controller, luns = controller + 1, 0
        luns += shared
        yield method.name, controller if shared else member.disk.shares
