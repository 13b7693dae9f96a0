"""Boots a system image by firmware, with a console: what QEMU's command line has for that. Starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zonevm.attach.qemu_options import option_string
from zonevm.guest.command_line import Boot, monitor
from zonevm.host.firmware import Firmware


@dataclass(frozen=True)
class Files:
    """The files of one run that QEMU opens or makes: the console's socket, its text, the monitor."""

    console: Path
    log: Path
    monitor: Path


@dataclass(frozen=True)
class ImageBoot(Boot):
    """An image of ``format`` on a disk of its own; ``write``: what the guest writes to it stays there.

    ``uefi``: its firmware, unless that is a BIOS. Without ``files`` console and monitor are the terminal that
    QEMU is started on.
    """

    image: Path
    format: str
    write: bool
    uefi: Firmware | None = None
    files: Files | None = None

    @property
    def monitor(self) -> Path | None:
        """Where QEMU makes its monitor's socket, if it does."""
        return self.files.monitor if self.files else None

    def base(self, devices: int) -> list[str]:
        """Return the firmware, the image, the console and the monitor."""
        system = {"file": self.image, "format": self.format, "snapshot": "off" if self.write else "on"}
        return [
            *self._flash(),
            *("-drive", option_string("if=none,id=system", **system)),
            *("-device", "virtio-blk-pci,drive=system,bootindex=0"),
            *self._console(),
        ]

    def _flash(self) -> list[str]:
        if self.uefi is None:
            return []
        form = self.uefi.format
        code = option_string("if=pflash,unit=0,readonly=on", format=form, file=self.uefi.code)
        variables = option_string("if=pflash,unit=1,snapshot=on", format=form, file=self.uefi.variables)
        return ["-drive", code, "-drive", variables]

    def _console(self) -> list[str]:
        if self.files is None:
            return ["-serial", "mon:stdio"]
        places = {"path": self.files.console, "logfile": self.files.log}
        console = option_string("socket,id=console,logappend=on", **places)
        return ["-chardev", console, "-serial", "chardev:console", *monitor(self.files.monitor)]
