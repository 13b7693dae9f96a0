"""What all kinds of disk have in common. A kind is a frozen dataclass derived from :class:`Disk`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from zonevm.disks.option import Described
from zonevm.errors import DiskError, UsageError


@dataclass(frozen=True)
class Disk(Described):
    """What a guest will see as one disk. Values are checked at construction: :class:`DiskError`.

    ``notes`` are sentences that the user should see, such as a value that was rounded. ``str(disk)`` is its
    ``--disk`` text.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    wrong_value: ClassVar[type[UsageError]] = DiskError

    notes: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

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
    def volatile(self) -> bool:
        """Whether a power cut takes what was not flushed, or was said to be."""
        return False

    def note(self, *notes: str) -> None:
        """Add sentences that the user should see; for ``__post_init__``."""
        self.__dict__["notes"] = self.notes + notes

    def __str__(self) -> str:
        return ",".join((self.kind, *self.settings()))
