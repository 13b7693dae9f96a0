"""Works out the hardware of a guest that boots no kernel of ours: there another guest has to prove KVM."""

from __future__ import annotations

import os
from pathlib import Path

from zonevm.attach import resolve
from zonevm.errors import HostError
from zonevm.guest.hardware import Hardware
from zonevm.guest.plan import Plan
from zonevm.guest.settings import KernelSettings, Settings
from zonevm.host import find_qemu
from zonevm.machine import accel


def hardware(settings: Settings, prover: KernelSettings | None = None) -> Hardware:
    """Return what ``settings`` come to. A kernel, that of ``prover``, proves KVM; without one it is trusted.

    Raises what :func:`resolve`, :func:`find_qemu` and :func:`accel.choose` do.
    """
    disks = resolve(settings.disks, settings.qemu, serve=settings.seen)
    qemu = find_qemu(disks.qemu)
    if settings.accel != "auto":
        how = accel.choose(settings.accel, qemu, Path(), Path(), Path())
    elif not os.access("/dev/kvm", os.R_OK | os.W_OK):
        how = accel.tcg(qemu)
    else:
        try:
            plan = Plan.make(Settings(qemu=disks.qemu), prover or KernelSettings(), lambda _: None)
            how = plan.hardware.accel
        except HostError:
            how = accel.choose("kvm", qemu, Path(), Path(), Path())
    return Hardware(settings, disks, qemu, how)
