"""What all kinds of disk have in common. A kind is a frozen dataclass derived from :class:`Disk`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from zonevm.disks.option import Described, described
from zonevm.errors import DiskError, UsageError


@described
class Disk(Described):
    """What a guest will see as one disk. Values are checked at construction: :class:`DiskError`.

    ``str(disk)`` is its ``--disk`` text.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    wrong_value: ClassVar[type[UsageError]] = DiskError

    @property
    def shares(self) -> str | None:
        """The name of the controller that this disk shares with others, or ``None`` for one of its own."""
        return None

    @property
    def place(self) -> Path | None:
        """The file or the node of this host that has the data; ``None`` where nothing with a name has."""
        file = getattr(self, "file", None)
        return file if isinstance(file, Path) else None

    @property
    def fails(self) -> bool:
        """Whether it can fail on purpose: zonevm itself serves it."""
        return False

    @property
    def volatile(self) -> bool:
        """Whether a power cut takes what was not flushed, or was said to be."""
        return False

    def __str__(self) -> str:
        return ",".join((self.kind, *self.settings()))
