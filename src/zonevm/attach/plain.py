"""Attaches an ordinary disk: a raw file behind virtio-blk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.drivers import BLOCK_DRIVERS
from zonevm.attach.method import Member, Method
from zonevm.attach.qemu_options import option_string
from zonevm.attach.raw_file import RawFile, check_file
from zonevm.disks import PlainDisk
from zonevm.disks.plain import BLOCK
from zonevm.errors import ImageError


class Plain(Attachment):
    """One disk, as a virtio-blk device."""

    def __init__(self, members: Sequence[Member[PlainDisk]], index: int, runtime_dir: Path) -> None:
        (self._member,) = members
        self._disk = self._member.disk
        self._name = f"plain{index}"
        self._file = RawFile("plain", self._disk.file, self._disk.size, runtime_dir / f"{self._name}.raw")
        self._undo = ExitStack()

    def describe(self) -> QemuDevice:
        """Return the device and the file behind it."""
        _check(self._member)
        return self._device()

    def __enter__(self) -> QemuDevice:
        _check(self._member)
        with ExitStack() as undo:
            self._file.prepare(undo)
            self._undo = undo.pop_all()
        return self._device()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _device(self) -> QemuDevice:
        node = f"{self._name}-data"
        serial = {} if self._disk.serial is None else {"serial": self._disk.serial}
        disk = option_string("virtio-blk-pci", id=self._name, drive=node, **serial)
        arguments = ("-blockdev", self._file.blockdev(node), "-device", disk)
        return QemuDevice(arguments, by_hand=self._file.by_hand())


def _check(member: Member[PlainDisk]) -> None:
    disk = member.disk
    size = check_file("plain", disk.file, disk.size)
    if size == 0 or size % BLOCK:
        raise ImageError(
            f"plain: {disk.file} has {size} bytes, not a multiple of {BLOCK}",
            "Give another file, or make this one longer with truncate(1).",
        )


METHOD = Method(
    "plain",
    "an ordinary disk, by virtio-blk",
    Plain,
    front="virtio-blk-pci",
    drivers=BLOCK_DRIVERS,
    check=_check,
    zoned=False,
    scsi=False,
)
