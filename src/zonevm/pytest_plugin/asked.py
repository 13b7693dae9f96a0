"""What a test asks for, by its marks and the options of the session. Imports nothing of a guest's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from zonevm.disks import Disk

NAME = "zoned"
MARK = (
    f"{NAME}(disks, *, reboot=False, trace=False, **options): the disks of the test's guest, whether it is to"
    " be a new one and its commands are traced; kernel, memory and other options of zonevm.Guest"
)
_OWN = ("disks", "reboot", "trace")
_OPTIONS = (
    "accel",
    "append",
    "boot_timeout",
    "cpus",
    "faults",
    "kernel",
    "memory",
    "net",
    "qemu",
    "qemu_args",
    "rwdirs",
    "udev",
)


@dataclass(frozen=True)
class Asked:
    """The guest of a test; ``options`` are those of :class:`zonevm.Guest`.

    ``reboot``: a guest of its own. ``trace``: its commands are traced, for which it has one of its own too.
    """

    disks: tuple[Disk | str, ...]
    reboot: bool = False
    trace: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """The disks in the ``--disk`` grammar."""
        return [str(disk) for disk in self.disks]


def asked(item: pytest.Item, kernel: str | None, disk: str | None) -> Asked:
    """Return what a test asks for: by the mark nearest to it, where several say something of the same.

    ``kernel`` and ``disk``, where they are given, take the place of the test's own. A mark that says what
    cannot be fails the test.
    """
    told: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers(NAME))):
        if len(mark.args) > 1 or (mark.args and "disks" in mark.kwargs):
            _refuse("the mark has one argument without a name, the disks")
        told.update(mark.kwargs, **({"disks": mark.args[0]} if mark.args else {}))
    if unknown := sorted(set(told) - {*_OWN, *_OPTIONS}):
        _refuse(f"there is no option {unknown[0]!r}; there are {', '.join([*_OWN, *_OPTIONS])}")
    disks, reboot, trace = told.pop("disks", ()), told.pop("reboot", False), told.pop("trace", False)
    disks = [disk] if disk else [disks] if isinstance(disks, str) else disks
    if not disks:
        _refuse(f'there are no disks: @pytest.mark.{NAME}(disks=["smr,size=4G"])')
    if kernel:
        told["kernel"] = kernel
    return Asked(tuple(disks), reboot, trace, told)


def _refuse(message: str) -> None:
    pytest.fail(f"{NAME}: {message}", pytrace=False)
