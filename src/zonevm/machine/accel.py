"""Decides between KVM and TCG. A KVM that opens may still run no kernel: only a guest that runs proves it.

The verdict holds for one boot of the host and one QEMU, and is kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import HostError, UsageError
from zonevm.host import Qemu, store
from zonevm.patience import Patience
from zonevm.processes import Keeper

CHOICES = ("auto", "kvm", "tcg")

_MOST_PROCESSORS = 4
_PROBE_SECONDS = 15
_POLL_SECONDS = 0.02
_PASSED = b"zonevm: probe passed"
_FIRST_SOUND = (8, 1)


@dataclass(frozen=True)
class Accel:
    """How the guest's processors run: QEMU's ``-accel`` and ``-cpu``."""

    name: str
    option: str
    cpu: str

    def processors(self, asked: int | None) -> int:
        """Return how many processors a guest gets that asked for so many, or for no number.

        TCG gives one: more make no guest faster where one thread emulates them all, see :func:`tcg`.
        """
        if asked is not None:
            return asked
        return min(_MOST_PROCESSORS, os.cpu_count() or 1) if self.name == "kvm" else 1


def choose(choice: str, qemu: Qemu, kernel: Path, initramfs: Path, cache: Path) -> Accel:
    """Return the accelerator for ``choice``: ``kvm``, ``tcg`` or ``auto``, which is KVM where it works.

    ``kernel`` and ``initramfs`` are what a probe runs. Raises :class:`UsageError` for another choice and
    :class:`HostError` for ``kvm`` where the user may not use it.
    """
    if choice not in CHOICES:
        raise UsageError(f"{choice!r} is not an accelerator", f"Choose one of: {', '.join(CHOICES)}.")
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    if choice == "kvm" and not usable:
        raise HostError(
            "/dev/kvm is not there or not for this user",
            "Load kvm_intel or kvm_amd and join the group kvm, or use --accel tcg.",
        )
    if choice == "kvm" or (choice == "auto" and usable and _proved(qemu, kernel, initramfs, cache)):
        return Accel("kvm", "kvm", "host")
    return tcg(qemu)


def tcg(qemu: Qemu) -> Accel:
    """Return emulation, with all of it that can be trusted."""
    if qemu.version >= _FIRST_SOUND:
        return Accel("tcg", "tcg,thread=multi", "max")
    # On QEMU 7.2 Linux 6.12 has oopsed: in its slab allocator by cmpxchg16b, and, with two processors, by an
    # int3 of its own that one had patched away and the other still ran (x86's text_poke).
    return Accel("tcg", "tcg,thread=single", "max,-cx16")


def _proved(qemu: Qemu, kernel: Path, initramfs: Path, cache: Path) -> bool:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    changed = qemu.path.stat().st_mtime_ns
    key = hashlib.sha256(os.fsencode(f"{boot} {qemu.path} {changed}")).hexdigest()[:24]
    verdict = cache / key
    with contextlib.suppress(OSError):
        return verdict.read_text() == "works\n"
    works = _probe(qemu, kernel, initramfs)
    with contextlib.suppress(OSError, HostError):  # then it is tried again
        for old in cache.glob("*"):
            old.unlink(missing_ok=True)
        store(verdict, b"works\n" if works else b"fails\n")
    return works


def _probe(qemu: Qemu, kernel: Path, initramfs: Path) -> bool:
    """Whether a guest of this kernel gets to stage 1 under KVM and says so."""
    command: list[str | Path] = [
        *(qemu.path, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256M", "-serial", "stdio"),
        *("-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1 zonevm.probe"),
    ]
    with tempfile.TemporaryFile() as output, Path(os.devnull).open("rb") as nothing, Keeper() as keeper:
        process = keeper.start(command, stdin=nothing, stdout=output, stderr=output)
        try:
            patience = Patience(_PROBE_SECONDS, process.pid)
            while not patience.is_over():
                ended = process.poll() is not None
                text = os.pread(output.fileno(), 1 << 20, 0)
                if _PASSED in text:
                    return True
                if ended or b"KVM internal error" in text:
                    return False
                time.sleep(_POLL_SECONDS)
            return False
        finally:
            process.kill()
            process.wait()
