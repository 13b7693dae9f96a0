"""Makes the modules of a kernel build tree usable without ``make modules_install``: links and depmod(8).

The tree itself is only read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from zonevm.kernel.module_dirs import run_depmod
from zonevm.packages import new_entry


def is_build_tree(tree: Path) -> bool:
    """Whether a kernel was built in ``tree``."""
    return (tree / "include/config/kernel.release").exists()


def tree_modules(tree: Path, version: str, cache: Path) -> Path | None:
    """Return a directory, kept in ``cache``, that stands for ``/lib/modules/VERSION`` of a build tree.

    It holds links to the tree's modules and the indexes depmod makes, made anew after each build. None for
    a kernel built without modules. Raises :class:`KernelError` where depmod fails.
    """
    order = tree / "modules.order"
    if not order.exists():
        return None
    key = hashlib.sha256(os.fsencode(f"{tree}:{order.stat().st_mtime_ns}")).hexdigest()[:16]
    root = cache / key
    modules = root / "lib/modules" / version
    if not (modules / "modules.dep").exists():
        _make(tree, version, root)
    return modules


def _make(tree: Path, version: str, root: Path) -> None:
    with new_entry(root) as work:
        modules = work / "lib/modules" / version
        modules.mkdir(parents=True)
        lines: list[str] = []
        for line in (tree / "modules.order").read_text().split():
            # Lists objects since Linux 6.3, modules before; prefixed with "kernel/" before Linux 5.2.
            name = Path(line.removeprefix("kernel/")).with_suffix(".ko")
            if not (tree / name).exists():
                continue
            link = modules / "kernel" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(tree / name)
            lines.append(f"kernel/{name}\n")
        (modules / "modules.order").write_text("".join(lines))
        for index in ("modules.builtin", "modules.builtin.modinfo"):
            if (tree / index).exists():
                shutil.copyfile(tree / index, modules / index)
        run_depmod(work, version)
