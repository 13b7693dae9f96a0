"""What a user asks of a guest, and whether that is allowed. Finds nothing of it on the host."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from zonevm.disks import Disk
from zonevm.errors import UsageError
from zonevm.faults import Fault, check_disks
from zonevm.host.tree import OWN

NETS = (None, "user")

_SMALLEST_MEMORY = 256 * 2**20
_LAST_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """What every guest has; see :class:`Guest`, and :class:`ImageGuest` for ``ssh_port``.

    ``shown``: the numbers of the disks that are states of a record.
    """

    disks: Sequence[Disk] = ()
    faults: Sequence[Fault] = ()
    memory: int = 2**30
    cpus: int | None = None
    net: str | None = None
    ssh_port: int | None = None
    qemu: str | None = None
    qemu_args: Sequence[str] = ()
    accel: str = "auto"
    traced: bool = False
    recorded: bool = False
    shown: Set[int] = frozenset()

    @property
    def seen(self) -> Set[int]:
        """Which disks zonevm has to serve itself: they fail on purpose, are traced, recorded or states."""
        if self.traced or self.recorded:
            return set(range(len(self.disks)))
        return {fault.disk for fault in self.faults} | self.shown

    def check(self) -> None:
        """Raise :class:`UsageError` for a value that is not allowed."""
        if self.memory < _SMALLEST_MEMORY or self.memory % 2**20:
            raise UsageError(
                f"a guest cannot have {self.memory} bytes of memory", "Give it 256M or more, in whole MiB."
            )
        if self.cpus is not None and self.cpus < 1:
            raise UsageError(f"a guest cannot have {self.cpus} processors", "Give it one or more.")
        if self.net not in NETS:
            raise UsageError(f"{self.net!r} is not a network", "Use `user`, or none.")
        if self.ssh_port is not None and not 1 <= self.ssh_port <= _LAST_PORT:
            raise UsageError(f"{self.ssh_port} is not a port", f"A port is a number from 1 to {_LAST_PORT}.")
        check_disks(self.faults, self.disks)


@dataclass(frozen=True)
class KernelSettings:
    """What only a guest has whose kernel zonevm boots; see :class:`Guest`."""

    kernel: str | Path | None = None
    append: str = ""
    rwdirs: Sequence[Path] = ()
    udev: bool = False
    qmp: Path | None = None
    cwd: Path = field(default_factory=Path.cwd)

    def check(self) -> None:
        """Raise :class:`UsageError` for a directory that cannot be shared."""
        for path in self.rwdirs:
            if not path.is_dir():
                raise UsageError(
                    f"{path} is not a directory to share", "Share an existing one with --rwdir DIR."
                )
            if path.resolve() in OWN:
                raise UsageError(
                    f"{path} cannot be shared: a guest has one of its own", "Share a directory of files."
                )
