"""Chooses the method for an NVMe namespace: zonevm's own or QEMU's, by what QEMU can. Attaches nothing."""

from __future__ import annotations

from typing import Protocol, TypeVar

from zonevm.attach import nvme_zns, vfio_user_nvme
from zonevm.attach.case import Case
from zonevm.attach.method import Method
from zonevm.disks import ZnsDisk
from zonevm.errors import QemuError
from zonevm.host.abilities import Abilities

_OURS = "vfio-user"
_QEMUS = "qemu"


class _Namespace(Protocol):
    """A namespace of whatever kind."""

    @property
    def via(self) -> str | None: ...
    @property
    def needs_zonevm(self) -> str: ...
    def but(self: _Kind, **values: str) -> _Kind: ...
    def note(self, *notes: str) -> None: ...


_Kind = TypeVar("_Kind", bound=_Namespace)


def choose(disk: _Kind, case: Case) -> tuple[_Kind, None]:
    """Return ``disk`` with its method; no device of the host's is behind it.

    One that is QEMU's as a makeshift has a note that says so. Raises :class:`QemuError` for a QEMU that
    cannot do what is asked for.
    """
    if disk.via == _QEMUS or case.elsewhere:
        return disk, None
    try:
        _require(case.abilities())
    except QemuError as refusal:
        needed = "it fails on purpose, or its commands are seen" if case.serve else disk.needs_zonevm
        if needed or disk.via == _OURS:
            needed = f" A namespace of QEMU's own cannot take its place: {needed}." if needed else ""
            raise QemuError(refusal.message, refusal.hint + needed) from None
        if not case.makeshift:
            raise
        chosen = disk.but(via=_QEMUS)
        chosen.note(
            f"zns: QEMU's own namespace, since {refusal.message}; "
            "`zonevm qemu pull` gets a QEMU for zonevm's, which keeps zone state and can be made to fail"
        )
        return chosen, None
    return disk, None


def method(disk: ZnsDisk) -> Method:
    """Return the method of a zoned namespace for which one was chosen."""
    return nvme_zns.METHOD if disk.via == _QEMUS else vfio_user_nvme.METHOD


def _require(abilities: Abilities) -> None:
    abilities.qemu.require(vfio_user_nvme.METHOD.since, "an NVMe namespace of zonevm's own")
    for model in vfio_user_nvme.METHOD.models:
        abilities.require_device(model.name)
