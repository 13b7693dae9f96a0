"""Puts kernels of the distribution into the cache, by apt, without installing them and without root.

Of the suites that the host's apt knows by its own lists; of others by a private configuration.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import KernelError, UsageError
from zonevm.host import cache_dir
from zonevm.kernel.kernel import Kernel, find, images_in, installed, kernels_dir, matches_version, version_key
from zonevm.kernel.module_dirs import run_depmod
from zonevm.kernel.vmlinux import forget
from zonevm.packages import Apt, Note, Progress, discard, fetch, find_archive, new_entry, suites_there

_IMAGE = re.compile(r"linux-image-(\d+\.\d+(?:\.\d+|[-~]rc\d+)(?!\S*-(?:rt|cloud)-)\S*-(?:amd64|generic))")


@dataclass(frozen=True)
class _Package:
    name: str
    version: str


def available() -> list[str]:
    """Return the versions that :func:`pull` can get, newest first, from apt's package lists.

    Raises :class:`HostError` where there is no apt.
    """
    return [package.version for package in _packages(Apt.of_host())]


def pull(
    release: str | None = None,
    progress: Progress | None = None,
    *,
    suite: str | None = None,
    newest: bool = False,
    mirror: str | None = None,
    note: Note = lambda _: None,
) -> Kernel:
    """Get the newest kernel, or the newest of ``release`` (``6.1``, a full version), into the cache.

    It comes from what the host's apt knows, from ``suite`` of the archive, or with ``newest`` from whichever
    of the archive's suites, experimental aside, has the newest one. ``mirror`` is the URL of another mirror.
    Returns the one in the cache where it is there already. Nothing is left of a pull that fails or is
    interrupted. Raises :class:`KernelError` for a release that is not there, :class:`PackageError` for a
    failed download, and :class:`HostError` where apt is missing.
    """
    if newest and suite:
        raise UsageError("the newest of all suites is not of one suite", "Give --newest or --suite.")
    if newest:
        suite = _suite_with_newest(release, mirror, note)
    with _apt(suite, mirror, note) as apt:
        package = _choose(apt, release)
        target = kernels_dir() / package.version
        if not _is_whole(target, package.version):
            shutil.rmtree(target, ignore_errors=True)
            _fetch(apt, package, target, progress)
    return find(package.version)


def remove(version: str) -> None:
    """Remove kernel ``version``, told in full, from the cache.

    Raises :class:`KernelError` where it is not there.
    """
    cached = [kernel.version for kernel in installed() if kernel.origin == "cache"]
    if version not in cached:
        there = ", ".join(cached) or "none"
        raise KernelError(
            f"no kernel {version!r} is in the cache; there is: {there}", "See `zonevm kernel list`."
        )
    root = kernels_dir() / version
    for _, image in images_in(root):
        forget(image, cache_dir() / "unpacked")
    discard(root)


@contextmanager
def _apt(suite: str | None, mirror: str | None, note: Note) -> Iterator[Apt]:
    if suite is None and mirror is None:
        yield Apt.of_host()
        return
    with Apt.of_suite(suite or "stable", mirror, alone=True, note=note) as apt:
        yield apt


def _suite_with_newest(release: str | None, mirror: str | None, note: Note) -> str:
    """Return the suite with the newest kernel, of the supported ones and those in preparation."""
    archive = find_archive(mirror)
    newest: dict[str, _Package] = {}
    known: list[str] = []
    for suite in suites_there(archive, archive.newest).values():
        with Apt.of_suite(suite, mirror, alone=True, note=note) as apt:
            packages = _packages(apt)
            known += [package.version for package in packages]
            if package := next(_whole(apt, packages, release), None):
                newest[suite] = package
    if not newest:
        raise _none(archive.mirror, release, known)
    return max(newest, key=lambda suite: version_key(newest[suite].version))


def _choose(apt: Apt, release: str | None) -> _Package:
    packages = _packages(apt)
    for package in _whole(apt, packages, release):
        return package
    raise _none(apt.name, release, [package.version for package in packages])


def _none(where: str, release: str | None, known: list[str]) -> KernelError:
    wanted = "kernel" if release is None else f"kernel of version {release!r}"
    partly = any(release is None or matches_version(version, release) for version in known)
    return KernelError(
        f"{where} has no {wanted}{' whose packages are all there' if partly else ''}; "
        f"it has: {', '.join(known) or 'none'}",
        "Renew apt's lists with `sudo apt-get update`, or look further with --newest or --suite.",
    )


def _packages(apt: Apt) -> list[_Package]:
    names = apt.names("^linux-image-[0-9]")
    found = [_Package(name, match[1]) for name in names if (match := _IMAGE.fullmatch(name))]
    return sorted(found, key=lambda package: version_key(package.version), reverse=True)


def _whole(apt: Apt, packages: list[_Package], release: str | None) -> Iterator[_Package]:
    """Yield those of ``release`` whose parts are all there: archives keep images longer than the rest."""
    for package in packages:
        if release is None or matches_version(package.version, release):
            there = apt.names(f"^linux-.*-{re.escape(package.version)}$")
            if set(_parts(apt, package)).issubset(there):
                yield package


def _fetch(apt: Apt, package: _Package, target: Path, progress: Progress | None) -> None:
    with new_entry(target) as work:
        fetch(apt, _parts(apt, package), work, progress)
        run_depmod(work, package.version)
        if not _is_whole(work, package.version):
            raise KernelError(f"{package.name} of {apt.name} and what it depends on hold no kernel")


def _parts(apt: Apt, package: _Package) -> list[str]:
    """Return the packages that the kernel is made of: what the image's depends on and is of its version.

    Ubuntu's image recommends one that has more modules.
    """
    parts = [package.name, *apt.names(f"^linux-modules-extra-{re.escape(package.version)}$")]
    for part in parts:  # grows meanwhile
        needed = [name for name in apt.depends(part) if name.endswith(f"-{package.version}")]
        parts += [name for name in dict.fromkeys(needed) if name not in parts]
    return parts


def _is_whole(root: Path, version: str) -> bool:
    return any(found == version for found, _ in images_in(root))
