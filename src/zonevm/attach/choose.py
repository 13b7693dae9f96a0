"""Picks how each disk is attached. A new kind of disk is a row in :data:`_METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zonevm import images
from zonevm.attach import nvme_zns, pci, physical, plain, vhost_scsi, vhost_user_scsi
from zonevm.attach.base import Attachment
from zonevm.attach.method import Method
from zonevm.attach.methods import MODELS
from zonevm.attach.vhost_user_scsi import VhostUserScsi
from zonevm.disks import Disk, PhysicalDisk, PlainDisk, SmrDisk, TcmuDisk, ZnsDisk
from zonevm.errors import HostError, QemuError, UsageError, ZonevmError
from zonevm.faults import Fault, check_disks
from zonevm.host import find_qemu
from zonevm.host.abilities import Abilities
from zonevm.host.qemu import pulled_qemus

if TYPE_CHECKING:
    from zonevm._core import Trace

MOST_DISKS = 256
"""Of one guest. A PCI Express root port takes eight devices, and a machine some dozens of ports."""

_LUNS = 16
"""How many disks share a controller where there are many."""

_METHODS: dict[type[Disk], Callable[[Any], Method]] = {
    SmrDisk: lambda _: vhost_user_scsi.METHOD,
    ZnsDisk: lambda _: nvme_zns.METHOD,
    TcmuDisk: lambda _: vhost_scsi.TCMU,
    PlainDisk: lambda _: plain.METHOD,
    PhysicalDisk: physical.method,
}
"""The method of a disk of each kind."""


def choose(disks: Iterable[Disk], qemu: str | None = None) -> tuple[Disk, ...]:
    """Return the disks, each physical one with its method: see :func:`physical.choose`.

    ``qemu`` is the program that will have them, as :func:`find_qemu` takes it; it is asked what it can do if
    there is a physical disk.
    """
    chosen = tuple(disks)
    if not any(isinstance(disk, PhysicalDisk) for disk in chosen):
        return chosen
    abilities = Abilities.of(find_qemu(qemu), MODELS)
    return tuple(
        physical.choose(disk, abilities) if isinstance(disk, PhysicalDisk) else disk for disk in chosen
    )


def settle(disks: Iterable[Disk], qemu: str | None = None) -> tuple[tuple[Disk, ...], str | None]:
    """Return the disks, each physical one with its method, and the QEMU that is to have them.

    That is ``qemu``, as :func:`find_qemu` takes it; with None and disks that the host's QEMU cannot have, one
    that was pulled and can: the first disk then has a note that says why. Raises what :func:`choose` does.
    """
    disks = tuple(disks)
    pulled = pulled_qemus() if qemu is None else []
    if not pulled:
        return choose(disks, qemu), qemu
    try:
        return _fitting(disks, None), None
    except (HostError, QemuError) as error:
        refusal = error
    try:
        chosen = _fitting(disks, str(pulled[0]))
    except ZonevmError:
        raise refusal from None
    for disk in chosen[:1]:
        disk.note(f"the QEMU that was pulled is used, since {refusal.message}")
    return chosen, str(pulled[0])


def _fitting(disks: Sequence[Disk], qemu: str | None) -> tuple[Disk, ...]:
    """Return what :func:`choose` does, if ``qemu`` is new enough for each disk."""
    found = find_qemu(qemu)
    chosen = choose(disks, qemu)
    for attachment in plan(chosen, Path("/")):
        if needed := attachment.describe().min_qemu:
            found.require(needed, "a disk of this guest")
    return chosen


def plan(disks: Iterable[Disk], runtime_dir: Path, faults: Sequence[Fault] = ()) -> list[Attachment]:
    """Return the attachments for a guest's disks, in the order of :func:`groups`.

    Nothing is created yet. The methods of physical disks were chosen. ``runtime_dir`` is where sockets go:
    private to the guest, there when an attachment is entered, removed by its owner after the last one is
    left, and short (a socket's path has at most 107 bytes). ``faults`` are in force from when an attachment
    is entered; :class:`UsageError` for one of a disk that cannot fail on purpose.
    """
    disks = tuple(disks)
    check_number(disks)
    check_disks(faults, disks)
    attachments = []
    for index, group in enumerate(_numbered(disks)):
        attachment = attach(list(group.values()), runtime_dir, index)
        if isinstance(attachment, VhostUserScsi):
            places = {number: place for place, number in enumerate(group)}
            attachment.faults = [f.on_disk(places[f.disk]) for f in faults if f.disk in places]
        attachments.append(attachment)
    return attachments


def groups(disks: Iterable[Disk]) -> list[list[Disk]]:
    """Return the disks by attachment, in order: those that share a controller share one."""
    return [list(group.values()) for group in _numbered(disks)]


def check_number(disks: Sequence[Disk]) -> None:
    """Raise :class:`UsageError` for more disks than a guest can have."""
    if len(disks) > MOST_DISKS:
        raise UsageError(
            f"there are {len(disks)} disks, and a guest has {MOST_DISKS} at most",
            "Leave some out, or give the others to a second guest.",
        )


def _numbered(disks: Iterable[Disk]) -> list[dict[int, Disk]]:
    disks = tuple(disks)
    found = _by_controller(disks, [(type(disk), disk.shares) for disk in disks])
    return found if len(found) <= pci.MANY else _by_controller(disks, _crowded(disks))


def _by_controller(
    disks: Sequence[Disk], controllers: Iterable[tuple[object, object]]
) -> list[dict[int, Disk]]:
    """Return the disks by their controllers; a controller whose second part is None is one disk's own."""
    found: dict[object, dict[int, Disk]] = {}
    for number, (disk, controller) in enumerate(zip(disks, controllers, strict=True)):
        key = number if controller[1] is None else controller
        found.setdefault(key, {})[number] = disk
    return list(found.values())


def _crowded(disks: Sequence[Disk]) -> Iterator[tuple[object, object]]:
    """Yield the disks' controllers where SMR disks without one of their own share some.

    Only those share one that have no other SCSI disk between them: names in the guest go by controller.
    """
    controller, luns = 0, 0
    for disk in disks:
        shared = isinstance(disk, SmrDisk) and disk.shares is None
        if (shared and luns == _LUNS) or (not shared and not isinstance(disk, ZnsDisk | PlainDisk)):
            controller, luns = controller + 1, 0
        luns += shared
        yield type(disk), controller if shared else disk.shares


def attach(disks: Sequence[Disk], runtime_dir: Path, index: int = 0) -> Attachment:
    """Return the ``index``-th attachment of a guest, of one disk or of several that share a controller."""
    method = _METHODS[type(disks[0])](disks[0])
    assert method.attach
    return method.attach(disks, index, runtime_dir)


def live_disks(disks: Sequence[Disk], attachments: Sequence[Attachment]) -> dict[int, images.Disk]:
    """Return the disks that this process serves, by their place in ``disks``. The attachments are entered."""
    return {
        number: image
        for each, numbers in _emulating(disks, attachments)
        for number, image in zip(numbers, each.opened, strict=False)
    }


def trace_disks(disks: Sequence[Disk], attachments: Sequence[Attachment], trace: Trace) -> None:
    """Have the disks that this process will serve traced, by their place in ``disks``.

    The attachments are not entered yet.
    """
    for each, numbers in _emulating(disks, attachments):
        each.trace_to(trace, numbers)


def _emulating(
    disks: Sequence[Disk], attachments: Sequence[Attachment]
) -> Iterator[tuple[VhostUserScsi, list[int]]]:
    """Yield the attachments of emulated disks, with the places of theirs in ``disks``."""
    left = dict(enumerate(disks))
    for each in attachments:
        if isinstance(each, VhostUserScsi):
            numbers = []
            for disk in each.disks:
                number = next(number for number, known in left.items() if known is disk)
                del left[number]
                numbers.append(number)
            yield each, numbers
