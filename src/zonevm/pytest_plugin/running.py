"""A test in a guest while it runs: what it asked for, its guest, where to keep what is known if it fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zonevm.pytest_plugin import options
from zonevm.pytest_plugin.asked import Asked

if TYPE_CHECKING:
    from zonevm.disks import Disk
    from zonevm.guest import Guest


@dataclass(frozen=True)
class SeenDisk:
    """A disk of a test: its number, its node in the guest, what it is. ``str(disk)`` is the node."""

    number: int
    node: str
    description: Disk = field(repr=False)

    def __str__(self) -> str:
        return self.node


@dataclass
class Running:
    """A test. ``tmp_path``: its own directory. ``guest``: None before it has one, and where it needs none.

    ``disks``: those of the guest, once it has one. ``begun``: when it got them, in nanoseconds since 1970.
    ``heard``: how much of the console was there then. ``kept``: whether something was kept of it.
    """

    name: str
    asked: Asked
    tmp_path: Path
    artifacts: Path | None
    guest: Guest | None = None
    disks: Sequence[Disk] = ()
    begun: int = 0
    heard: int = 0
    kept: bool = False

    @classmethod
    def of(cls, item: pytest.Item, asked: Asked, tmp_path: Path) -> Running:
        """Return the test that an item is."""
        path, _, name = item.location
        return cls(f"{path}::{name}", asked, tmp_path, options.artifacts(item.config))

    @property
    def place(self) -> Path:
        """The directory for what is known of a failure; it need not be there."""
        if self.artifacts is None:
            return self.tmp_path / "zonevm"
        return self.artifacts / re.sub(r"[^\w.,=\[\]-]+", "-", self.name).strip("-")

    def keep(self, files: Mapping[str, str]) -> None:
        """Write files of these names to :attr:`place`. Raises OSError where that cannot be."""
        self.place.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.place / name).write_text(text, errors="backslashreplace")
        self.kept = True

    def keep_trace(self) -> None:
        """Move the trace, which is whole, to what was kept."""
        if self.kept and self.trace.exists():
            shutil.move(self.trace, self.place / self.trace.name)

    @property
    def trace(self) -> Path:
        """The trace, where one was asked for: while the test runs, and afterwards if it passed."""
        return self.tmp_path / "trace.parquet"


KEY = pytest.StashKey[Running]()
"""Where an item has it."""
