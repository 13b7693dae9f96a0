"""The emulated disks of a guest while this process serves them: they are traced, and remember what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from zonevm import images
from zonevm.attach import Attachment, QemuDevice, live_disks, trace_disks
from zonevm.disks import Disk, SmrDisk
from zonevm.errors import UsageError
from zonevm.explain import Failure, failures
from zonevm.trace import recording


class Observed:
    """The disks of one guest. ``trace``: the file that their commands are traced to; None: no trace."""

    def __init__(self, trace: Path | None) -> None:
        self._trace = trace
        self.live: dict[int, images.Disk] = {}
        """The disks that this process serves, or served, by their numbers."""

    @contextmanager
    def entered(self, disks: Sequence[Disk], attachments: Sequence[Attachment]) -> Iterator[list[QemuDevice]]:
        """Enter the attachments of ``disks``; the trace is whole once they are left.

        Raises :class:`UsageError` for a trace where there is no emulated SMR disk, what :func:`recording`
        raises, and what attaching a disk raises.
        """
        with ExitStack() as stack:
            if self._trace is not None:
                if not any(isinstance(disk, SmrDisk) for disk in disks):
                    raise UsageError(
                        "there is no disk to trace: only those emulated by zonevm are",
                        "Add one, --disk smr,size=20G, or leave the trace out.",
                    )
                trace_disks(disks, attachments, stack.enter_context(recording(self._trace)))
            devices = [stack.enter_context(attachment) for attachment in attachments]
            self.live = live_disks(disks, attachments)
            yield devices

    def disk(self, number: int) -> images.Disk:
        """Return the image of the ``number``-th disk, which is served or was.

        Raises :class:`UsageError` for a disk that is not served here.
        """
        if number not in self.live:
            raise UsageError(
                f"disk {number} of this guest is no emulated SMR disk",
                "Disks are counted from 0, in the order in which they were given.",
            )
        return self.live[number]

    def failures(self) -> dict[int, list[Failure]]:
        """Return the last failed commands of each emulated disk, by its number."""
        return {number: failures(disk) for number, disk in self.live.items()}
