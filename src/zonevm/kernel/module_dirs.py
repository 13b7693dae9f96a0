"""Finds the directory with a kernel's modules, and says of each place that has none why.

A directory without depmod's indexes, as packages have them, is indexed in the cache: the user's is only read.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from zonevm.errors import KernelError
from zonevm.host import find_program
from zonevm.packages import new_entry

_COPIED = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def module_places(roots: Iterable[Path], version: str) -> list[Path]:
    """Return where below ``roots`` the modules of ``version`` can be."""
    return [root / lib / "modules" / version for root in roots for lib in ("lib", "usr/lib")]


def find_modules(places: Iterable[Path], cache: Path | None = None) -> tuple[Path | None, tuple[str, ...]]:
    """Return the first of ``places`` that has modules, and in words why those before have none.

    Modules without indexes are indexed in directory ``cache``, and passed over where that is None. Raises
    :class:`KernelError` where depmod fails.
    """
    reasons: list[str] = []
    for place in places:
        link = _link(place)
        try:
            names = {path.name for path in place.iterdir()}
            if "modules.dep" in names:
                (place / "modules.dep").open().close()
                return place.resolve(), tuple(reasons)
            if "kernel" not in names or place.parent.name != "modules":
                reasons.append(f"{place} ({link}no modules in it)")
            elif cache is not None:
                return _indexed(place.resolve(), cache), tuple(reasons)
            else:
                reasons.append(f"{place} ({link}no modules.dep in it)")
        except OSError as error:
            reasons.append(f"{place} ({link}{error.strerror})")
    return None, tuple(reasons)


def _link(place: Path) -> str:
    try:
        return f"a link to {place.readlink()}: "
    except OSError:
        return ""


def run_depmod(root: Path, version: str) -> None:
    """Write the module indexes below ``root``, in lib/modules/VERSION or usr/lib/modules/VERSION.

    Raises :class:`KernelError` where depmod fails.
    """
    # Which of the two places depmod looks at was decided when it was built.
    for here, there in (("lib", "usr/lib"), ("usr/lib", "lib")):
        if (root / here / "modules").is_dir() and not (root / there).exists():
            (root / there).parent.mkdir(parents=True, exist_ok=True)
            (root / there).symlink_to(os.path.relpath(root / here, (root / there).parent))
    depmod = find_program("depmod", "index the kernel's modules", "kmod")
    done = subprocess.run([depmod, "-b", root, version], capture_output=True, text=True)
    if done.returncode:
        raise KernelError(f"depmod failed for the modules of {version}: {done.stderr.strip()}")


def _indexed(modules: Path, cache: Path) -> Path:
    """Return a directory in ``cache`` that stands for ``modules``: links to what is in it, and indexes."""
    version = modules.name
    root = cache / hashlib.sha256(os.fsencode(f"{modules} {_newest(modules)}")).hexdigest()[:16]
    stand_in = Path("lib/modules") / version
    if not (root / stand_in / "modules.dep").exists():
        with new_entry(root) as work:
            (work / stand_in).mkdir(parents=True)
            for path in modules.iterdir():
                if path.is_dir() and path.name not in ("build", "source"):
                    (work / stand_in / path.name).symlink_to(path)
                elif path.name in _COPIED:
                    (work / stand_in / path.name).write_bytes(path.read_bytes())
            run_depmod(work, version)
    return root / stand_in


def _newest(modules: Path) -> int:
    """Return when a file was last added to ``modules`` or removed: the newest of its directories."""
    return max(Path(directory).stat().st_mtime_ns for directory, _, _ in os.walk(modules))
