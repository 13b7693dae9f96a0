"""Writes a guest's settings down as a libvirt domain. Starts nothing."""

from __future__ import annotations

from zonevm.attach import resolve
from zonevm.export import libvirt
from zonevm.guest.kvm import choose_accel
from zonevm.guest.plan import Settings
from zonevm.host import find_qemu, runtime_base


def domain(settings: Settings, system: libvirt.System | None = None) -> str:
    """Return the XML of a domain with the disks of ``settings``, and the image that it boots, if any."""
    settings.check()
    disks = resolve(settings.disks, settings.qemu)
    how = choose_accel(settings, find_qemu(disks.qemu))
    devices = [attachment.describe() for attachment in disks.attachments(runtime_base())]
    return libvirt.domain(
        devices,
        memory=settings.memory,
        cpus=how.processors(settings.cpus),
        kvm=how.name == "kvm",
        system=system,
        net=settings.net is not None,
        emulator=disks.qemu and str(find_qemu(disks.qemu).path),
        more=settings.qemu_args,
    )
