"""The emulated disks of a guest while this process serves them: traces, power cuts, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zonevm import images, outputs
from zonevm._core import CoreError
from zonevm.attach import Attachment, QemuDevice
from zonevm.disks import Disk
from zonevm.errors import HostError, UsageError
from zonevm.explain import Failure, failures
from zonevm.outputs import Named
from zonevm.records import recording as record_of
from zonevm.trace import raw_file, recording

if TYPE_CHECKING:
    from zonevm._core import Lateness, PowerCut, Recording
    from zonevm.attach.base import Served


class Observed:
    """The disks of one guest.

    ``trace``: the file that their commands are traced to, ``record`` the one for what is written to them;
    None: no such. ``states``: open disks that take the place of images, by number.
    """

    def __init__(
        self,
        trace: Path | None,
        record: Path | None = None,
        states: Mapping[int, images.Disk] | None = None,
    ) -> None:
        self._states = states or {}
        self._trace = trace
        self._record = record
        self._recording: Recording | None = None
        self._disks: Sequence[Disk] = ()
        self.live: dict[int, images.Disk] = {}
        """The disks that this process serves, or served, by their numbers."""
        self.controllers: dict[str, int] = {}
        """The ids in QEMU of their controllers, each with how many disks it has."""

    @contextmanager
    def entered(self, disks: Sequence[Disk], attachments: Sequence[Attachment]) -> Iterator[list[QemuDevice]]:
        """Enter the attachments of ``disks``; the trace is whole once they are left.

        Raises :class:`UsageError` for a trace or a record where there is no emulated disk, or in the place of
        a disk, what :func:`zonevm.trace.recording` and :func:`zonevm.records.recording` raise, and what
        attaching a disk raises.
        """
        served = [each.served for each in attachments if each.served]
        with ExitStack() as stack:
            if self._trace is not None:
                _need(served, "trace")
                outputs.check(trace_outputs(self._trace), disk_places(disks))
                trace = stack.enter_context(recording(self._trace))
                for each in served:
                    each.trace_to(trace)
            if self._record is not None:
                _need(served, "record")
                self._recording = stack.enter_context(record_of(self._record))
                for each in served:
                    each.record_to(self._recording)
            for each in served:
                each.show(self._states)
            devices = [stack.enter_context(attachment) for attachment in attachments]
            self._disks = disks
            self.live = {number: image for each in served for number, image in each.opened.items()}
            self.controllers = {each.name: len(each.opened) for each in served}
            yield devices

    def disk(self, number: int) -> images.Disk:
        """Return the image of the ``number``-th disk, which is served or was.

        Raises :class:`UsageError` for a disk that is not served here.
        """
        if number not in self.live:
            raise UsageError(
                f"disk {number} of this guest is not an emulated disk",
                "Disks are counted from 0, in the order in which they were given.",
            )
        return self.live[number]

    def power_cut(self, loss: str, seed: int, off: Callable[[], object]) -> dict[int, PowerCut]:
        """Cut the disks' power; return what each with a volatile (or lying) cache lost, by its number.

        ``off`` is called before: it stops the machine that uses them. ``loss`` and ``seed`` are as for
        :meth:`Guest.power_cut`. Raises :class:`UsageError` if there is no such disk.
        """
        if self._record is not None:
            raise UsageError(
                "the disks are recorded, and a power cut would not be in the record",
                "Look at the states of the record instead.",
            )
        wanted = images.loss(loss)
        volatile = {number: image for number, image in self.live.items() if self._disks[number].volatile}
        if not volatile:
            raise UsageError(
                "none of the disks has a cache that a power cut could take",
                "Give a disk one: smr,size=4G,cache=volatile.",
            )
        for image in self.live.values():
            image.power_off()
        try:
            off()
            return {
                number: images.power_cut(image, wanted, seed + number) for number, image in volatile.items()
            }
        finally:
            for image in self.live.values():
                image.power_on()

    def mark(self, text: str) -> None:
        """Write a line into the record of the disks, behind all that has completed.

        Raises :class:`UsageError` where nothing is recorded, and :class:`HostError` for a record that ended
        early.
        """
        if self._recording is None:
            raise UsageError("the disks are not recorded", "Give the guest a record: record=FILE.")
        try:
            self._recording.mark(text)
        except CoreError as error:
            raise HostError(error.message, "Make room, and record again.") from error

    def describe(self, command: str) -> dict[str, object]:
        """Return what ``zonevm list`` tells of a run with these disks."""
        return {"disks": [str(disk) for disk in self._disks], "command": command}

    def lateness(self) -> dict[int, Lateness]:
        """Return how late commands of each disk with a device's time ended, by its number."""
        told = {number: disk.lateness() for number, disk in self.live.items()}
        return {number: each for number, each in told.items() if each is not None}

    def failures(self) -> dict[int, list[Failure]]:
        """Return the last failed commands of each emulated disk, by its number."""
        return {number: failures(disk) for number, disk in self.live.items()}


def _need(served: Sequence[Served], what: str) -> None:
    if not served:
        raise UsageError(
            f"there is no disk to {what}: only those emulated by zonevm are",
            f"Add one, --disk smr,size=20G, or leave the {what} out.",
        )


def disk_places(disks: Iterable[Disk]) -> list[Named]:
    """Return the places of the disks that have one, for :func:`zonevm.outputs.check`."""
    return [Named(f"the disk {disk}", disk.place) for disk in disks if disk.place is not None]


def trace_outputs(trace: Path | None) -> list[Named]:
    """Return the files that a trace writes, if there is one."""
    if trace is None:
        return []
    return [Named("the trace", trace), Named("the raw trace", raw_file(trace))]
