"""Checks of what every guest needs: QEMU and its devices, an accelerator, a kernel, the shared root."""

from __future__ import annotations

import importlib.util
import os
import re

from zonevm.host import sysfs, tree
from zonevm.host.checks import Check, Finding, Host, Status, attempt
from zonevm.host.programs import find_virtiofsd
from zonevm.processes import Keeper


def qemu(host: Host) -> Finding:
    """Check that there is a QEMU that zonevm can use."""

    def look() -> str:
        found = host.qemu
        return f"{found.path}, version {dotted(found.version)}"

    return attempt("QEMU", look)


def device(name: str, *properties: str, since: tuple[int, int] = (0, 0)) -> Check:
    """Return the check that QEMU, of version ``since`` at least, has device ``name`` with ``properties``."""

    def check(host: Host) -> Finding:
        def look() -> str:
            host.qemu.require(since, name)
            host.abilities.require_device(name, *properties)
            return f"QEMU {dotted(host.qemu.version)} has it"

        return attempt(f"device {name}", look)

    return check


def iscsi(host: Host) -> Finding:
    """Check, for iscsi:// addresses only, that QEMU can load its iSCSI driver."""

    def look() -> str:
        host.abilities.require_driver("iscsi")
        return "QEMU loads it"

    return attempt("iscsi driver", look, required=False)


def kvm(host: Host) -> Finding:
    """Check that KVM runs a guest, by running one. Guests run without it too, slower."""
    name, node = "KVM", host.root / "dev/kvm"
    slower = "guests run under TCG, slower"
    if not node.exists():
        flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", sysfs.text(host.root / "proc/cpuinfo"), re.MULTILINE)
        if flags is None:
            seen = f"the processor offers no virtualisation; {slower}"
            return Finding(name, Status.CANNOT, seen, required=False)
        module = {"vmx": "kvm_intel", "svm": "kvm_amd"}[flags[1]]
        mend = f"sudo modprobe {module}"
        return Finding(name, Status.MISSING, f"/dev/kvm is not there; {slower}", mend, required=False)
    if not os.access(node, os.R_OK | os.W_OK):
        seen = f"/dev/kvm is not for this user to open; {slower}"
        return Finding(name, Status.MISSING, seen, "sudo usermod -aG kvm $USER", required=False)
    found = attempt(name, host.accelerator, required=False)
    if found.status is not Status.OK:
        return Finding(name, Status.MISSING, f"not tried: {found.seen}", found.mend, required=False)
    if found.seen != "kvm":
        seen = f"/dev/kvm opens, but a guest that was tried did not run; {slower}"
        return Finding(name, Status.CANNOT, seen, required=False)
    return Finding(name, Status.OK, "a guest ran under it", required=False)


def kernel(host: Host) -> Finding:
    """Check that there is a kernel for the guest."""
    return attempt("guest kernel", lambda: f"Linux {host.guest_kernel()}")


def kernel_since(version: tuple[int, int], what: str) -> Check:
    """Return the check that the guest's kernel is of ``version`` at least, which ``what`` needs."""

    def check(host: Host) -> Finding:
        found = kernel(host)
        numbers = re.search(r"(\d+)\.(\d+)", found.seen)
        if found.status is not Status.OK or (numbers and (int(numbers[1]), int(numbers[2])) >= version):
            return found
        seen = f"{found.seen}; {what} needs {dotted(version)} or later"
        return Finding(found.name, Status.MISSING, seen, "zonevm kernel pull, or --kernel with another")

    return check


def shared_root(host: Host) -> Finding:
    """Check that the guest can be given the host's root: by a virtiofsd, else by QEMU's own 9p server."""

    def look() -> str:
        virtiofsd = find_virtiofsd()
        if virtiofsd:
            host.abilities.require_device("vhost-user-fs-pci")
            return f"virtiofs, {virtiofsd}"
        host.abilities.require_device("virtio-9p-pci")
        return "9p, by QEMU itself"

    return attempt("shared root", look)


def covered_root(host: Host) -> Finding:
    """Check that the host's own /proc, /sys, /dev and /run can be kept out of what is shared."""
    name = "own /proc hidden"

    def look() -> str:
        with Keeper() as keeper, tree.covered(keeper, ()):
            return "the guest can reach nothing of the host's /proc, /sys, /dev and /run"

    found = attempt(name, look, required=False)
    if found.status is Status.OK:
        return found
    seen = f"{found.seen}; root in the guest can reach what you can in the host's /proc, /sys, /dev and /run"
    status = Status.MISSING if found.mend else Status.CANNOT
    return Finding(name, status, seen, found.mend, required=False)


def core(host: Host) -> Finding:
    """Check that zonevm's own extension, which serves emulated disks, is built."""
    if importlib.util.find_spec("zonevm._core") is None:
        mend = "make setup"
        return Finding("zonevm._core", Status.MISSING, "the extension module is not built", mend)
    return Finding("zonevm._core", Status.OK, "built")


def dotted(version: tuple[int, int]) -> str:
    """Return a version as people write it."""
    return f"{version[0]}.{version[1]}"


MACHINE: tuple[Check, ...] = (qemu, kvm, shared_root, covered_root)
"""What every guest needs beside a kernel."""
