"""Works out from a user's settings what a guest will be made of, before anything is started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from zonevm import agent
from zonevm.attach import DiskSet, QemuDevice, resolve
from zonevm.attach.methods import driver_modules
from zonevm.disks import Disk
from zonevm.errors import HostError, UsageError
from zonevm.faults import Fault, check_disks
from zonevm.guest import hotplug
from zonevm.guest.command import Files, Machine
from zonevm.host import (
    Qemu,
    cache_dir,
    find_qemu,
    find_static_busybox,
    find_udevd,
    find_virtiofsd,
    guest_python,
    tree,
)
from zonevm.host.tree import OWN, UNCOVERED, Tree
from zonevm.kernel import initramfs, kernel
from zonevm.kernel.builtin import require_builtin
from zonevm.kernel.initramfs import Contents, Share
from zonevm.kernel.kernel_config import find_config
from zonevm.kernel.modules import ModuleTree
from zonevm.kernel.vmlinux import unpacked
from zonevm.machine import accel
from zonevm.service.rundir import RuntimeDir

NETS = (None, "user")

_SMALLEST_MEMORY = 256 * 2**20
_RUN = Path("/run")
_GUARD = Path(agent.__file__).with_name("guard_program.py")
_ALWAYS = (
    ("virtio_pci", "the guest's root"),
    ("virtio_console", "the guest's agent"),
    ("virtio_rng", "the guest's random numbers"),
    ("overlay", "the guest's root"),
)
_WHERE_THERE = ("configfs",)
_ROOT = {"9p": ("9pnet_virtio", "9p"), "virtiofs": ("virtiofs",)}


@dataclass(frozen=True)
class Settings:
    """What a user asked for; see :class:`Guest`."""

    disks: Sequence[Disk]
    kernel: str | Path | None
    memory: int
    cpus: int | None
    rwdirs: tuple[Path, ...]
    net: str | None
    append: str
    qemu: str | None
    qemu_args: tuple[str, ...]
    accel: str
    cwd: Path
    udev: bool = False
    qmp: Path | None = None
    faults: tuple[Fault, ...] = ()

    def check(self) -> None:
        """Raise :class:`UsageError` for a value that is not allowed."""
        if self.memory < _SMALLEST_MEMORY or self.memory % 2**20:
            raise UsageError(
                f"a guest cannot have {self.memory} bytes of memory", "Give it 256M or more, in whole MiB."
            )
        if self.cpus is not None and self.cpus < 1:
            raise UsageError(f"a guest cannot have {self.cpus} processors", "Give it one or more.")
        if self.net not in NETS:
            raise UsageError(f"{self.net!r} is no network", "Use `user`, or none.")
        for path in self.rwdirs:
            if not path.is_dir():
                raise UsageError(
                    f"{path} is no directory to share", "Share one that is there with --rwdir DIR."
                )
            if path.resolve() in OWN:
                raise UsageError(
                    f"{path} cannot be shared: a guest has one of its own", "Share a directory of files."
                )
        check_disks(self.faults, self.disks)


@dataclass(frozen=True)
class Plan:
    """A guest worked out: all that can be known without starting it."""

    settings: Settings
    disks: DiskSet
    qemu: Qemu
    kernel: kernel.Kernel
    image: Path
    archive: Path
    accel: accel.Accel
    virtiofsd: Path | None
    shares: tuple[Share, ...]
    shown: tuple[Path, ...]
    """Directories of the host's /run that a command needs."""

    @classmethod
    def make(cls, settings: Settings, progress: Callable[[str], None]) -> Plan:
        """Find everything and build the initramfs. Raises what :meth:`Guest.start` does."""
        settings.check()
        disks = resolve(settings.disks, settings.qemu)
        qemu = find_qemu(disks.qemu)
        chosen = kernel.find(settings.kernel)
        virtiofsd = find_virtiofsd()
        rwdirs = dict.fromkeys(path.resolve() for path in settings.rwdirs)
        shares = tuple(Share(f"share{number}", path) for number, path in enumerate(rwdirs))
        shown = _needed_of_run(settings, chosen)
        progress("preparing the kernel and the initramfs")
        image = unpacked(chosen.image, cache_dir() / "unpacked")
        root = "virtiofs" if virtiofsd else "9p"
        disks.check()
        contents = _contents(settings, disks, chosen, image, shares=shares, root=root, fresh_run=not shown)
        archive = initramfs.build(contents, cache_dir() / "initramfs")
        how = accel.choose(settings.accel, qemu, image, archive, cache_dir() / "kvm")
        return cls(settings, disks, qemu, chosen, image, archive, how, virtiofsd, shares, shown)

    def files(self, runtime: Path, log_dir: Path) -> Files:
        """Return the files of a run with these directories."""
        root = runtime / "root.sock" if self.virtiofsd else None
        return Files(log_dir / "console.log", runtime / "qmp.sock", runtime / "agent.sock", root)

    @contextmanager
    def tree(self, progress: Callable[[str], None]) -> Iterator[Tree]:
        """Yield what the guest gets to see of the host, for the time in which this is entered."""
        with ExitStack() as stack:
            try:
                found = stack.enter_context(tree.covered(self._shared, self.shown))
            except HostError as error:
                progress(
                    f"{error.message}; root in the guest can reach the host's /proc, /sys, /dev and /run"
                )
                found = self.uncovered_tree()
            yield found

    def uncovered_tree(self) -> Tree:
        """Return what a guest is started with by hand."""
        return replace(UNCOVERED, directories=self._shared)

    @property
    def _shared(self) -> tuple[Path, ...]:
        return tuple(share.path for share in self.shares)

    def machine(self, files: Files, devices: Sequence[QemuDevice], tree: Tree) -> Machine:
        """Return the machine with ``devices`` in it.

        Raises :class:`QemuError` or :class:`KernelError` for a QEMU or a kernel too old for one.
        """
        for device in devices:
            if device.min_qemu:
                self.qemu.require(device.min_qemu, "a disk of this guest")
            if device.min_kernel:
                self.kernel.require(device.min_kernel, "a disk of this guest")
        settings = self.settings
        return Machine(
            qemu=self.qemu,
            accel=self.accel,
            kernel=self.image,
            initramfs=self.archive,
            memory=settings.memory,
            cpus=self.accel.processors(settings.cpus),
            files=files,
            devices=devices,
            shares=self.shares,
            tree=tree,
            net=settings.net,
            qmp=settings.qmp,
            append=settings.append,
            extra=settings.qemu_args,
        )

    @property
    def guard(self) -> list[str]:
        """What QEMU is executed by: keeps the guest's root from leaving setuid files in what it may write."""
        return [str(guest_python()), "-I", "-S", str(_GUARD)] if self.shares else []

    @contextmanager
    def serve_root(self, tree: Tree, path: Path, runtime: RuntimeDir, log_dir: Path) -> Iterator[None]:
        """Have virtiofsd serve the root of ``tree``, for reading only, at socket ``path`` while entered."""
        assert self.virtiofsd
        # Submounts that are announced are automounted by the guest, which overlayfs refuses to have below it.
        # The dot: it does not follow a symbolic link, and the path of a descriptor is one.
        options = ["--shared-dir", f"{tree.root}/.", "--readonly", "--sandbox", "none"]
        # For handles it would look the mount up in its own mountinfo, where a tree's are not.
        options += ["--no-announce-submounts", "--inode-file-handles=never"]
        argv: list[str | Path] = [self.virtiofsd, "--socket-path", path, *options]
        process = runtime.start(argv, log_dir / "virtiofsd.log", tree.descriptors)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _needed_of_run(settings: Settings, chosen: kernel.Kernel) -> tuple[Path, ...]:
    """Return what of the host's /run the guest has to see: NixOS has programs there."""
    needed = [settings.cwd.resolve(), guest_python(), *map(Path, os.environ.get("PATH", "").split(":"))]
    if chosen.modules:
        needed.append(chosen.modules)
    return tuple(path for path in needed if path.is_relative_to(_RUN))


