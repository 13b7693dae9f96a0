"""What the ways of giving QEMU a device of this host have in common: it is claimed while a guest has it."""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.method import Member
from zonevm.attach.qemu_options import option_string
from zonevm.disks import PhysicalDisk
from zonevm.errors import HostError
from zonevm.host.devices import Device


class HostDisk(Attachment):
    """One device of this host. Whether it may be given away was decided when its method was chosen."""

    def __init__(self, members: Sequence[Member[PhysicalDisk]], index: int, runtime_dir: Path) -> None:
        (member,) = members
        assert member.device
        self._host_device = member.device
        self._index = index
        self._name = f"disk{index}"
        self._undo = ExitStack()

    def describe(self) -> QemuDevice:
        """Return the device as the host had it when its method was chosen."""
        return self._device(self._host_device)

    def __enter__(self) -> QemuDevice:
        _claim(self._host_device, self._undo)
        return self._device(self._host_device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    @abstractmethod
    def _device(self, device: Device) -> QemuDevice:
        """Return what QEMU needs to have ``device``."""


def block_node(name: str, path: Path | None, *, direct: bool = True) -> tuple[str, str]:
    """Return QEMU's arguments that open ``path`` as its block node ``name``.

    ``direct``: past the page cache, which does not keep the order of writes; QEMU opens no zoned block
    device otherwise, and a character device (an SG node) cannot be opened so.
    """
    cache = {"cache.direct": "on"} if direct else {}
    node = {"node-name": name, "filename": path}
    return "-blockdev", option_string("driver=host_device", **node, **cache)


def _claim(device: Device, undo: ExitStack) -> None:
    """Keep the host from mounting the device meanwhile, where this user may open its block node.

    ``O_EXCL`` without ``O_CREAT`` is a claim that mount(2) and other claims respect (open(2)); QEMU, which
    makes none, is not kept out.
    """
    if device.node is None:
        return
    try:
        claim = os.open(device.node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise HostError(f"{device} has just been put to another use", "Give another disk.") from error
        return
    undo.callback(os.close, claim)
