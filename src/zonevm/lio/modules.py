"""Has the kernel ready for LIO: modules, configfs, LIO's own directory. Knows no target."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host import find_program

CONFIGFS = Path("/sys/kernel/config")
TARGET = CONFIGFS / "target"
"""LIO's tree in configfs."""

_MODULES = Path("/sys/module")
# rtslib insists on this one, and the kernel prefers it (DB_ROOT_PREFERRED in target_core_internal.h).
_DATABASE = Path("/etc/target")


def prepare(modules: Iterable[str]) -> None:
    """Load LIO's core and ``modules``, and mount configfs. Raises :class:`HostError` for what is missing."""
    try:
        _DATABASE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"cannot make {_DATABASE}, where LIO keeps reservations: {error.strerror}",
            "Make it writable for root.",
        ) from error
    _load("configfs")
    _mount()
    for module in ("target_core_mod", *modules):
        _load(module)
    if not TARGET.is_dir():
        raise HostError(
            f"{TARGET} is missing though target_core_mod is loaded", "See what the kernel says: dmesg | tail"
        )


def _load(module: str) -> None:
    if (_MODULES / module).exists():
        return
    modprobe = find_program("modprobe", f"load the kernel module {module}", "kmod")
    done = subprocess.run([modprobe, module], capture_output=True, text=True)
    if done.returncode == 0:
        return
    release = os.uname().release
    directory = Path("/lib/modules") / release
    if not directory.is_dir():
        raise HostError(
            f"the kernel module {module} is needed, but the running kernel's modules are not in {directory}",
            "Install the modules of the running kernel. In a container, load the module on its host: "
            f"modprobe {module}",
        )
    said = done.stderr.strip() or "it said nothing"
    raise HostError(
        f"the kernel module {module} is needed and did not load into Linux {release}: {said}",
        "Use a kernel that has it, as Debian's linux-image-amd64 does and its -cloud- kernels do not. "
        f"Then: modprobe {module}",
    )


def _mount() -> None:
    if CONFIGFS.is_mount():
        return
    done = subprocess.run(["mount", "-t", "configfs", "configfs", CONFIGFS], capture_output=True, text=True)
    if done.returncode:
        raise HostError(
            f"configfs is not mounted at {CONFIGFS}, and mounting it failed: {done.stderr.strip()}",
            f"Mount it here, or on the host of this container: mount -t configfs configfs {CONFIGFS}",
        )