def _contents(
    settings: Settings,
    disks: DiskSet,
    chosen: kernel.Kernel,
    image: Path,
    *,
    shares: tuple[Share, ...],
    root: str,
    fresh_run: bool,
) -> Contents:
    wanted = [*_ALWAYS, *((name, "the guest's root") for name in _ROOT[root])]
    if shares:
        wanted += [(name, "--rwdir") for name in _ROOT["9p"]]
    if settings.net:
        wanted.append(("virtio_net", f"--net {settings.net}"))
    wanted += disks.drivers()
    if settings.qmp:
        wanted += hotplug.METHOD.wanted()
    wanted += driver_modules(settings.qemu_args)
    if chosen.modules:
        known = ModuleTree(chosen.modules)
        wanted += [(name, "test suites") for name in _WHERE_THERE if known.has(name)]
        modules = known.closure(wanted)
    else:
        require_builtin(chosen, image, wanted)
        modules = []
    return Contents(
        busybox=find_static_busybox(),
        python=guest_python(),
        release=chosen.version,
        modules=modules,
        module_dir=chosen.modules,
        shares=shares,
        root=root,
        net=settings.net,
        fresh_run=fresh_run,
        kernel_config=find_config(chosen),
        udevd=find_udevd() if settings.udev else None,
    )
