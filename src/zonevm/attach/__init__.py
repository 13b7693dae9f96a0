"""HOW a disk reaches QEMU: one file per method, each an :class:`Attachment`.

A guest does ``disks = resolve(disks, qemu)``, once, which picks a method for those that have several, and
QEMU; then ``for attachment in disks.attachments(runtime_dir): stack.enter_context(attachment)``, and hands
the :class:`QemuDevice` objects to the machine; for a dry run it calls ``attachment.describe()`` instead.
"""

from zonevm.attach.base import Attachment, QemuDevice
from zonevm.attach.disk_set import DiskSet
from zonevm.attach.resolve import resolve

__all__ = ["Attachment", "DiskSet", "QemuDevice", "resolve"]
