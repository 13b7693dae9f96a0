"""What a method is and needs, in one record that is read wherever that matters; and a disk with its method.

Each file of a method has its record, :mod:`zonevm.attach.methods` has them all. Attaches nothing and
knows no method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from zonevm.attach.base import Attachment
from zonevm.disks import Disk
from zonevm.host.checks import Check
from zonevm.host.devices import Device

Kind_co = TypeVar("Kind_co", bound=Disk, covariant=True)

Version = tuple[int, int]
"""Of QEMU or Linux: major, minor."""


@dataclass(frozen=True)
class QemuModel:
    """A device of QEMU that a method needs: since which version it can do that, with which properties."""

    name: str
    since: Version = (0, 0)
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostNode:
    """What a method does with a device of this host. ``via`` is what a user calls the method.

    ``node`` returns the node that QEMU opens, as this user; None: the host's kernel opens the device, for
    root. ``unasked``: it is chosen for a disk whose user names none.
    """

    via: str
    node: Callable[[Device], Path | None] | None
    unasked: bool = True


@dataclass(frozen=True)
class Method:
    """One way for a disk to reach QEMU.

    ``summary`` says, for people, what disks it is for. ``attach`` makes the attachment of ``(members,
    number in the guest, runtime directory)``; None: it has nothing to do with a guest. ``models`` are
    what it needs of QEMU; ``since_of`` returns the first QEMU for a member, where that depends on its
    options. ``front`` is the QEMU device that the guest has a driver for, ``drivers`` are the modules of
    its kernel that drive it, ``min_kernel`` is the first Linux in which they do. ``checks`` are what the
    doctor looks at besides. ``check`` raises what attaching a member would for a request that cannot
    work, and creates nothing. ``host``: it is for devices of this host. ``zoned``: it is for zoned disks.
    ``scsi``: the guest sees a SCSI disk, which one of the host has to be. ``crowd``: so many disks share
    an attachment where there are many. ``served``: this process serves the disks; only those fail on
    purpose, are traced and explained, lose power.
    """

    name: str
    summary: str
    attach: Callable[..., Attachment] | None = None
    models: tuple[QemuModel, ...] = ()
    front: str = ""
    drivers: tuple[str, ...] = ()
    since_of: Callable[[Any], Version] | None = None
    min_kernel: Version | None = None
    checks: tuple[Check, ...] = ()
    check: Callable[[Any], object] | None = None
    host: HostNode | None = None
    zoned: bool = True
    scsi: bool = True
    crowd: int = 1
    served: bool = False

    @property
    def since(self) -> Version:
        """The first QEMU that has all of ``models``."""
        return max((model.since for model in self.models), default=(0, 0))

    def wanted(self) -> list[tuple[str, str]]:
        """Return the modules that the guest's kernel needs, each with what needs it."""
        return [(driver, f"the device {self.front}") for driver in self.drivers]


@dataclass(frozen=True)
class Member(Generic[Kind_co]):
    """A disk of a guest with its number there, from 0 on, and its method.

    ``device`` is the host's that it is, as it was when the method was chosen; None: there is none.
    """

    number: int
    disk: Kind_co
    method: Method
    device: Device | None = None

    @property
    def since(self) -> Version:
        """The first QEMU that can have it."""
        return self.method.since_of(self) if self.method.since_of else self.method.since
