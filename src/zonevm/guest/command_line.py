"""Builds the QEMU command line of a guest, whatever it boots. Starts nothing, looks at no host."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.attach.base import QemuDevice
from zonevm.attach.pci import placed
from zonevm.attach.qemu_options import option_string
from zonevm.host import Qemu
from zonevm.machine.accel import Accel

_SSH = 22
_BRIDGE = re.compile("root-port|bridge|ioh3420|x3130|pxb")
"""What is in the names of QEMU's PCI bridges (``-device help``)."""


class Boot(ABC):
    """What a machine boots, as the arguments of QEMU that only such a machine has."""

    flags: Sequence[str] = ()
    """How QEMU itself behaves."""

    firmware: Path | None = None
    """What starts it sooner than QEMU's BIOS, and sets up no device behind a bridge."""

    @property
    @abstractmethod
    def monitor(self) -> Path | None:
        """Where QEMU makes its monitor's socket; None: the terminal that it is started on is the monitor."""

    @property
    def shared_memory(self) -> bool:
        """Whether guest memory has to be a shared mapping, whatever the disks need."""
        return False

    @abstractmethod
    def base(self, devices: int) -> list[str]:
        """Return what is booted on a machine with so many disks, its console and its monitor."""

    def extras(self) -> list[str]:
        """Return what else it has on the root bus."""
        return []

    def shared_directories(self) -> list[str]:
        """Return directories of the host, as devices: where they and the disks are many they are moved."""
        return []


@dataclass(frozen=True)
class Machine:
    """All that decides a QEMU command line. ``ssh_port`` of this host's loopback is the guest's port 22."""

    boot: Boot
    qemu: Qemu
    accel: Accel
    memory: int
    cpus: int
    devices: Sequence[QemuDevice] = ()
    net: str | None = None
    ssh_port: int | None = None
    extra: Sequence[str] = ()

    def argv(self) -> list[str]:
        """Return the command line, ready to execute."""
        boot = self.boot
        disks = [word for device in self.devices for word in device.args]
        devices = [
            *self._board(),
            *boot.base(len(self.devices)),
            *("-device", "virtio-rng-pci"),
            *boot.extras(),
            *self._network(),
            *placed([*boot.shared_directories(), *disks]),
            *self.extra,
        ]
        return [
            str(self.qemu.path),
            *("-name", "zonevm", "-nodefaults", "-no-user-config", "-display", "none"),
            *boot.flags,
            *self._firmware(devices),
            *devices,
        ]

    def script(self) -> list[str]:
        """Return the shell commands that do a run by hand: what prepares the disks, then QEMU."""
        return [*(command for device in self.devices for command in device.by_hand), shlex.join(self.argv())]

    def _firmware(self, devices: Sequence[str]) -> list[str]:
        if self.boot.firmware is None or any(map(_BRIDGE.search, devices)):
            return []
        return ["-bios", str(self.boot.firmware)]

    def _board(self) -> list[str]:
        shared = self.boot.shared_memory or any(device.shared_memory for device in self.devices)
        arguments = [
            *("-machine", "q35" + (",memory-backend=mem" if shared else "")),
            *("-accel", self.accel.option, "-cpu", self.accel.cpu),
            *("-smp", str(self.cpus), "-m", f"{self.memory // 2**20}M"),
        ]
        if shared:
            arguments += ["-object", f"memory-backend-memfd,id=mem,size={self.memory},share=on"]
        return arguments

    def _network(self) -> list[str]:
        if self.net != "user":
            return []
        forward = "" if self.ssh_port is None else f",hostfwd=tcp:127.0.0.1:{self.ssh_port}-:{_SSH}"
        return ["-netdev", f"user,id=net0{forward}", "-device", "virtio-net-pci,netdev=net0,romfile="]


def monitor(path: Path) -> list[str]:
    """Return QEMU's arguments for a monitor of QMP that it makes a socket for at ``path``."""
    socket = option_string("socket", id="monitor", path=path, server="on", wait="off")
    return ["-chardev", socket, "-mon", "chardev=monitor,mode=control"]
