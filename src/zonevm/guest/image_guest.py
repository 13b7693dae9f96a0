"""A guest that boots a full system image, with its serial console for the user. There is no agent inside."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from zonevm import images
from zonevm.agent import terminal
from zonevm.attach import DiskSet, QemuDevice, resolve
from zonevm.attach.pci import placed
from zonevm.attach.qemu_options import option_string
from zonevm.disks import Disk
from zonevm.errors import ImageError, QemuError, UsageError
from zonevm.explain import Failure
from zonevm.export import libvirt
from zonevm.faults import Fault
from zonevm.guest.domain import domain
from zonevm.guest.kvm import choose_accel
from zonevm.guest.observed import Observed
from zonevm.guest.plan import Settings
from zonevm.host import Qemu, find_qemu, runtime_base
from zonevm.host.firmware import Firmware, find_uefi
from zonevm.inputs import open_regular
from zonevm.machine.accel import Accel
from zonevm.machine.capped import capped
from zonevm.machine.console import relay
from zonevm.machine.machine import RunningMachine
from zonevm.service import control
from zonevm.service.rundir import RuntimeDir, make_log_dir
from zonevm.units import parse_size

FIRMWARES = ("bios", "uefi")

_FORMATS = {b"QFI\xfb": "qcow2", b"KDMV": "vmdk", b"vhdxfile": "vhdx"}
_LAST_PORT = 65535
_SSH = 22
_ACCEPT_SECONDS = 20


@dataclass(frozen=True)
class _Files:
    console: Path
    monitor: Path
    log: Path


class ImageGuest:
    """A machine that boots from ``image``, with disks; :meth:`run` does it all.

    ``disks``: as they are, or a set that was resolved.
    ``faults``: of emulated SMR disks, in force from the start.
    ``write``: what the guest writes to the image stays there; otherwise it is gone at the end.
    ``firmware``: ``bios`` or ``uefi``, whose variables are never kept.
    ``ssh_port``: a port of this host, on its loopback address, that leads to the guest's port 22.
    ``memory``, ``cpus``, ``net``, ``qemu``, ``qemu_args``, ``accel``, ``trace``, ``progress``: as for
    :class:`Guest`.

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
        progress: Callable[[str], None] | None = None,
    ) -> None:
        if firmware not in FIRMWARES:
            raise UsageError(f"{firmware!r} is no firmware", f"Choose one of: {', '.join(FIRMWARES)}.")
        if ssh_port is not None and not 1 <= ssh_port <= _LAST_PORT:
            raise UsageError(f"{ssh_port} is no port", f"A port is a number from 1 to {_LAST_PORT}.")
        self.image = image.absolute()
        self._format = _image_format(image)
        self._uefi = find_uefi() if firmware == "uefi" else None
        self._net = net == "user" or ssh_port is not None
        self._settings = Settings(
            disks=disks,
            kernel=None,
            memory=parse_size(memory),
            cpus=cpus,
            rwdirs=(),
            net="user" if self._net else None,
            append="",
            qemu=qemu,
            qemu_args=tuple(qemu_args),
            accel=accel,
            cwd=Path.cwd(),
            faults=tuple(faults),
        )
        self._settings.check()
        self.qemu_command: list[str] = []
        self.log_dir: Path | None = None
        self._observed = Observed(None if trace is None else Path(trace))
        self._write = write
        self._ssh_port = ssh_port
        self._progress = progress or (lambda _: None)

    def run(self, keyboard: int, screen: int, up: Callable[[], None] = lambda: None) -> bool:
        """Boot and connect the console until the guest powers itself off; return False if the user left.

        ``up`` is called when the machine runs. Raises :class:`QemuError` when QEMU fails, and what attaching
        a disk raises.
        """
        with ExitStack() as undo:
            disks, qemu, how = self._chosen()
            runtime = undo.enter_context(RuntimeDir(len(disks)))
            self.log_dir = make_log_dir()
            undo.enter_context(capped(self.log_dir))
            files = _files(runtime.path, self.log_dir)
            attachments = disks.attachments(runtime.path, self._settings.faults)
            devices = undo.enter_context(self._observed.entered(disks, attachments))
            self.qemu_command = self._argv(qemu, how, files, devices)
            listener = undo.enter_context(_listening(files.console))
            self._progress(f"booting {self.image} ({how.name})")
            machine = RunningMachine(self.qemu_command, files.monitor, self.log_dir, runtime)
            undo.callback(machine.stop)
            machine.connect()
            console = undo.enter_context(_accepted(listener))
            undo.enter_context(control.listening(runtime.path, self._handlers(machine)))
            up()
            with terminal.lent(keyboard):
                stayed = relay(console, keyboard, screen, lambda: machine.alive)
            if stayed and not machine.ended_well():
                raise machine.failure()
            return stayed

    def failures(self) -> dict[int, list[Failure]]:
        """Return the last failed commands of each emulated disk, as :meth:`Guest.failures` does."""
        return self._observed.failures()

    def script(self) -> list[str]:
        """Return the shell commands that do a run by hand: what prepares the disks, then QEMU."""
        disks, qemu, how = self._chosen()
        attachments = disks.attachments(runtime_base(), self._settings.faults)
        devices = [attachment.describe() for attachment in attachments]
        by_hand = [command for device in devices for command in device.by_hand]
        argv = self._argv(qemu, how, None, devices)
        return [*by_hand, shlex.join(argv)]

    def libvirt(self) -> str:
        """Return the XML of a libvirt domain that is the same."""
        system = libvirt.System(self.image, self._format, self._uefi is not None, not self._write)
        return domain(self._settings, system)

    def _handlers(self, machine: RunningMachine) -> dict[str, control.Handler]:
        """What other processes may ask of this guest."""

        def power_cut(loss: str, seed: int) -> object:
            with machine.alone(), ExitStack() as afterwards:

                def off() -> None:
                    machine.qmp("stop")
                    afterwards.callback(machine.qmp, "cont")
                    afterwards.callback(machine.qmp, "system_reset")

                return self._observed.power_cut(loss, seed, off)

        command = shlex.join(["run", "--image", str(self.image)])
        return {"describe": lambda: self._observed.describe(command), "power-cut": power_cut}

    def _chosen(self) -> tuple[DiskSet, Qemu, Accel]:
        disks = resolve(self._settings.disks, self._settings.qemu)
        qemu = find_qemu(disks.qemu)
        return disks, qemu, choose_accel(self._settings, qemu)

    def _argv(self, qemu: Qemu, how: Accel, files: _Files | None, devices: Sequence[QemuDevice]) -> list[str]:
        """Return the command line; without ``files`` the console is the terminal that QEMU is started on."""
        for device in devices:
            if device.min_qemu:
                qemu.require(device.min_qemu, "a disk of this guest")
        settings = self._settings
        shared = any(device.shared_memory for device in devices)
        arguments = [
            str(qemu.path),
            *("-name", "zonevm", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "q35" + (",memory-backend=mem" if shared else "")),
            *("-accel", how.option, "-cpu", how.cpu),
            *("-smp", str(how.processors(settings.cpus)), "-m", f"{settings.memory // 2**20}M"),
        ]
        if shared:
            arguments += ["-object", f"memory-backend-memfd,id=mem,size={settings.memory},share=on"]
        if self._uefi is not None:
            arguments += _flash(self._uefi)
        system = {"file": self.image, "format": self._format, "snapshot": "off" if self._write else "on"}
        arguments += ["-drive", option_string("if=none,id=system", **system)]
        arguments += ["-device", "virtio-blk-pci,drive=system,bootindex=0"]
        arguments += _console(files) if files else ["-serial", "mon:stdio"]
        arguments += ["-device", "virtio-rng-pci"]
        if self._net:
            forward = f",hostfwd=tcp:127.0.0.1:{self._ssh_port}-:{_SSH}" if self._ssh_port else ""
            arguments += [
                "-netdev",
                f"user,id=net0{forward}",
                "-device",
                "virtio-net-pci,netdev=net0,romfile=",
            ]
        disks = placed([word for device in devices for word in device.args])
        return [*arguments, *disks, *settings.qemu_args]


def _files(runtime: Path, log_dir: Path) -> _Files:
    return _Files(runtime / "console.sock", runtime / "qmp.sock", log_dir / "console.log")


def _flash(uefi: Firmware) -> list[str]:
    code = option_string("if=pflash,unit=0,readonly=on", format=uefi.format, file=uefi.code)
    variables = option_string("if=pflash,unit=1,snapshot=on", format=uefi.format, file=uefi.variables)
    return ["-drive", code, "-drive", variables]


def _console(files: _Files) -> list[str]:
    return [
        *("-chardev", option_string("socket,id=console,logappend=on", path=files.console, logfile=files.log)),
        *("-serial", "chardev:console"),
        *("-chardev", option_string("socket,id=monitor,server=on,wait=off", path=files.monitor)),
        *("-mon", "chardev=monitor,mode=control"),
    ]


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
