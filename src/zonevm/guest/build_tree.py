"""Makes the modules of a kernel build tree usable without ``make modules_install``: links and depmod(8).

The tree itself is only read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from zonevm.errors import KernelError
from zonevm.host import find_program


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
    key = hashlib.sha256(f"{tree}:{order.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    root = cache / key
    modules = root / "lib/modules" / version
    if not (modules / "modules.dep").exists():
        _make(tree, version, root)
    return modules


def _make(tree: Path, version: str, root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=root.parent))
    try:
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
        work.chmod(0o755)
        work.replace(root)
    except OSError as error:
        if not root.exists():
            raise KernelError(f"cannot prepare the modules of {tree}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
