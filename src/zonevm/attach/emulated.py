"""Attaches disks that this process emulates: opens their images and serves them. Knows no protocol."""

from __future__ import annotations

import logging
import shlex
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from zonevm import images, timing
from zonevm.attach.base import QemuDevice, Served
from zonevm.attach.method import Member
from zonevm.attach.scratch import scratch_dir
from zonevm.disks.emulated import Emulated
from zonevm.errors import ImageError
from zonevm.faults import Fault, Faults

if TYPE_CHECKING:
    from zonevm._core import Recording, Trace

_log = logging.getLogger(__name__)


class ServedDisks(Served):
    """One controller with its disks, in their order; a protocol is derived from this.

    ``prefix`` begins the controller's name. ``socket``: where it is served; its name in ``runtime_dir`` by
    default. ``faults``, of the disks by their places, are in force from when it is entered.
    """

    prefix: ClassVar[str]

    def __init__(
        self,
        members: Sequence[Member[Emulated]],
        index: int,
        runtime_dir: Path,
        socket: Path | None = None,
    ) -> None:
        self._members = members
        self.faults: Sequence[Fault] = ()
        self.name = f"{self.prefix}{index}"
        self.socket = socket or runtime_dir / f"{self.name}.sock"
        self.queues = max(member.disk.queues for member in members)
        self._server: images.Server | None = None
        self._opened: list[images.Disk] = []
        self._trace: Trace | None = None
        self._recording: Recording | None = None
        self._states: Mapping[int, images.Disk] = {}
        self._undo = ExitStack()

    @abstractmethod
    def device(self) -> QemuDevice:
        """Return what QEMU needs to connect to the socket."""

    def describe(self) -> QemuDevice:
        """Return the controller and the socket that it is served on."""
        for member in self._members:
            check(member)
        return self.device()

    def __enter__(self) -> QemuDevice:
        with ExitStack() as undo:
            served = []
            for member in self._members:
                image = self._states.get(member.number)
                if image is None:
                    image = _open(member.disk)
                    undo.callback(image.close)
                served.append(image)
            if self._trace is not None:
                for member, image in zip(self._members, served, strict=True):
                    image.trace_to(self._trace, member.number)
            if self._recording is not None:
                for member, image in zip(self._members, served, strict=True):
                    _record(member, image, self._recording)
            live = Faults(dict(enumerate(served)))
            for fault in self.faults:
                live.inject(fault)
            self._opened = served
            self._server = undo.enter_context(images.serve(self.socket, served, self.queues))
            undo.callback(self._report, self._server)
            self._undo = undo.pop_all()
        return self.device()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def fail(self, faults: Sequence[Fault]) -> None:
        places = {member.number: place for place, member in enumerate(self._members)}
        self.faults = [fault.on_disk(places[fault.disk]) for fault in faults if fault.disk in places]

    def trace_to(self, trace: Trace) -> None:
        self._trace = trace

    def record_to(self, recording: Recording) -> None:
        self._recording = recording

    def show(self, states: Mapping[int, images.Disk]) -> None:
        self._states = states

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

    def by_hand(self) -> tuple[str, ...]:
        """Return shell commands that serve the disks."""
        words = [word for member in self._members for word in ("--disk", str(member.disk))]
        words += [word for fault in self.faults for word in ("--fault", str(fault))]
        serve = shlex.join(["zonevm", "serve", "--once", "--socket", str(self.socket), *words])
        socket = shlex.quote(str(self.socket))
        return f"{serve} > /dev/null &", f"until [ -S {socket} ]; do sleep 0.1; done"

    def _report(self, server: images.Server) -> None:
        if server.last_error is not None:
            _log.warning("the connection between QEMU and %s broke: %s", self.name, server.last_error)
        for member, image in zip(self._members, self._opened, strict=True):
            if image.lost:
                _log.warning(
                    "the image %s was cut short while in use, and the disk failed from then on; "
                    "see `zonevm disk check`",
                    member.disk.file or "of a temporary disk",
                )


def check(member: Member[Emulated]) -> None:
    """Raise what attaching a disk would for an image that is missing, or is not what was asked for."""
    disk = member.disk
    if disk.timing is not None:
        timing.load(disk.timing)
    if disk.file is not None and _exists(disk, disk.file):
        _agree(disk, disk.file, images.info(disk.file))


def _open(disk: Emulated) -> images.Disk:
    if disk.file is None:
        return images.temporary(scratch_dir(), disk)
    if not _exists(disk, disk.file):
        images.create_as(disk.file, disk)
    image = images.open(disk.file, disk.cache, disk.timing)
    try:
        _agree(disk, disk.file, image.info())
    except ImageError:
        image.close()
        raise
    return image


def _record(member: Member[Emulated], image: images.Disk, recording: Recording) -> None:
    try:
        images.record(image, recording, member.number)
    except ImageError as error:
        raise ImageError(f"{member.disk}: {error.message}", error.hint) from error


def _exists(disk: Emulated, file: Path) -> bool:
    """Whether there is an image; raises :class:`ImageError` where there is none and none can be created."""
    if disk.if_raw and file.is_file() and not images.kind(file):
        raise ImageError(f"{disk.kind}: {file} is not an image of zonevm's", disk.if_raw)
    if file.exists() or disk.size is not None:
        return file.exists()
    raise ImageError(
        f"{disk.kind}: {file} does not exist",
        f"Give a size too ({disk.kind},file={file},size=20G), and it is created.",
    )


def _agree(disk: Emulated, file: Path, info: Mapping[str, object]) -> None:
    """Check that what was asked for is what the image has."""
    kind = images.kind_of(info)
    if kind != disk.kind:
        raise ImageError(
            f"{disk.kind}: {file} is the image of {'an' if kind != 'zns' else 'a'} {kind} disk",
            f"Write {kind},file={file}, or give another file.",
        )
    for name, by in disk.asked.items():
        option = disk.options()[name]
        asked, has = getattr(disk, option.field), info[disk.fact(option)]
        if asked != has:
            source = "" if by == name else f"{by}={getattr(disk, by)} has "
            raise ImageError(
                f"{disk.kind}: {source}{name}={option.value.text(asked)}, "
                f"but {file} was created with {name}={option.value.text(has)}",
                f"Leave {by} out, or give another file.",
            )
