"""A guest that boots a full system image, with its serial console for the user. There is no agent inside."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from zonevm import images
from zonevm.agent import terminal
from zonevm.disks import Disk
from zonevm.errors import ImageError, QemuError, UsageError
from zonevm.explain import Failure
from zonevm.faults import Fault
from zonevm.guest.image_boot import Files, ImageBoot
from zonevm.guest.kvm import hardware
from zonevm.guest.session import Session
from zonevm.guest.settings import Settings
from zonevm.host.firmware import find_uefi
from zonevm.inputs import open_regular
from zonevm.machine.console import relay
from zonevm.machine.machine import RunningMachine
from zonevm.units import parse_size

FIRMWARES = ("bios", "uefi")

_FORMATS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"vhdxfile": "vhdx"}
_ACCEPT_SECONDS = 20


class ImageGuest:
    """A machine that boots from ``image``, with disks; :meth:`run` does it all.

    ``disks``: as they are, or a set that was resolved.
    ``faults``: of emulated disks, in force from the start.
    ``write``: what the guest writes to the image stays there; otherwise it is gone at the end.
    ``firmware``: ``bios`` or ``uefi``, whose variables are never kept.
    ``ssh_port``: a port of this host, on its loopback address, that leads to the guest's port 22.
    ``memory``, ``cpus``, ``net``, ``qemu``, ``qemu_args``, ``accel``, ``trace``, ``record``,
    ``progress``: as for :class:`Guest`.

    Raises :class:`UsageError` for a value that is not allowed, :class:`ImageError` for an image that cannot
    be read, and :class:`HostError` where the host lacks what is needed.
    """

    def __init__(
        self,
        image: Path,
        disks: Sequence[Disk] = (),
        *,
        faults: Sequence[Fault] = (),
        write: bool = False,
        firmware: str = "bios",
        memory: str | int = "1G",
        cpus: int | None = None,
        net: str | None = None,
        ssh_port: int | None = None,
        qemu: str | None = None,
        qemu_args: Sequence[str] = (),
        accel: str = "auto",
        trace: str | Path | None = None,
        record: str | Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        if firmware not in FIRMWARES:
            raise UsageError(f"{firmware!r} is not a firmware", f"Choose one of: {', '.join(FIRMWARES)}.")
        self.image = image.absolute()
        self._boot = ImageBoot(
            self.image, _image_format(image), write, find_uefi() if firmware == "uefi" else None
        )
        self._settings = Settings(
            disks=disks,
            faults=tuple(faults),
            memory=parse_size(memory),
            cpus=cpus,
            net="user" if ssh_port is not None else net,
            ssh_port=ssh_port,
            qemu=qemu,
            qemu_args=tuple(qemu_args),
            accel=accel,
            traced=trace is not None,
            recorded=record is not None,
        )
        self._settings.check()
        self._session = Session(trace, record)
        self._progress = progress or (lambda _: None)

    def run(self, keyboard: int, screen: int, up: Callable[[], None] = lambda: None) -> bool:
        """Boot and connect the console until the guest powers itself off; return False if the user left.

        ``up`` is called when the machine runs. Raises :class:`QemuError` when QEMU fails, and what attaching
        a disk raises.
        """
        session = self._session
        with ExitStack() as undo:
            found = hardware(self._settings)
            place = undo.enter_context(session.prepared(found))
            sockets = place.runtime.path
            files = Files(sockets / "console.sock", place.logs / "console.log", sockets / "qmp.sock")
            described = found.machine(replace(self._boot, files=files), session.devices)
            listener = undo.enter_context(_listening(files.console))
            self._progress(f"booting {self.image} ({found.accel.name})")
            machine = undo.enter_context(session.running(described, place))
            console = undo.enter_context(_accepted(listener))
            undo.enter_context(session.controlled(place, self._command, partial(self._power_cut, machine)))
            up()
            with terminal.lent(keyboard):
                stayed = relay(console, keyboard, screen, lambda: machine.alive)
            if stayed and not machine.ended_well():
                raise machine.failure()
            return stayed

    def failures(self) -> dict[int, list[Failure]]:
        """Return the last failed commands of each emulated disk, as :meth:`Guest.failures` does."""
        return self._session.observed.failures()

    def script(self) -> list[str]:
        """Return the shell commands that do a run by hand: what prepares the disks, then QEMU."""
        found = hardware(self._settings)
        return found.machine(self._boot, found.described()).script()

    def libvirt(self) -> str:
        """Return the XML of a libvirt domain that is the same."""
        from zonevm.export.libvirt import System  # noqa: PLC0415  # a guest that starts needs no XML
        from zonevm.guest.domain import domain  # noqa: PLC0415

        boot = self._boot
        system = System(self.image, boot.format, boot.uefi is not None, not boot.write)
        return domain(self._settings, system=system)

    @property
    def qemu_command(self) -> list[str]:
        """The command line of the QEMU that runs, or ran last."""
        return list(self._session.command)

    @property
    def log_dir(self) -> Path | None:
        """The directory with the logs of the run, as :attr:`Guest.log_dir`."""
        return self._session.log_dir

    def _command(self) -> str:
        return shlex.join(["run", "--image", str(self.image)])

    def _power_cut(self, machine: RunningMachine, loss: str, seed: int) -> object:
        with machine.alone(), ExitStack() as afterwards:

            def off() -> None:
                machine.qmp("stop")
                afterwards.callback(machine.qmp, "cont")
                afterwards.callback(machine.qmp, "system_reset")

            return self._session.observed.power_cut(loss, seed, off)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """Have QEMU connect to us, so that nothing it says is lost."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(_ACCEPT_SECONDS)
        yield listener


def _accepted(listener: socket.socket) -> socket.socket:
    try:
        connection, _ = listener.accept()
    except TimeoutError as error:
        raise QemuError("QEMU does not connect the guest's console") from error
    connection.setblocking(True)
    return connection


def _image_format(image: Path) -> str:
    """Return the format that an image's first bytes tell; what tells nothing is raw."""
    try:
        with open_regular(image) as file:
            start = file.read(max(map(len, _FORMATS)))
        what = images.kind(image)
    except OSError as error:
        raise ImageError(f"{image}: {error.strerror}", "Give an image that can be read.") from error
    if what:
        raise ImageError(
            f"{image} is {what}, and no system image", "Give it as a disk: --disk KIND,file=FILE."
        )
    return next((name for magic, name in _FORMATS.items() if start.startswith(magic)), "raw")
