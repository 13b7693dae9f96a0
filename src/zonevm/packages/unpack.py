"""Unpacks Debian packages into a directory, without installing them."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from zonevm.host import find_program
from zonevm.packages.process import run


def unpack(files: Iterable[Path], root: Path) -> None:
    """Unpack package ``files`` into directory ``root``. No program in it runs as another user.

    Raises :class:`PackageError` where dpkg-deb fails.
    """
    dpkg = find_program("dpkg-deb", "unpack packages", "dpkg")
    for file in files:
        run([dpkg, "-x", file, root], f"cannot unpack {file.name}")
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(mode & 0o777)
