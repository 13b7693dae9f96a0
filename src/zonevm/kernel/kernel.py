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
from zonevm.host import cache_dir
from zonevm.inputs import shown
from zonevm.kernel.build_tree import is_build_tree, tree_modules
from zonevm.kernel.module_dirs import find_modules, module_places
from zonevm.kernel.vmlinux import image_version

_PULL = "Get one with `zonevm kernel pull`, or name one: --kernel with a bzImage, a build tree or a version."


@dataclass(frozen=True)
class Kernel:
    """A kernel that a guest can run.

    ``modules`` is the directory with its ``modules.dep``, or None for a kernel that came without modules:
    all it has must then be built in. ``origin`` is where it was found: ``host``, ``cache`` or ``file``;
    ``sought`` are the places that have no modules of it, each with the reason, in words.
    """

    version: str
    image: Path
    modules: Path | None
    origin: str
    sought: tuple[str, ...] = ()

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
    there is, cache and host). None: the kernel that the host runs, else the newest in the cache, else the
    newest that the host has, as a container may have one. Raises :class:`KernelError` where there is none.
    """
    if choice is None:
        return _default()
    text = os.fspath(choice)
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return _from_tree(path)
        if path.exists():
            return _from_image(path)
    except (OSError, RuntimeError) as error:
        name = getattr(error, "filename", None) or text
        raise KernelError(
            f"cannot read the kernel {shown(name)}: {getattr(error, 'strerror', error)}"
        ) from error
    if "/" in text:
        raise KernelError(f"there is no kernel at {shown(text)}", _PULL)
    matches = [kernel for kernel in installed() if matches_version(kernel.version, text)]
    if not matches:
        there = ", ".join(kernel.version for kernel in installed()) or "none at all"
        raise KernelError(
            f"no kernel of version '{shown(text)}' is here; there is: {there}",
            f"Get it with `zonevm kernel pull {shown(text)}`.",
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
    """Return what sorts versions by their numbers: 6.12.9 before 6.12.10, 7.4-rc2 before 7.4.1."""
    parts = re.findall(r"\d+|rc(?=\d)", version)
    return tuple(-1 if part == "rc" else int(part) for part in parts)


def matches_version(version: str, wanted: str) -> bool:
    """Whether ``version`` is ``wanted`` or begins with it as whole numbers: 6.1 is not 6.12."""
    return re.match(re.escape(wanted) + r"(?!\d)", version) is not None


def _default() -> Kernel:
    running = os.uname().release
    of_host = list(_host())
    for kernel in of_host:
        if kernel.version == running:
            return kernel
    others = list(_cached()) or of_host
    if not others:
        raise KernelError(
            f"no kernel for the guest: {_why_not_the_hosts(running)}, and none was pulled", _PULL
        )
    return max(others, key=lambda kernel: version_key(kernel.version))


def _why_not_the_hosts(running: str) -> str:
    modules, sought = find_modules(module_places([Path("/")], running))
    if modules is None and any(os.access(image, os.R_OK) for image in _host_images(running)):
        return f"no modules of the host's ({running}) are in {', '.join(sought)}"
    return f"the host's ({running}) is not in /boot or not for this user to read"


def _host_images(version: str) -> tuple[Path, Path]:
    return Path("/boot") / f"vmlinuz-{version}", Path("/lib/modules") / version / "vmlinuz"


def _from_image(image: Path) -> Kernel:
    image = image.resolve()
    version = image_version(image)
    tree = image.parents[3] if image.match("arch/*/boot/bzImage") else None
    if tree is not None and is_build_tree(tree):
        return _from_tree(tree)
    roots = [image.parent.parent, Path("/"), kernels_dir() / version]
    return _with_modules(version, image, [image.parent, *module_places(roots, version)])


def _with_modules(version: str, image: Path, places: list[Path]) -> Kernel:
    modules, sought = find_modules(places, cache_dir() / "modules")
    return Kernel(version, image, modules, "file", sought)


def _from_tree(tree: Path) -> Kernel:
    tree = tree.resolve()
    image = tree / "arch/x86/boot/bzImage"
    if not image.exists():
        for version, unpacked in images_in(tree):
            return _with_modules(version, unpacked, module_places([tree], version))
        raise KernelError(
            f"{tree} holds no kernel: there is no {image.relative_to(tree)} in it",
            "Build one there with: make bzImage modules",
        )
    version = image_version(image)
    modules = tree_modules(tree, version, cache_dir() / "build-trees")
    sought = () if modules else (f"{tree} (no modules.order in it: none were built)",)
    return Kernel(version, image, modules, "file", sought)


def _host() -> Iterator[Kernel]:
    for image in (*Path("/boot").glob("vmlinuz-*"), *Path("/lib/modules").glob("*/vmlinuz")):
        version = image.parent.name if image.name == "vmlinuz" else image.name.removeprefix("vmlinuz-")
        modules, _ = find_modules(module_places([Path("/")], version))
        if modules is not None and os.access(image, os.R_OK):
            yield Kernel(version, image, modules, "host")


def _cached() -> Iterator[Kernel]:
    for root in kernels_dir().glob("[!.]*"):
        yield from _unpacked(root, "cache")


def _unpacked(root: Path, origin: str) -> Iterator[Kernel]:
    """Yield the kernels with indexed modules in ``root``, laid out as a package of a distribution unpacks."""
    for version, image in images_in(root):
        modules, _ = find_modules(module_places([root], version))
        if modules is not None:
            yield Kernel(version, image, modules, origin)


def images_in(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield version and image of the kernels in ``root``; Debian's are with the modules from 6.19 on."""
    for image in root.glob("boot/vmlinuz-*"):
        yield image.name.removeprefix("vmlinuz-"), image
    for lib in ("lib", "usr/lib"):
        for image in root.glob(f"{lib}/modules/*/vmlinuz"):
            yield image.parent.name, image
