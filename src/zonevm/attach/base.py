"""What every way of attaching a disk to QEMU has in common. Knows no disk kind and no method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class QemuDevice:
    """What a machine needs to have an attached disk in it.

    ``args`` are QEMU arguments as they go on its command line. ``shared_memory``: guest memory has to be
    a shared mapping (vhost-user). ``min_qemu``: the first QEMU, as (major, minor), that can do it.
    ``min_kernel``: the first Linux of the guest, likewise, that knows the disk.
    ``by_hand``: shell commands that do by hand what entering the attachment does, where commands can.
    ``libvirt``: elements of libvirt's ``<devices>`` that are the same as ``args``; none: libvirt has no such.
    """

    args: tuple[str, ...]
    shared_memory: bool = False
    min_qemu: tuple[int, int] | None = None
    min_kernel: tuple[int, int] | None = None
    by_hand: tuple[str, ...] = ()
    libvirt: tuple[str, ...] = ()


class Attachment(ABC):
    """One QEMU device with its disk (or disks), for one guest: a context manager.

    Entering makes it real (opens images, starts serving) and yields the :class:`QemuDevice`; leaving undoes
    everything, in whatever state it is. An attachment is entered once. Names of QEMU objects
    and files are distinct between the attachments of one plan.
    """

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
