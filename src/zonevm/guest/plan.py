"""Works out from a user's settings what a guest with a kernel will be made of, before anything is started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from zonevm import agent
from zonevm.attach import DiskSet, QemuDevice, resolve
from zonevm.attach.methods import driver_modules
from zonevm.errors import HostError, UsageError
from zonevm.guest import hotplug
from zonevm.guest.command_line import Machine
from zonevm.guest.hardware import Hardware
from zonevm.guest.kernel_boot import Files, KernelBoot
from zonevm.guest.settings import KernelSettings, Settings
from zonevm.host import (
    cache_dir,
    find_qemu,
    find_udevd,
    find_virtiofsd,
    guest_python,
    runtime_base,
    tree,
)
from zonevm.host.tree import UNCOVERED, Tree
from zonevm.kernel import initramfs, kernel
from zonevm.kernel.builtin import require_builtin
from zonevm.kernel.initramfs import Contents, Share
from zonevm.kernel.kernel_config import find_config
from zonevm.kernel.modules import ModuleTree
from zonevm.kernel.vmlinux import unpacked
from zonevm.machine import accel
from zonevm.service.rundir import RuntimeDir

_RUN = Path("/run")
_GUARD = Path(agent.__file__).with_name("guard_program.py")
_ALWAYS = (
    ("virtio_pci", "the guest's root"),
    ("virtio_console", "the guest's agent"),
    ("virtio_rng", "the guest's random numbers"),
    ("overlay", "the guest's root"),
)
_FIRMWARE = "qboot.rom"
_WHERE_THERE = ("configfs",)
_ROOT = {"9p": ("9pnet_virtio", "9p"), "virtiofs": ("virtiofs",)}


@dataclass(frozen=True)
class Plan:
    """A guest worked out: all that can be known without starting it."""

    hardware: Hardware
    settings: KernelSettings
    kernel: kernel.Kernel
    image: Path
    archive: Path
    virtiofsd: Path | None
    shares: tuple[Share, ...]
    shown: tuple[Path, ...]
    """Directories of the host's /run that a command needs."""

    @classmethod
    def make(cls, settings: Settings, asked: KernelSettings, progress: Callable[[str], None]) -> Plan:
        """Find everything and build the initramfs. Raises what :meth:`Guest.start` does."""
        settings.check()
        asked.check()
        disks = resolve(settings.disks, settings.qemu, serve=settings.seen)
        disks.check()
        qemu = find_qemu(disks.qemu)
        chosen = kernel.find(asked.kernel)
        virtiofsd = find_virtiofsd()
        rwdirs = dict.fromkeys(path.resolve() for path in asked.rwdirs)
        shares = tuple(Share(f"share{number}", path) for number, path in enumerate(rwdirs))
        shown = _needed_of_run(asked.cwd, chosen)
        progress("preparing the kernel and the initramfs")
        image = unpacked(chosen.image, cache_dir() / "unpacked")
        root = "virtiofs" if virtiofsd else "9p"
        modules = _modules(_wanted(settings, asked, disks, shares, root), chosen, image)
        contents = Contents(
            release=chosen.version,
            modules=modules,
            module_dir=chosen.modules,
            shares=shares,
            root=root,
            net=settings.net,
            fresh_run=not shown,
            kernel_config=find_config(chosen),
            udevd=find_udevd() if asked.udev else None,
        )
        archive = initramfs.build(contents, cache_dir() / "initramfs")
        how = accel.choose(settings.accel, qemu, image, archive, cache_dir() / "kvm")
        hardware = Hardware(settings, disks, qemu, how)
        return cls(hardware, asked, chosen, image, archive, virtiofsd, shares, shown)

    def files(self, runtime: Path, log_dir: Path) -> Files:
        """Return the files of a run with these directories."""
        root = runtime / "root.sock" if self.virtiofsd else None
        marks = runtime / "marks.sock" if self.hardware.settings.recorded else None
        return Files(log_dir / "console.log", runtime / "qmp.sock", runtime / "agent.sock", root, marks)

    @contextmanager
    def tree(self, runtime: RuntimeDir, progress: Callable[[str], None]) -> Iterator[Tree]:
        """Yield what the guest gets to see of the host, for the time in which this is entered."""
        with ExitStack() as stack:
            try:
                found = stack.enter_context(tree.covered(runtime.keeper, self._shared, self.shown))
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

        Raises :class:`QemuError` or :class:`KernelError` for a QEMU or a kernel too old for one, and
        :class:`UsageError` for more than it has interrupts for.
        """
        for device in devices:
            if device.min_kernel:
                self.kernel.require(device.min_kernel, "a disk of this guest")
        boot = KernelBoot(
            kernel=self.image,
            initramfs=self.archive,
            files=files,
            shares=self.shares,
            tree=tree,
            qmp=self.settings.qmp,
            append=self.settings.append,
            firmware=self.hardware.qemu.data_file(_FIRMWARE),
        )
        if boot.lacks_msi(len(devices)) and any(device.needs_msi for device in devices):
            raise UsageError(
                f"{len(devices)} controllers are too many for an NVMe controller of zonevm's among them: "
                "such a guest has no message-signalled interrupts",
                "Have namespaces share one (controller=NAME), take QEMU's (via=qemu), or leave some out.",
            )
        return self.hardware.machine(boot, devices)

    def by_hand(self) -> Machine:
        """Return the machine as it is started by hand: a run has its sockets and logs elsewhere."""
        base = runtime_base()
        return self.machine(self.files(base, base), self.hardware.described(), self.uncovered_tree())

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


def _needed_of_run(cwd: Path, chosen: kernel.Kernel) -> tuple[Path, ...]:
    """Return what of the host's /run the guest has to see: NixOS has programs there."""
    needed = [cwd.resolve(), guest_python(), *map(Path, os.environ.get("PATH", "").split(":"))]
    if chosen.modules:
        needed.append(chosen.modules)
    return tuple(path for path in needed if path.is_relative_to(_RUN))


def _wanted(
    settings: Settings, asked: KernelSettings, disks: DiskSet, shares: Sequence[Share], root: str
) -> list[tuple[str, str]]:
    """Return the modules that the guest's kernel needs, each with what needs it."""
    wanted = [*_ALWAYS, *((name, "the guest's root") for name in _ROOT[root])]
    if shares:
        wanted += [(name, "--rwdir") for name in _ROOT["9p"]]
    if settings.net:
        wanted.append(("virtio_net", f"--net {settings.net}"))
    wanted += disks.drivers()
    if asked.qmp:
        wanted += hotplug.METHOD.wanted()
    return wanted + driver_modules(settings.qemu_args)


def _modules(wanted: list[tuple[str, str]], chosen: kernel.Kernel, image: Path) -> list[Path]:
    """Return the files of the modules that are ``wanted``, of a kernel that has them, in load order."""
    if not chosen.modules:
        require_builtin(chosen, image, wanted)
        return []
    known = ModuleTree(chosen.modules)
    return known.closure([*wanted, *((name, "test suites") for name in _WHERE_THERE if known.has(name))])
