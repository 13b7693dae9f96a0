"""What every way of attaching a disk to QEMU has in common. Knows no disk kind and no method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zonevm import images
    from zonevm._core import Recording, Trace
    from zonevm.faults import Fault


@dataclass(frozen=True)
class QemuDevice:
    """What a machine needs to have an attached disk in it.

    ``args`` are QEMU arguments as they go on its command line. ``shared_memory``: guest memory has to be
    a shared mapping (vhost-user). ``needs_msi``: it has message-signalled interrupts only. ``min_qemu``: the
    first QEMU, as (major, minor), that can do it. ``min_kernel``: the first Linux of the guest, likewise,
    that knows the disk.
    ``by_hand``: shell commands that do by hand what entering the attachment does, where commands can.
    ``libvirt``: elements of libvirt's ``<devices>`` that are the same as ``args``; none: libvirt has no such.
    """

    args: tuple[str, ...]
    shared_memory: bool = False
    needs_msi: bool = False
    min_qemu: tuple[int, int] | None = None
    min_kernel: tuple[int, int] | None = None
    by_hand: tuple[str, ...] = ()
    libvirt: tuple[str, ...] = ()


class Attachment(ABC):
    """One QEMU device with its disk (or disks), for one guest: a context manager.

    Entering makes it real (opens images, starts serving) and yields the :class:`QemuDevice`; leaving undoes
    everything, in whatever state it is. An attachment is entered once. Names of QEMU objects
    and files are distinct between the attachments of one guest.
    """

    @property
    def served(self) -> Served | None:
        """This attachment, if this process itself serves its disks."""
        return None

    @abstractmethod
    def describe(self) -> QemuDevice:
        """Return the very device that entering would yield, without creating or opening anything for good.

        Raises what entering would raise for a request that cannot work, such as a missing image.
        """

    @abstractmethod
    def __enter__(self) -> QemuDevice:
        """Make the disk available to a QEMU that starts from now on."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo what entering did. Never raises on a disk that is gone already."""


class Served(Attachment):
    """An attachment whose disks this process serves: they fail on purpose, are traced, lose power.

    ``name``: the id of its device in QEMU.
    """

    name: str

    @property
    def served(self) -> Served:
        """This attachment."""
        return self

    @abstractmethod
    def fail(self, faults: Sequence[Fault]) -> None:
        """Have those of ``faults`` that are of these disks in force from when this is entered."""

    @abstractmethod
    def trace_to(self, trace: Trace) -> None:
        """Have the disks traced, under their numbers, from when this is entered."""

    @abstractmethod
    def record_to(self, recording: Recording) -> None:
        """Have what is written to the disks recorded, likewise; they have to be new."""

    @abstractmethod
    def show(self, states: Mapping[int, images.Disk]) -> None:
        """Have these open disks, by number, attached in place of images; who opened them closes them."""

    @property
    @abstractmethod
    def opened(self) -> Mapping[int, images.Disk]:
        """The disks' open images, by their numbers, while entered and afterwards."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether a QEMU uses the disks."""

    @property
    @abstractmethod
    def clients_gone(self) -> int:
        """How many QEMU processes have come and gone since the disks are served."""

    @property
    @abstractmethod
    def clients_refused(self) -> int:
        """How many processes were refused since the disks are served: a QEMU used them already."""
