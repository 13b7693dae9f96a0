"""What a check of the host is: a question with an answer, what was seen, and the command that fixes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from zonevm.errors import ZonevmError
from zonevm.host.abilities import Abilities
from zonevm.host.devices import Device, block_devices
from zonevm.host.features import KernelFeatures
from zonevm.host.qemu import Qemu, find_qemu


class Status(StrEnum):
    """The answer: it is there; it is missing and can be had; this host cannot."""

    OK = "ok"
    MISSING = "missing"
    CANNOT = "cannot"


@dataclass(frozen=True)
class Finding:
    """The answer to one check.

    ``mend``: the command (or, where there is none, the words) that fixes it; "" where nothing does or need
    be. ``required``: whether the method fails without it; otherwise it only does less.
    """

    name: str
    status: Status
    seen: str
    mend: str = ""
    required: bool = True

    @property
    def fails(self) -> bool:
        """Whether a method that asked cannot work because of it."""
        return self.required and self.status is not Status.OK


@dataclass(frozen=True)
class Host:
    """The host that is looked at; what it has is looked up once.

    ``models``: the QEMU devices that checks ask about. ``guest_kernel`` returns the version of the kernel
    that a guest would run, and ``accelerator`` the name of what would run it (``kvm`` only
    where a guest has proved it); both raise :class:`ZonevmError` for why not.
    ``root`` is the root of its file system, ``release`` its kernel's, ``user`` the effective user's number.
    """

    models: tuple[str, ...]
    guest_kernel: Callable[[], str]
    accelerator: Callable[[], str]
    qemu_name: str | None = None
    root: Path = Path("/")
    release: str = field(default_factory=lambda: os.uname().release)
    user: int = field(default_factory=os.geteuid)

    @cached_property
    def features(self) -> KernelFeatures:
        return KernelFeatures(self.root, self.release)

    @cached_property
    def devices(self) -> list[Device]:
        return block_devices(self.root)

    @cached_property
    def qemu(self) -> Qemu:
        """Its QEMU. Raises :class:`ZonevmError` where there is none."""
        return find_qemu(self.qemu_name)

    @cached_property
    def abilities(self) -> Abilities:
        """What its QEMU can do. Raises :class:`ZonevmError` where there is none."""
        return Abilities.of(self.qemu, self.models)


Check = Callable[[Host], Finding]
"""Answers one question about a host. Raises nothing."""


def attempt(name: str, look: Callable[[], str], *, required: bool = True) -> Finding:
    """Return what ``look`` saw as a finding; an error is what is missing, its hint how to fix it."""
    try:
        return Finding(name, Status.OK, look(), required=required)
    except ZonevmError as error:
        return Finding(name, Status.MISSING, error.message, error.hint, required)
