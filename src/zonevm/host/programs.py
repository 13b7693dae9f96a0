"""Finds the programs of the host that a guest is made of. Knows nothing of guests."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host.answers import answer

_SYSTEM_DIRS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
_VIRTIOFSD_DIRS = ("/usr/libexec", "/usr/lib/qemu", "/usr/lib", "/usr/lib/virtiofsd")
_UDEVDS = ("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/usr/sbin/udevd", "/sbin/udevd")


def find_program(name: str, why: str, package: str = "") -> Path:
    """Return the path of program ``name``, from PATH or the system's own directories.

    ``why`` ends the sentence "... is not installed; it is needed to". ``package`` is what the hint says to
    install, by default the program's own name. Raises :class:`HostError` where there is none.
    """
    path = _which(name)
    if path is None:
        raise HostError(
            f"{name} is not installed; it is needed to {why}",
            f"Install it, on Debian and Ubuntu with: apt-get install {package or name}",
        )
    return path


def find_virtiofsd() -> Path | None:
    """Return the path of a virtiofsd that can serve ``/`` for this user, or None.

    It has to be able to refuse writes itself. The one that came with QEMU up to 7.2 is not, and needs root.
    """
    candidates = [_which("virtiofsd"), *(Path(place) / "virtiofsd" for place in _VIRTIOFSD_DIRS)]
    for path in candidates:
        if path is None or not os.access(path, os.X_OK) or path.is_dir():
            continue
        said = answer(path, "--help")
        if b"--readonly" in said and b"--no-announce-submounts" in said:
            return path
    return None


def find_udevd() -> Path:
    """Return the path of the host's udevd. Raises :class:`HostError` where there is none."""
    for path in map(Path, _UDEVDS):
        if os.access(path, os.X_OK):
            find_program("udevadm", "have udev in the guest", "udev")
            return path
    raise HostError(
        f"no udevd is installed ({', '.join(_UDEVDS)}); it is needed to have udev in the guest",
        "Install it, on Debian and Ubuntu with: apt-get install udev. Or leave --udev out.",
    )


def guest_python() -> Path:
    """Return the real file of the Python interpreter that runs this, outside any virtual environment."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def _which(name: str) -> Path | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_DIRS])
    found = shutil.which(name, path=path)
    return Path(found) if found else None
