"""Finds a guest kernel and its modules: a file, a build tree, a version, the host's own, or one in the cache.

Downloads nothing (that is ``pull``) and boots nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import KernelError
from zonevm.guest.build_tree import is_build_tree, tree_modules
from zonevm.guest.vmlinux import image_version
from zonevm.host import cache_dir

_PULL = "Get one with `zonevm kernel pull`, or name one: --kernel with a bzImage, a build tree or a version."


@dataclass(frozen=True)
class Kernel:
    """A kernel that a guest can run.

    ``modules`` is the directory with its ``modules.dep``, or None for a kernel that came without modules:
    all it has must then be built in. ``origin`` is where it was found: ``host``, ``cache`` or ``file``.
    """

    version: str
    image: Path
    modules: Path | None
    origin: str

    def require(self, version: tuple[int, int], what: str) -> None:
        """Raise :class:`KernelError` unless this kernel is ``version`` or later, which ``what`` needs."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        if numbers and (int(numbers[1]), int(numbers[2])) < version:
            needed = f"{version[0]}.{version[1]} or later"
            raise KernelError(
                f"the guest's kernel is Linux {self.version}; {what} needs {needed}",
                _PULL,
            )


def find(choice: str | Path | None = None) -> Kernel:
    """Return the kernel that ``choice`` names, or the best there is.

    ``choice``: the path of a bzImage or of a kernel build tree, or a version (``6.12`` picks the newest 6.12
    there is, cache and host). None: the kernel that the host runs, else the newest in the cache. Raises
    :class:`KernelError` where there is none.
    """
    if choice is None:
        return _default()
    text = os.fspath(choice)
    path = Path(text).expanduser()
    if path.is_dir():
        return _from_tree(path)
    if path.exists():
        return _from_image(path)
    if "/" in text:
        raise KernelError(f"there is no kernel at {text}", _PULL)
    matches = [kernel for kernel in installed() if matches_version(kernel.version, text)]
    if not matches:
        there = ", ".join(kernel.version for kernel in installed()) or "none at all"
        raise KernelError(
            f"no kernel of version {text!r} is here; there is: {there}",
            f"Get it with `zonevm kernel pull {text}`.",
        )
    return matches[0]


def installed() -> list[Kernel]:
    """Return the kernels in the cache and of the host, newest first; of the same version, the cache's."""
    found: dict[str, Kernel] = {}
    for kernel in (*_cached(), *_host()):
        found.setdefault(kernel.version, kernel)
    return sorted(found.values(), key=lambda kernel: version_key(kernel.version), reverse=True)


def kernels_dir() -> Path:
    """Return the directory of the cache with one directory for each kernel: an unpacked package."""
    return cache_dir() / "kernels"


def version_key(version: str) -> tuple[int, ...]:
    """Return what sorts versions by their numbers: 6.12.9 before 6.12.10."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def matches_version(version: str, wanted: str) -> bool:
    """Whether ``version`` is ``wanted`` or begins with it as whole numbers: 6.1 is not 6.12."""
    return re.match(re.escape(wanted) + r"(?!\d)", version) is not None


def _default() -> Kernel:
    running = os.uname().release
    for kernel in _host():
        if kernel.version == running:
            return kernel
    cached = sorted(_cached(), key=lambda kernel: version_key(kernel.version))
    if not cached:
        raise KernelError(
            f"no kernel for the guest: the host's ({running}) is not in /boot or not for this user to read, "
            "and none was pulled",
            _PULL,
        )
    return cached[-1]


def _from_image(image: Path) -> Kernel:
    image = image.resolve()
    version = image_version(image)
    tree = image.parents[3] if image.match("arch/*/boot/bzImage") else None
    if tree is not None and is_build_tree(tree):
        return _from_tree(tree)
    roots = [image.parent.parent, Path("/"), kernels_dir() / version]
    return Kernel(version, image, _modules(version, [image.parent, *_module_places(roots, version)]), "file")


def _from_tree(tree: Path) -> Kernel:
    tree = tree.resolve()
    image = tree / "arch/x86/boot/bzImage"
    if not image.exists():
        for kernel in _unpacked(tree, "file"):
            return kernel
        raise KernelError(
            f"{tree} holds no kernel: there is no {image.relative_to(tree)} in it",
            "Build one there with: make bzImage modules",
        )
    version = image_version(image)
    return Kernel(version, image, tree_modules(tree, version, cache_dir() / "build-trees"), "file")


def _host() -> Iterator[Kernel]:
    for image in (*Path("/boot").glob("vmlinuz-*"), *Path("/lib/modules").glob("*/vmlinuz")):
        version = image.parent.name if image.name == "vmlinuz" else image.name.removeprefix("vmlinuz-")
        modules = _modules(version, _module_places([Path("/")], version))
        if modules is not None and os.access(image, os.R_OK):
            yield Kernel(version, image, modules, "host")


def _cached() -> Iterator[Kernel]:
    for root in kernels_dir().glob("[!.]*"):
        yield from _unpacked(root, "cache")


def _unpacked(root: Path, origin: str) -> Iterator[Kernel]:
    """Yield the kernels in ``root``, laid out as a package of a distribution unpacks."""
    for image in root.glob("boot/vmlinuz-*"):
        version = image.name.removeprefix("vmlinuz-")
        modules = _modules(version, _module_places([root], version))
        if modules is not None:
            yield Kernel(version, image, modules, origin)


def _module_places(roots: list[Path], version: str) -> list[Path]:
    return [root / lib / "modules" / version for root in roots for lib in ("lib", "usr/lib")]


def _modules(version: str, places: list[Path]) -> Path | None:
    for place in places:
        if (place / "modules.dep").exists():
            return place.resolve()
    return None
