"""Boots a kernel and its initramfs, with an agent: what QEMU's command line has for that. Starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.agent.protocol import PORT_NAME
from zonevm.attach.qemu_options import option_string
from zonevm.guest import hotplug
from zonevm.guest.command_line import Boot, monitor
from zonevm.guest.marks import PORT_NAME as MARKS_NAME
from zonevm.host.tree import UNCOVERED, Tree
from zonevm.kernel.initramfs import Share

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
    marks: Path | None = None
    """Where QEMU makes the socket of the port for marks; None: there is none."""


@dataclass(frozen=True)
class KernelBoot(Boot):
    """A kernel that sees the host's files; its console goes to a log."""

    kernel: Path
    initramfs: Path
    files: Files
    shares: Sequence[Share] = ()
    tree: Tree = UNCOVERED
    """The host's root and the directories of ``shares``, in their order."""
    qmp: Path | None = None
    append: str = ""
    firmware: Path | None = None

    flags = ("-no-reboot",)

    @property
    def monitor(self) -> Path:
        """Where QEMU makes its monitor's socket."""
        return self.files.monitor

    @property
    def shared_memory(self) -> bool:
        """Whether it is for virtiofsd, or for disks that are added later."""
        return self.files.root is not None or self.qmp is not None

    def base(self, devices: int) -> list[str]:
        """Return the kernel, the console, the monitor and the agent's port."""
        console = option_string("file,id=console,append=on", path=self.files.console)
        agent = option_string("socket", id="agent", path=self.files.agent, server="on", wait="off")
        marks: list[str] = []
        if self.files.marks is not None:
            socket = option_string("socket", id="marks", path=self.files.marks, server="on", wait="off")
            port = f"virtserialport,chardev=marks,name={MARKS_NAME}"
            marks = ["-chardev", socket, "-device", port]
        return [
            *("-kernel", str(self.kernel), "-initrd", str(self.initramfs)),
            *("-append", self._arguments(devices)),
            *("-chardev", console, "-serial", "chardev:console"),
            *monitor(self.files.monitor),
            *("-device", "virtio-serial-pci", "-chardev", agent),
            *("-device", f"virtserialport,chardev=agent,name={PORT_NAME}"),
            *marks,
        ]

    def extras(self) -> list[str]:
        """Return the host's root, and places for disks that are added later."""
        later = [] if self.qmp is None else hotplug.arguments(self.qmp)
        if self.files.root is None:
            return [*_nine("root", self.tree.root, readonly="on"), *later]
        return [
            *("-chardev", option_string("socket,id=root", path=self.files.root)),
            *("-device", "vhost-user-fs-pci,chardev=root,tag=root"),
            *later,
        ]

    def shared_directories(self) -> list[str]:
        """Return the directories that the guest may write to."""
        shares = zip(self.shares, self.tree.directories, strict=True)
        return [word for share, source in shares for word in _nine(share.tag, source, readonly="off")]

    def lacks_msi(self, devices: int) -> bool:
        """Whether the guest has no message-signalled interrupts, with so many devices for disks."""
        return len(self.shares) + devices > _MOST_WITH_MSI

    def _arguments(self, devices: int) -> str:
        # panic=-1 with -no-reboot: a panic ends QEMU, with the panic's text in the console's file.
        standard = "console=ttyS0 panic=-1 no_timer_check"
        if self.lacks_msi(devices):
            standard += " pci=nomsi"
        return f"{standard} {self.append}".strip()


def _nine(tag: str, path: Path, readonly: str) -> list[str]:
    # What is mounted below is shown too: the inode numbers of several file systems have to be remapped.
    values = {"path": path, "security_model": "none", "multidevs": "remap", "readonly": readonly}
    source = option_string(f"local,id={tag}", **values)
    return ["-fsdev", source, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
