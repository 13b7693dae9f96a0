"""HOW a disk reaches QEMU: one file per method, each an :class:`Attachment`.

A guest does ``disks, qemu = settle(disks)``, which picks a method for those that have several, and QEMU; then
``for attachment in plan(disks, runtime_dir): stack.enter_context(attachment)``, and hands the
:class:`QemuDevice` objects to the machine; for a dry run it calls ``attachment.describe()`` instead.
"""

from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.choose import attach, choose, groups, live_disks, plan, settle, trace_disks

__all__ = [
    "Attachment",
    "QemuDevice",
    "attach",
    "choose",
    "groups",
    "live_disks",
    "plan",
    "settle",
    "trace_disks",
]
