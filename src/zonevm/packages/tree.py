"""Packages of a suite, with all that they need, unpacked into the cache: programs beside the host's."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.host import cache_dir
from zonevm.packages.apt import Apt, Note
from zonevm.packages.entry import new_entry
from zonevm.packages.programs import install_wrapper
from zonevm.packages.unpack import unpack
from zonevm.packages.watch import Progress


@dataclass(frozen=True)
class Tree:
    """Unpacked packages: ``root`` is what would be ``/`` if they were installed."""

    root: Path

    def program(self, name: str) -> Path:
        """Return a script that runs program ``name`` of the packages with their own libraries.

        Raises :class:`PackageError` for one that the packages do not have.
        """
        script = self.root.parent / "bin" / name
        if not script.exists():
            script.parent.mkdir(exist_ok=True)
            install_wrapper(self.root, name, script)
        return script


def pull_tree(
    packages: Sequence[str],
    suite: str,
    mirror: str | None = None,
    progress: Progress | None = None,
    note: Note = lambda _: None,
) -> Tree:
    """Return ``packages`` of ``suite`` and all that they need, from the cache or else from the archive.

    Nothing is left of a download that fails or is interrupted. Raises :class:`HostError` for a missing tool
    and :class:`PackageError` for what the archive does not have.
    """
    target = cache_dir() / "packages" / f"{'+'.join(packages)}-{suite}"
    if not target.exists():
        with Apt.of_suite(suite, mirror, note=note) as apt, new_entry(target) as work:
            fetch(apt, apt.closure(packages), work / "root", progress)
    return Tree(target / "root")


def fetch(apt: Apt, packages: Sequence[str], root: Path, progress: Progress | None) -> None:
    """Download ``packages`` by ``apt`` and unpack them into ``root``; the files are gone afterwards."""
    archives = root / ".archives"
    archives.mkdir(parents=True)
    unpack(apt.download(packages, archives, progress), root)
    shutil.rmtree(archives)
