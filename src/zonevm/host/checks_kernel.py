"""Checks of the host's kernel and of what LIO targets need beside it: modules, root, rtslib, tcmu-runner."""

from __future__ import annotations

import importlib.util
import sys

from zonevm.errors import HostError
from zonevm.host.checks import Check, Finding, Host, Status, attempt
from zonevm.host.features import State
from zonevm.host.programs import find_program


def feature(module: str, option: str) -> Check:
    """Return the check that the running kernel has ``module``, CONFIG_``option``.

    Root's zonevm loads a module when it needs it; for other users it has to be loaded before.
    """

    def check(host: Host) -> Finding:
        name = f"kernel {module}"
        state = host.features.state(module, option)
        seen = f"{state.value} (CONFIG_{option})"
        if state.works:
            return Finding(name, Status.OK, seen)
        if state is State.LOADABLE:
            if host.user == 0:
                return Finding(name, Status.OK, f"{seen}; zonevm loads it")
            return Finding(name, Status.MISSING, seen, f"sudo modprobe {module}")
        if state is State.NOT_INSTALLED:
            packages = ("linux-modules-extra", "linux-image")
            mend = " || ".join(f"sudo apt-get install {package}-{host.release}" for package in packages)
            return Finding(name, Status.MISSING, seen, mend)
        return Finding(name, Status.CANNOT, f"{seen}; Linux {host.release}")

    return check


def zoned_block_layer(host: Host) -> Finding:
    """Check that zoned disks get a block node on this host, which they do with CONFIG_BLK_DEV_ZONED only."""
    name, option = "zoned block layer", "BLK_DEV_ZONED"
    if host.features.lacks(option):
        seen = f"{State.NOT_BUILT.value} (CONFIG_{option}); Linux {host.release}"
        return Finding(name, Status.CANNOT, seen)
    return Finding(name, Status.OK, f"nothing rules it out (CONFIG_{option})")


def root(host: Host) -> Finding:
    """Check for root: only root can make targets."""
    if host.user == 0:
        return Finding("root", Status.OK, "this user is root")
    return Finding("root", Status.MISSING, "only root can make LIO targets", "sudo zonevm ...")


def rtslib(host: Host) -> Finding:
    """Check that this Python has rtslib-fb, which sets LIO up."""
    if importlib.util.find_spec("rtslib_fb"):
        return Finding("rtslib", Status.OK, f"{sys.executable} has it")
    mend = f"{sys.executable} -m pip install rtslib-fb"
    return Finding("rtslib", Status.MISSING, f"{sys.executable} does not have it", mend)


def tcmu_runner(host: Host) -> Finding:
    """Check that tcmu-runner is installed."""
    return attempt("tcmu-runner", lambda: str(find_program("tcmu-runner", "emulate disks behind LIO")))


def dbus(host: Host) -> Finding:
    """Check that there is a D-Bus system bus, or the daemon to start one with; tcmu-runner ends without."""

    def look() -> str:
        if (host.root / "run/dbus/system_bus_socket").exists():
            return "the system bus is there"
        daemon = find_program("dbus-daemon", "give tcmu-runner a bus", "dbus")
        if host.user != 0:
            raise HostError("no system bus is running", "sudo systemctl start dbus")
        return f"no system bus is running; {daemon} can be started"

    return attempt("D-Bus", look)


LIO: tuple[Check, ...] = (
    root,
    rtslib,
    feature("configfs", "CONFIGFS_FS"),
    feature("target_core_mod", "TARGET_CORE"),
)
"""What every target needs."""

PSCSI: tuple[Check, ...] = (feature("target_core_pscsi", "TCM_PSCSI"),)
"""What a target on a physical disk needs."""

TCMU: tuple[Check, ...] = (feature("target_core_user", "TCM_USER2"), tcmu_runner, dbus)
"""What a target on a disk that tcmu-runner emulates needs."""
