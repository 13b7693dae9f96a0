"""Attaches a kernel target by vhost-scsi: the host's kernel serves the guest's commands, QEMU sees none of
them.

Needs root. The target is made when the attachment is entered, and removed when it is left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from zonevm import lio
from zonevm.attach import libvirt
from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.drivers import SCSI_DRIVERS
from zonevm.attach.method import HostNode, Member, Method, QemuModel
from zonevm.attach.qemu_options import option_string
from zonevm.attach.scratch import scratch_dir
from zonevm.disks import PhysicalDisk, TcmuDisk
from zonevm.errors import ImageError
from zonevm.host import checks_disks, checks_kernel

_FRONT = "vhost-scsi-pci"
_MODELS = (QemuModel(_FRONT, since=(2, 6)),)
_CHECKS = (*checks_kernel.LIO, checks_kernel.feature("vhost_scsi", "VHOST_SCSI"))


class VhostScsi(Attachment):
    """A target with one LUN: the backstore that ``plan`` returns, as ``lambda: Pscsi.plan(node)`` does."""

    def __init__(self, plan: Callable[[], lio.Backstore], index: int, wwn: str | None = None) -> None:
        self._plan = plan
        self._device_id = f"vhost-scsi{index}"
        self._name = f"run-{os.getpid()}-{index}"
        self._wwn = wwn or lio.random_wwn()
        self._undo = ExitStack()

    def describe(self) -> QemuDevice:
        """Return the device, and the commands that make its target by hand."""
        return self._device(self._spec(self._plan()))

    def __enter__(self) -> QemuDevice:
        with ExitStack() as undo:
            device = self._prepare(undo)
            self._undo = undo.pop_all()
        return device

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _prepare(self, undo: ExitStack) -> QemuDevice:
        return self._serve(self._plan(), undo)

    def _serve(self, backstore: lio.Backstore, undo: ExitStack, scratch: Path | None = None) -> QemuDevice:
        spec = self._spec(backstore)
        lio.create(spec, scratch=scratch)
        undo.callback(lio.remove, spec.name)
        return self._device(spec)

    def _spec(self, backstore: lio.Backstore) -> lio.TargetSpec:
        return lio.TargetSpec(self._name, backstore, "vhost", self._wwn)

    def _device(self, spec: lio.TargetSpec) -> QemuDevice:
        device = option_string("vhost-scsi-pci", id=self._device_id, wwpn=spec.wwn)
        return QemuDevice(
            ("-device", device),
            min_qemu=PSCSI.since,
            by_hand=tuple(spec.by_hand()),
            libvirt=(libvirt.vhost_scsi(spec.wwn),),
        )


class PscsiScsi(VhostScsi):
    """A SCSI disk of this host, by its block node where it has one."""

    def __init__(self, members: Sequence[Member[PhysicalDisk]], index: int, runtime_dir: Path) -> None:
        (member,) = members
        super().__init__(lambda: _node(member), index)


class TcmuScsi(VhostScsi):
    """A disk that tcmu-runner emulates; one without a file has a temporary image."""

    def __init__(self, members: Sequence[Member[TcmuDisk]], index: int, runtime_dir: Path) -> None:
        (self._member,) = members
        self._disk = self._member.disk
        wwn = None if self._disk.wwn is None else f"naa.{self._disk.wwn:016x}"
        super().__init__(lambda: _planned(self._member), index, wwn)

    def _prepare(self, undo: ExitStack) -> QemuDevice:
        if self._disk.file is not None:
            return super()._prepare(undo)
        try:
            directory = Path(tempfile.mkdtemp(prefix="zonevm-", dir=scratch_dir()))
        except OSError as error:
            raise ImageError(
                f"no temporary image in {scratch_dir()}: {error.strerror}",
                "Set TMPDIR to a directory with room, or give the disk a file.",
            ) from error
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        return self._serve(_image(self._disk, directory / "disk.zbc"), undo, directory)


def _node(member: Member[PhysicalDisk]) -> lio.Backstore:
    assert member.device
    node = member.device.node or member.device.sg_node
    assert node is not None
    return lio.Pscsi.plan(node)


def _planned(member: Member[TcmuDisk]) -> lio.Backstore:
    return _image(member.disk, member.disk.file or scratch_dir() / "zonevm.zbc")


def _image(disk: TcmuDisk, file: Path) -> lio.UserZbc:
    """Return the backstore of a disk in ``file``; options of an existing image have to agree with it."""
    fields = ("block_size", "zone_size", "conventional", "max_open")
    given = {field: value for field in fields if (value := getattr(disk, field)) is not None}
    file = file.absolute()
    if file.exists() and not disk.reinitialise:
        image = lio.inspect(file)
        for option in disk.options().values():
            has = getattr(image, option.field, None)
            if option.field in given and given[option.field] != has:
                raise ImageError(
                    f"tcmu: {option.name}={option.text(disk)}, "
                    f"but {file} was created with {option.name}={option.value.text(has)}",
                    f"Leave {option.name} out, give another file, or empty this one: reinitialise=on.",
                )
        given = {}
    return lio.UserZbc.plan(lio.ZbcConfig(file, **given), disk.size, reinitialise=disk.reinitialise)


PSCSI = Method(
    "vhost-scsi-pscsi",
    "a zoned SCSI disk of this host, through LIO",
    PscsiScsi,
    models=_MODELS,
    front=_FRONT,
    drivers=SCSI_DRIVERS,
    checks=(*_CHECKS, *checks_kernel.PSCSI, checks_disks.scsi_generic),
    check=_node,
    host=HostNode("vhost-scsi", None, unasked=False),
)
TCMU = Method(
    "vhost-scsi-tcmu",
    "an SMR disk emulated by tcmu-runner, through LIO",
    TcmuScsi,
    models=_MODELS,
    front=_FRONT,
    drivers=SCSI_DRIVERS,
    checks=(*_CHECKS, *checks_kernel.TCMU),
    check=_planned,
)
