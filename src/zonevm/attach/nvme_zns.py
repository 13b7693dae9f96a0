"""Attaches a ZNS namespace that QEMU emulates: a raw file behind ``nvme`` and ``nvme-ns``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.method import Member, Method, QemuModel, Version
from zonevm.attach.qemu_options import option_string
from zonevm.attach.raw_file import RawFile, check_file
from zonevm.disks import ZnsDisk
from zonevm.errors import ImageError
from zonevm.units import format_size

_SINCE_AUTO_TRANSITION, _SINCE_ZRWA = (6, 1), (7, 0)


class NvmeZns(Attachment):
    """One namespace on an NVMe controller of its own."""

    def __init__(self, members: Sequence[Member[ZnsDisk]], index: int, runtime_dir: Path) -> None:
        (self._member,) = members
        self._disk = self._member.disk
        self._name = f"zns{index}"
        self._file = RawFile("zns", self._disk.file, self._disk.size, runtime_dir / f"{self._name}.raw")
        self._undo = ExitStack()

    def describe(self) -> QemuDevice:
        """Return the controller, the namespace and the file behind it."""
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
        name, disk = self._name, self._disk
        properties: dict[str, dict[str, str]] = {"nvme": {}, "nvme-ns": {}}
        for option in disk.options().values():
            is_set = vars(disk)[option.field] != option.default.value or option.name == "zone-size"
            if option.qemu and is_set:
                device, _, name_in_qemu = option.qemu.partition(".")
                properties[device][name_in_qemu] = option.text(disk)
        block = {"logical_block_size": disk.block_size, "physical_block_size": disk.block_size}
        controller = option_string("nvme", id=name, serial=disk.serial or name, **properties["nvme"])
        namespace = option_string(
            "nvme-ns", drive=f"{name}-data", bus=name, nsid=1, **block, zoned="true", **properties["nvme-ns"]
        )
        data = self._file.blockdev(f"{name}-data")
        return QemuDevice(
            ("-blockdev", data, "-device", controller, "-device", namespace),
            min_qemu=self._member.since,
            by_hand=self._file.by_hand(),
        )


def _check(member: Member[ZnsDisk]) -> None:
    """Check that the options fit the size of a file that exists."""
    disk = member.disk
    size = check_file("zns", disk.file, disk.size)
    if size == 0 or size % disk.zone_size:
        raise ImageError(
            f"zns: {disk.file} has {size} bytes, not a multiple of zone-size={format_size(disk.zone_size)}",
            "Give the zone-size that the file was made with, or another file.",
        )
    disk.but(size=size)


def _since(member: Member[ZnsDisk]) -> Version:
    if member.disk.zrwas:
        return _SINCE_ZRWA
    return _SINCE_AUTO_TRANSITION if "auto-transition" in member.disk.given else METHOD.since


METHOD = Method(
    "nvme-zns",
    "an emulated ZNS namespace, by QEMU",
    NvmeZns,
    models=(QemuModel("nvme-ns", (6, 0), ("zoned", "zoned.zone_capacity")),),
    front="nvme",
    drivers=("nvme",),
    since_of=_since,
    check=_check,
    scsi=False,
)
