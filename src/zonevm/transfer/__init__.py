"""Makes images of ours from disks that are elsewhere, with their data and the state of their zones.

A new place that disks can come from is a new file with a :class:`Source`, and its row in ``importing``.
"""

from zonevm.transfer.importing import Imported, import_disk

__all__ = ["Imported", "import_disk"]
