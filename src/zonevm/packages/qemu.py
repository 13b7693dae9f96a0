"""Gets a QEMU of another Debian suite into the cache, with all that it needs, to run beside the host's."""

from __future__ import annotations

import re
from pathlib import Path

from zonevm.errors import PackageError, QemuError
from zonevm.host.qemu import PROGRAM, Qemu, find_qemu, pulled_dir, pulled_program, pulled_qemus
from zonevm.packages.apt import Apt, Note
from zonevm.packages.archive import find_archive, suites_there
from zonevm.packages.entry import discard, new_entry
from zonevm.packages.programs import install_wrapper
from zonevm.packages.tree import fetch
from zonevm.packages.watch import Progress

_PACKAGE = "qemu-system-x86"
_MODULES = "usr/lib/x86_64-linux-gnu/qemu"
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")


def pull(
    suite: str | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
    note: Note = lambda _: None,
) -> Qemu:
    """Get the QEMU of ``suite`` of the archive at URL ``mirror``, by default of stable's backports.

    Returns the one in the cache where it is there already. Nothing is left of a pull that fails or is
    interrupted. Raises :class:`HostError` where apt is missing, :class:`PackageError` for what the archive
    does not have and a failed download, and :class:`QemuError` for a QEMU that does not run here.
    """
    with Apt.of_suite(suite or _backports(mirror), mirror, note=note) as apt:
        packages = apt.closure([_PACKAGE])
        version = next(each for each in packages if each.startswith(f"{_PACKAGE}=")).partition("=")[2]
        target = pulled_dir() / version.rpartition(":")[2]
        if not pulled_program(target).exists():
            with new_entry(target) as work:
                fetch(apt, packages, work / "root", progress)
                _prepare(work)
                find_qemu(str(pulled_program(work)))
    return find_qemu(str(pulled_program(target)))


def remove(version: str) -> None:
    """Remove the QEMU of ``version``, told in full. Raises :class:`QemuError` where it is not there."""
    there = [qemu.parents[1].name for qemu in pulled_qemus()]
    if version not in there:
        raise QemuError(
            f"no QEMU {version!r} was pulled; there is: {', '.join(there) or 'none'}",
            "See `zonevm qemu list`.",
        )
    discard(pulled_dir() / version)


def _backports(mirror: str | None) -> str:
    archive = find_archive(mirror)
    found = suites_there(archive, archive.newest[:1])
    if not found:
        raise PackageError(
            f"{archive.mirror} has no suite {archive.newest[0]}", "Name one that it has: --suite."
        )
    return next(iter(found.values()))


def _prepare(work: Path) -> None:
    root, script = work / "root", pulled_program(work)
    script.parent.mkdir()
    firmware = [word for place in _FIRMWARE for word in ("-L", f"{{root}}/{place}")]
    environment = {"QEMU_MODULE_DIR": f"{{root}}/{_MODULES}"}
    install_wrapper(root, PROGRAM, script, arguments=firmware, environment=environment)
    _keep_from_host_modules(root / "usr/bin" / PROGRAM)


def _keep_from_host_modules(program: Path) -> None:
    """Have ``program`` look for modules in QEMU_MODULE_DIR only.

    A module that is not there it would take from the directory compiled in, which is that of the host's QEMU:
    one of another version ends it (QEMU's util/module.c).
    """
    code = program.read_bytes()
    compiled_in = f"/{_MODULES}\0".encode()
    program.write_bytes(code.replace(compiled_in, re.sub(rb"[^/\0]", b"_", compiled_in)))
