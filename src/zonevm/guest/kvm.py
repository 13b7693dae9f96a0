"""Decides between KVM and TCG for a guest that boots no kernel of ours."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from zonevm.errors import HostError
from zonevm.guest.plan import Plan, Settings
from zonevm.host import Qemu
from zonevm.machine import accel


def choose_accel(settings: Settings, qemu: Qemu) -> accel.Accel:
    """Return how the processors run. Where a kernel is here, it proves KVM; else KVM has to be trusted."""
    if settings.accel != "auto":
        return accel.choose(settings.accel, qemu, Path(), Path(), Path())
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return accel.tcg(qemu)
    bare = dataclasses.replace(settings, disks=(), net=None, qemu_args=())
    try:
        return Plan.make(bare, lambda _: None).accel
    except HostError:
        return accel.choose("kvm", qemu, Path(), Path(), Path())
