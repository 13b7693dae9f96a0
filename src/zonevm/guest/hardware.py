"""Works out what a guest is made of, but for what it boots: its disks, QEMU, and how processors run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.attach import Attachment, DiskSet, QemuDevice
from zonevm.guest.command_line import Boot, Machine
from zonevm.guest.settings import Settings
from zonevm.host import Qemu, runtime_base
from zonevm.machine.accel import Accel


@dataclass(frozen=True)
class Hardware:
    """What the settings of a guest come to on this host."""

    settings: Settings
    disks: DiskSet
    qemu: Qemu
    accel: Accel

    @property
    def cpus(self) -> int:
        """How many processors the guest has."""
        return self.accel.processors(self.settings.cpus)

    def attachments(self, runtime: Path) -> list[Attachment]:
        """Return the attachments of the disks, with their faults, not yet entered."""
        return self.disks.attachments(runtime, self.settings.faults)

    def described(self) -> list[QemuDevice]:
        """Return the devices as a run has them, but for the directory of their sockets."""
        return [attachment.describe() for attachment in self.attachments(runtime_base())]

    def machine(self, boot: Boot, devices: Sequence[QemuDevice]) -> Machine:
        """Return the machine with ``devices`` in it. Raises :class:`QemuError` for a QEMU too old for one."""
        for device in devices:
            if device.min_qemu:
                self.qemu.require(device.min_qemu, "a disk of this guest")
        settings = self.settings
        return Machine(
            boot=boot,
            qemu=self.qemu,
            accel=self.accel,
            memory=settings.memory,
            cpus=self.cpus,
            devices=devices,
            net=settings.net,
            ssh_port=settings.ssh_port,
            extra=settings.qemu_args,
        )
