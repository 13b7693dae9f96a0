"""Puts a kernel of the distribution into the cache, by apt, without installing it and without root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import KernelError
from zonevm.guest.build_tree import run_depmod
from zonevm.guest.kernel import Kernel, find, kernels_dir, matches_version, version_key
from zonevm.host import find_program

Progress = Callable[[int, int], None]
"""Is told the bytes downloaded so far and the bytes in all."""

_IMAGE = re.compile(r"linux-image-(\d+\.\d+\.\d+(?!\S*-(?:rt|cloud)-)\S*-(?:amd64|generic))")
_APT = "get a kernel; `zonevm kernel pull` knows Debian and Ubuntu (use --kernel with a file elsewhere)"
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Package:
    name: str
    version: str


def available() -> list[str]:
    """Return the versions that :func:`pull` can get, newest first, from apt's package lists.

    Raises :class:`HostError` where there is no apt.
    """
    return [package.version for package in _packages()]


def pull(release: str | None = None, progress: Progress | None = None) -> Kernel:
    """Get the newest kernel, or the newest of ``release`` (``6.1``, a full version), into the cache.

    Returns the one in the cache where it is there already. Nothing is left of a pull that fails or is
    interrupted. Raises :class:`KernelError` for a release that apt does not have or a failed download, and
    :class:`HostError` where apt is missing.
    """
    packages = _packages()
    matching = [
        package for package in packages if release is None or matches_version(package.version, release)
    ]
    if not matching:
        known = ", ".join(package.version for package in packages) or "none"
        wanted = "kernel" if release is None else f"kernel of version {release!r}"
        raise KernelError(
            f"apt has no {wanted}; it has: {known}", "Renew apt's lists with: sudo apt-get update"
        )
    package = matching[0]
    target = kernels_dir() / package.version
    if not target.exists():
        _fetch(package, target, progress)
    return find(package.version)


def _packages() -> list[_Package]:
    names = _search("^linux-image-[0-9]")
    found = [_Package(name, match[1]) for name in names if (match := _IMAGE.fullmatch(name))]
    return sorted(found, key=lambda package: version_key(package.version), reverse=True)


def _search(pattern: str) -> list[str]:
    apt = find_program("apt-cache", _APT, "apt")
    answer = _run([apt, "search", "--names-only", pattern], "apt cannot search its lists")
    return sorted({line.split()[0] for line in answer.splitlines()})


def _fetch(package: _Package, target: Path, progress: Progress | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".pull-", dir=target.parent))
    try:
        unpack = find_program("dpkg-deb", _APT, "dpkg")
        for deb in _download([package.name, *_module_packages(package)], work, progress):
            _run([unpack, "-x", deb, work / "root"], f"cannot unpack {deb.name}")
        root = work / "root"
        run_depmod(root, package.version)
        root.chmod(0o755)
        root.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _module_packages(package: _Package) -> list[str]:
    """Return the packages that hold the modules where the image's own does not: Ubuntu's."""
    return _search(f"^linux-modules(-extra)?-{re.escape(package.version)}$")


def _download(names: list[str], directory: Path, progress: Progress | None) -> list[Path]:
    apt = find_program("apt-get", _APT, "apt")
    # By default root's downloads go through the user _apt, who cannot write here.
    command: list[str | Path] = [apt, "-o", "APT::Sandbox::User=root", "download", *names]
    uris = _run([*command, "--print-uris"], f"apt cannot find {' '.join(names)}")
    total = sum(int(line.split()[2]) for line in uris.splitlines() if line.startswith("'"))
    with _Watch(directory, total, progress):
        _run(command, f"apt could not download {' '.join(names)}", directory)
    return sorted(directory.glob("*.deb"))


def _run(command: list[str | Path], failure: str, directory: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last = errors.strip().splitlines()[-1:] or ["no reason given"]
        raise KernelError(
            f"{failure}: {last[0]}", "Check the network, or renew apt's lists with: sudo apt-get update"
        )
    return output


class _Watch:
    """Tells a callback how much of ``total`` bytes has arrived in ``directory`` while it is entered."""

    def __init__(self, directory: Path, total: int, progress: Progress | None) -> None:
        self._directory = directory
        self._total = total
        self._progress = progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        if self._progress:
            self._thread.start()

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        if self._progress:
            self._thread.join()
            self._tell()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._tell()

    def _tell(self) -> None:
        assert self._progress
        arrived = 0
        for file in self._directory.rglob("*.deb*"):
            try:
                arrived += file.stat().st_size
            except FileNotFoundError:  # renamed by apt meanwhile
                continue
        self._progress(min(arrived, self._total), self._total)
