"""A QEMU with what a run of it has: directories, logs, disks, control socket. Does not know what it boots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from zonevm import images
from zonevm.attach import DiskSet, QemuDevice
from zonevm.guest.command_line import Machine
from zonevm.guest.hardware import Hardware
from zonevm.guest.observed import Observed
from zonevm.machine.capped import capped
from zonevm.machine.machine import RunningMachine
from zonevm.service import control
from zonevm.service.rundir import RuntimeDir, make_log_dir


@dataclass(frozen=True)
class Place:
    """Where a run has its sockets and the processes that use them, and where its logs."""

    runtime: RuntimeDir
    logs: Path


class Session:
    """A run, while its parts are entered; afterwards what is left to be known of it.

    ``trace``: the file that the commands of its emulated disks are traced to, ``record`` the one for what is
    written to them. ``states``: open disks that take the place of images, by number.
    """

    def __init__(
        self,
        trace: str | Path | None,
        record: str | Path | None = None,
        states: Mapping[int, images.Disk] | None = None,
    ) -> None:
        self.observed = Observed(
            None if trace is None else Path(trace), None if record is None else Path(record), states
        )
        self.disks = DiskSet(())
        self.devices: Sequence[QemuDevice] = ()
        self.log_dir: Path | None = None
        self.command: list[str] = []
        """The command line of the QEMU that runs, or ran last."""

    @contextmanager
    def prepared(self, hardware: Hardware) -> Iterator[Place]:
        """Make the directories and attach the disks; leaving ends what still uses them.

        Raises :class:`HostError` where a directory cannot be made, and what :meth:`Observed.entered` does.
        """
        with RuntimeDir(len(hardware.disks)) as runtime:
            self.log_dir = make_log_dir()
            attachments = hardware.attachments(runtime.path)
            with capped(self.log_dir), self.observed.entered(hardware.disks, attachments) as devices:
                self.disks, self.devices = hardware.disks, devices
                yield Place(runtime, self.log_dir)

    @contextmanager
    def running(
        self,
        machine: Machine,
        place: Place,
        guard: Sequence[str] = (),
        descriptors: Collection[int] = (),
    ) -> Iterator[RunningMachine]:
        """Start QEMU, executed by ``guard``, with open ``descriptors``; leaving ends it at once.

        Raises :class:`QemuError` where it does not come up.
        """
        self.command = machine.argv()
        assert machine.boot.monitor
        running = RunningMachine(
            [*guard, *self.command], machine.boot.monitor, place.logs, place.runtime, descriptors
        )
        try:
            running.connect()
            yield running
        finally:
            running.stop()

    def controlled(
        self, place: Place, command: Callable[[], str], power_cut: Callable[[str, int], object]
    ) -> AbstractContextManager[None]:
        """Answer other processes while entered: what ``command`` runs here, and a power cut.

        ``power_cut`` is given which data are lost, and a seed, as :meth:`Guest.power_cut`.
        """
        handlers: dict[str, control.Handler] = {
            "describe": lambda: self.observed.describe(command()),
            "power-cut": power_cut,
        }
        return control.listening(place.runtime.path, handlers)
