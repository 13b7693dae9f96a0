"""Boots guests and talks to them: kernel, initramfs, machine (QEMU and QMP), agent, guest."""

from zonevm.agent.completed import CommandError, Completed
from zonevm.guest.guest import Guest
from zonevm.kernel.kernel import Kernel, find, installed

__all__ = ["CommandError", "Completed", "Guest", "Kernel", "find", "installed"]
