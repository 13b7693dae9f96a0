"""Writes a guest's settings down as a libvirt domain. Starts nothing."""

from __future__ import annotations

from zonevm.export import libvirt
from zonevm.guest.kvm import hardware
from zonevm.guest.settings import KernelSettings, Settings
from zonevm.host import runtime_base


def domain(
    settings: Settings, kernel: KernelSettings | None = None, system: libvirt.System | None = None
) -> str:
    """Return the XML of a domain with the disks of ``settings``, and the image that it boots, if any.

    Raises :class:`UsageError` for a value of ``settings`` or ``kernel`` that is not allowed.
    """
    settings.check()
    if kernel:
        kernel.check()
    found = hardware(settings, kernel)
    devices = [attachment.describe() for attachment in found.disks.attachments(runtime_base())]
    return libvirt.domain(
        devices,
        memory=settings.memory,
        cpus=found.cpus,
        kvm=found.accel.name == "kvm",
        system=system,
        net=settings.net is not None,
        emulator=found.disks.qemu and str(found.qemu.path),
        more=settings.qemu_args,
    )
