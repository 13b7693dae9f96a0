"""Builds the QEMU command line of a guest. Starts nothing and looks at nothing on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.agent.protocol import PORT_NAME
from zonevm.attach.base import QemuDevice
from zonevm.attach.pci import placed
from zonevm.guest import hotplug
from zonevm.host import Qemu
from zonevm.host.tree import UNCOVERED, Tree
from zonevm.kernel.initramfs import Share
from zonevm.machine.accel import Accel

_MOST_WITH_MSI = 48
"""An x86 processor has some 200 interrupt vectors, a device wants 2 to 4; without any its probe fails."""


@dataclass(frozen=True)
class Files:
    """The files of one run that QEMU opens or makes."""

    console: Path
    monitor: Path
    agent: Path
    root: Path | None = None
    """The socket of a virtiofsd that serves the host's root; None: QEMU serves it by 9p."""


@dataclass(frozen=True)
class Machine:
    """All that decides a QEMU command line."""

    qemu: Qemu
    accel: Accel
    kernel: Path
    initramfs: Path
    memory: int
    cpus: int
    files: Files
    devices: Sequence[QemuDevice] = ()
    shares: Sequence[Share] = ()
    tree: Tree = UNCOVERED
    """The host's root and the directories of ``shares``, in their order."""
    net: str | None = None
    qmp: Path | None = None
    append: str = ""
    extra: Sequence[str] = ()

    def argv(self) -> list[str]:
        """Return the command line, ready to execute."""
        files = self.files
        shared = files.root is not None or any(device.shared_memory for device in self.devices)
        shared = shared or self.qmp is not None
        arguments = [
            str(self.qemu.path),
            *("-name", "zonevm"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", "q35" + (",memory-backend=mem" if shared else "")),
            *("-accel", self.accel.option, "-cpu", self.accel.cpu),
            *("-smp", str(self.cpus), "-m", f"{self.memory // 2**20}M"),
        ]
        if shared:
            arguments += ["-object", f"memory-backend-memfd,id=mem,size={self.memory},share=on"]
        arguments += [
            *(
                "-kernel",
                str(self.kernel),
                "-initrd",
                str(self.initramfs),
                "-append",
                self._kernel_arguments(),
            ),
            *(
                "-chardev",
                f"file,id=console,append=on,path={_escaped(files.console)}",
                "-serial",
                "chardev:console",
            ),
            *("-chardev", f"socket,id=monitor,path={_escaped(files.monitor)},server=on,wait=off"),
            *("-mon", "chardev=monitor,mode=control"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={_escaped(files.agent)},server=on,wait=off"),
            *("-device", f"virtserialport,chardev=agent,name={PORT_NAME}"),
            *("-device", "virtio-rng-pci"),
            *self._root(),
        ]
        if self.qmp is not None:
            arguments += hotplug.arguments(self.qmp)
        if self.net == "user":
            arguments += ["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile="]
        shares = zip(self.shares, self.tree.directories, strict=True)
        many = [word for share, source in shares for word in _nine(share.tag, source, "readonly=off")]
        many += [word for device in self.devices for word in device.args]
        return [*arguments, *placed(many), *self.extra]

    def _kernel_arguments(self) -> str:
        # panic=-1 with -no-reboot: a panic ends QEMU, with the panic's text in the console's file.
        standard = "console=ttyS0 panic=-1 no_timer_check"
        if len(self.shares) + len(self.devices) > _MOST_WITH_MSI:
            standard += " pci=nomsi"
        return f"{standard} {self.append}".strip()

    def _root(self) -> list[str]:
        if self.files.root is None:
            return _nine("root", self.tree.root, "readonly=on")
        return [
            *("-chardev", f"socket,id=root,path={_escaped(self.files.root)}"),
            *("-device", "vhost-user-fs-pci,chardev=root,tag=root"),
        ]


def _nine(tag: str, path: Path, mode: str) -> list[str]:
    # What is mounted below is shown too: the inode numbers of several file systems have to be remapped.
    source = f"local,id={tag},path={_escaped(path)},security_model=none,multidevs=remap,{mode}"
    return ["-fsdev", source, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _escaped(path: Path) -> str:
    """Return a path as QEMU's option syntax takes it: a comma is written twice."""
    return str(path).replace(",", ",,")
