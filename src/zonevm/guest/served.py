"""Disks made available to a QEMU that somebody else starts, as long as a context is entered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from zonevm.attach import Attachment, DiskSet, QemuDevice, resolve
from zonevm.attach.base import Served as Serving
from zonevm.attach.pci import placed
from zonevm.disks import Disk
from zonevm.errors import UsageError
from zonevm.faults import Fault, check_disks
from zonevm.guest.observed import Observed
from zonevm.patience import Patience
from zonevm.service import control
from zonevm.service.rundir import RuntimeDir

_POLL_SECONDS = 0.1
_GONE_SECONDS = 2.0
_MIB = 2**20
_MEMORY = "zonevm-memory"


@dataclass(frozen=True)
class Served:
    """Disks that a QEMU can have now."""

    devices: tuple[QemuDevice, ...]
    servers: tuple[Serving, ...]
    observed: Observed

    def qemu_arguments(self, memory: int) -> list[str]:
        """Return what to add to the command line of a QEMU with ``memory`` bytes for its guest."""
        arguments: list[str] = []
        if any(device.shared_memory for device in self.devices):
            backend = f"memory-backend-memfd,id={_MEMORY},size={memory},share=on"
            arguments += ["-m", f"{memory // _MIB}M", "-object", backend]
            arguments += ["-machine", f"memory-backend={_MEMORY}"]
        return arguments + placed([argument for device in self.devices for argument in device.args])

    def wait(self, once: bool, tell: Callable[[str], None]) -> None:
        """Wait until a QEMU has come and gone on each socket, if ``once``, else for ever.

        ``tell`` hears meanwhile of those that were refused.
        """
        told = 0
        # Polling: a signal between a check and a call that waits for ever would be lost.
        while not (once and all(server.clients_gone for server in self.servers)):
            refused = sum(server.clients_refused for server in self.servers)
            if refused > told:
                tell("a second QEMU was refused: a socket serves one at a time")
                told = refused
            time.sleep(_POLL_SECONDS)

    def handlers(self) -> dict[str, control.Handler]:
        """What other processes may ask of these disks."""
        return {
            "describe": lambda: self.observed.describe("serve"),
            "power-cut": lambda loss, seed: self.observed.power_cut(loss, seed, self._check_unused),
        }

    def _check_unused(self) -> None:
        patience = Patience(_GONE_SECONDS)
        while any(server.connected for server in self.servers):
            if patience.is_over():
                raise UsageError(
                    "a QEMU uses these disks, and its power is not zonevm's to cut",
                    "End that QEMU first, by kill -9; the next one finds the disks as the cut left them.",
                )
            time.sleep(_POLL_SECONDS)


@contextmanager
def served(
    disks: Sequence[Disk],
    socket: Path | None = None,
    faults: Sequence[Fault] = (),
    trace: Path | None = None,
    record: Path | None = None,
) -> Iterator[Served]:
    """Serve the disks while entered; nothing is left afterwards.

    ``socket``: all are on one controller, served there; they have to be emulated, and all SCSI or all NVMe.
    Raises :class:`UsageError` for others, and what attaching a disk raises. ``faults`` are in force all the
    while. ``trace``, ``record``: as for :class:`Guest`.
    """
    disks = resolve(disks, elsewhere=True)
    with RuntimeDir(len(disks)) as runtime, ExitStack() as stack:
        attachments: list[Attachment]
        if socket is None:
            attachments = disks.attachments(runtime.path, faults)
        else:
            check_disks(faults, disks)
            attachments = [_on_socket(disks, runtime.path, socket, faults)]
        observed = Observed(trace, record)
        devices = tuple(stack.enter_context(observed.entered(disks, attachments)))
        servers = tuple(each.served for each in attachments if each.served)
        ready = Served(devices, servers, observed)
        stack.enter_context(control.listening(runtime.path, ready.handlers()))
        yield ready


def _on_socket(disks: DiskSet, runtime_dir: Path, socket: Path, faults: Sequence[Fault]) -> Serving:
    """Return the one attachment of all disks, served at ``socket``."""
    for member in disks.members:
        if not member.method.served:
            raise UsageError(
                f"a {member.disk.kind} disk is not served on a socket",
                "Leave the socket out, or serve it apart.",
            )
    methods = {member.method.name: member.method for member in disks.members}
    if len(methods) > 1:
        raise UsageError(
            f"a socket is for one method, and these disks have two: {', '.join(methods)}",
            "Leave the socket out, or serve them apart.",
        )
    (method,) = methods.values()
    assert method.attach
    attachment = method.attach(disks.members, 0, runtime_dir, socket.absolute())
    assert attachment.served
    attachment.served.fail(faults)
    return attachment.served
