"""Attaches emulated SMR disks: this process serves a vhost-user-scsi controller, the disks are its LUNs."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from zonevm import images
from zonevm.attach.base import QemuDevice, Served
from zonevm.attach.drivers import SCSI_DRIVERS
from zonevm.attach.method import Member, Method, QemuModel
from zonevm.attach.qemu_options import option_string
from zonevm.attach.scratch import scratch_dir
from zonevm.disks import SmrDisk, SmrShape
from zonevm.errors import ImageError
from zonevm.faults import Fault, Faults

if TYPE_CHECKING:
    from zonevm._core import Trace

_log = logging.getLogger(__name__)


class VhostUserScsi(Served):
    """One SCSI controller; the n-th disk is LUN n of its target 0.

    ``socket``: where it is served; its name in ``runtime_dir`` by default. ``faults``, of the disks by their
    LUNs, are in force from when it is entered.
    """

    def __init__(
        self,
        members: Sequence[Member[SmrDisk]],
        index: int,
        runtime_dir: Path,
        socket: Path | None = None,
    ) -> None:
        self._members = members
        self.faults: Sequence[Fault] = ()
        self._name = f"smr{index}"
        self._socket = socket or runtime_dir / f"{self._name}.sock"
        self._queues = max(member.disk.queues for member in members)
        self._server: images.Server | None = None
        self._opened: list[images.Disk] = []
        self._trace: Trace | None = None
        self._undo = ExitStack()

    def describe(self) -> QemuDevice:
        """Return the controller and the socket that it is served on."""
        for member in self._members:
            _check(member)
        return self._device()

    def __enter__(self) -> QemuDevice:
        with ExitStack() as undo:
            served = []
            for member in self._members:
                image = _open(member.disk)
                undo.callback(image.close)
                served.append(image)
            if self._trace is not None:
                for member, image in zip(self._members, served, strict=True):
                    image.trace_to(self._trace, member.number)
            live = Faults(dict(enumerate(served)))
            for fault in self.faults:
                live.inject(fault)
            self._opened = served
            self._server = undo.enter_context(images.serve(self._socket, served, self._queues))
            undo.callback(self._report, self._server)
            self._undo = undo.pop_all()
        return self._device()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def fail(self, faults: Sequence[Fault]) -> None:
        luns = {member.number: lun for lun, member in enumerate(self._members)}
        self.faults = [fault.on_disk(luns[fault.disk]) for fault in faults if fault.disk in luns]

    def trace_to(self, trace: Trace) -> None:
        self._trace = trace

    @property
    def opened(self) -> dict[int, images.Disk]:
        return {member.number: image for member, image in zip(self._members, self._opened, strict=False)}

    @property
    def clients_gone(self) -> int:
        return self._server.clients_gone if self._server else 0

    @property
    def clients_refused(self) -> int:
        return self._server.clients_refused if self._server else 0

    @property
    def connected(self) -> bool:
        return self._server is not None and self._server.connected

    def _device(self) -> QemuDevice:
        chardev = f"{self._name}-socket"
        socket = option_string("socket", id=chardev, path=self._socket)
        controller = option_string(
            "vhost-user-scsi-pci", id=self._name, chardev=chardev, num_queues=self._queues
        )
        return QemuDevice(
            ("-chardev", socket, "-device", controller),
            shared_memory=True,
            min_qemu=METHOD.since,
            by_hand=self._by_hand(),
        )

    def _by_hand(self) -> tuple[str, ...]:
        words = [word for member in self._members for word in ("--disk", str(member.disk))]
        words += [word for fault in self.faults for word in ("--fault", str(fault))]
        serve = shlex.join(["zonevm", "serve", "--once", "--socket", str(self._socket), *words])
        socket = shlex.quote(str(self._socket))
        return f"{serve} > /dev/null &", f"until [ -S {socket} ]; do sleep 0.1; done"

    def _report(self, server: images.Server) -> None:
        if server.last_error is not None:
            _log.warning("the connection between QEMU and %s broke: %s", self._name, server.last_error)
        for member, image in zip(self._members, self._opened, strict=True):
            if image.lost:
                _log.warning(
                    "the image %s was cut short while in use, and the disk failed from then on; "
                    "see `zonevm disk check`",
                    member.disk.file or "of a temporary disk",
                )


def _check(member: Member[SmrDisk]) -> None:
    disk = member.disk
    if disk.file is not None and _exists(disk, disk.file):
        _agree(disk, disk.file, images.info(disk.file))


def _open(disk: SmrDisk) -> images.Disk:
    if disk.file is None:
        return images.temporary(scratch_dir(), disk)
    if not _exists(disk, disk.file):
        images.create_as(disk.file, disk)
    image = images.open(disk.file, disk.cache)
    try:
        _agree(disk, disk.file, image.info())
    except ImageError:
        image.close()
        raise
    return image


def _exists(disk: SmrDisk, file: Path) -> bool:
    """Whether there is an image; raises :class:`ImageError` where there is none and none can be created."""
    if file.exists() or disk.size is not None:
        return file.exists()
    raise ImageError(
        f"smr: {file} does not exist", f"Give a size too (smr,file={file},size=20G), and it is created."
    )


def _agree(disk: SmrDisk, file: Path, info: Mapping[str, object]) -> None:
    """Check that what was asked for is what the image has."""
    for name, by in disk.asked.items():
        option = SmrShape.options()[name]
        asked, has = getattr(disk, option.field), info[option.field]
        if asked != has:
            source = "" if by == name else f"{by}={disk.profile} has "
            raise ImageError(
                f"smr: {source}{name}={option.value.text(asked)}, "
                f"but {file} was created with {name}={option.value.text(has)}",
                f"Leave {by} out, or give another file.",
            )


METHOD = Method(
    "vhost-user-scsi",
    "an emulated SMR disk, served by zonevm",
    VhostUserScsi,
    models=(QemuModel("vhost-user-scsi-pci", since=(7, 2)),),
    front="vhost-user-scsi-pci",
    drivers=SCSI_DRIVERS,
    check=_check,
    crowd=16,
    served=True,
)
