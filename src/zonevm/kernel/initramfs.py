"""Writes the guest's initramfs: a newc archive with its first program, what that is to do, and modules.

The format: Documentation/driver-api/early-userspace/buffer-format.rst. Knows no QEMU.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host import store
from zonevm.kernel.modules import read_module

MSIZE = 128 * 1024
"""Bytes of one 9p message. Linux allows 500 KiB by virtio, but has to find them in one piece of memory."""

PROGRAM = Path(__file__).with_name("zonevm-init")
"""The first program, which the crate ``init`` is built into: static, since nothing else is there yet."""
_BUILD = "Build it with `make setup`, or install zonevm anew."
_KEPT = 12


@dataclass(frozen=True)
class Share:
    """A host directory that the guest sees at the same path, for reading and writing, by 9p tag ``tag``."""

    tag: str
    path: Path


@dataclass(frozen=True)
class Contents:
    """All that decides what an initramfs has in it.

    ``modules`` are module files in load order; ``module_dir`` is what the guest sees at
    /lib/modules/``release``; ``root`` is how the host's root is shared: ``9p`` or ``virtiofs``;
    ``fresh_run``: whether the guest has a /run of its own; ``kernel_config``: the file that test suites look
    for; ``udevd``: the host's, to be started.
    """

    release: str
    modules: Sequence[Path]
    module_dir: Path | None
    shares: Sequence[Share] = ()
    root: str = "9p"
    net: str | None = None
    fresh_run: bool = True
    kernel_config: Path | None = None
    udevd: Path | None = None
    hostname: str = "zonevm"

    def settings(self) -> bytes:
        """Return what the first program reads: ``NAME=value`` each, with a 0 behind each."""
        settings = (
            ("ROOT", self.root),
            ("MSIZE", MSIZE),
            ("FRESH_RUN", int(self.fresh_run)),
            *(("MODULE", name) for name in self.module_names()),
            ("MODULES", self.module_dir or ""),
            ("RELEASE", self.release),
            ("HOSTNAME", self.hostname),
            ("NET", self.net or ""),
            ("CONFIG", self.kernel_config or ""),
            ("UDEVD", self.udevd or ""),
            *(("SHARE", f"{share.tag}:{share.path}") for share in self.shares),
        )
        return os.fsencode("".join(f"{name}={value}\0" for name, value in settings))

    def module_names(self) -> list[str]:
        """Return the modules' names, in load order."""
        return [path.name.partition(".ko")[0] for path in self.modules]


@dataclass(frozen=True)
class Entry:
    """One file of an archive; ``mode`` has the type bits of stat(2)."""

    name: str
    mode: int
    data: bytes = b""


def build(contents: Contents, cache: Path) -> Path:
    """Return the archive with ``contents``, kept in directory ``cache`` under a hash of all that is in it.

    Raises :class:`KernelError` for a module that cannot be read, :class:`HostError` where the cache cannot be
    written.
    """
    target = cache / f"{_key(contents)}.cpio"
    if target.exists():
        with suppress(OSError):  # a cache that others have filled
            target.touch()
        return target
    store(target, newc(_entries(contents)))
    _prune(cache)
    return target


def newc(entries: Iterable[Entry]) -> bytes:
    """Return the "new ASCII" cpio archive of ``entries``; a directory has to come before its files."""
    archive = bytearray()
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4)
        archive += entry.data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def _entries(contents: Contents) -> list[Entry]:
    folder, program, plain = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644
    modules = zip(contents.module_names(), contents.modules, strict=True)
    return [
        *(Entry(name, folder) for name in ("zonevm", "zonevm/modules")),
        Entry("init", program, _program()),
        Entry("zonevm/settings", plain, contents.settings()),
        *(Entry(f"zonevm/modules/{name}.ko", plain, read_module(path)) for name, path in modules),
    ]


def _program() -> bytes:
    try:
        return PROGRAM.read_bytes()
    except OSError as error:
        raise HostError(
            f"cannot read the guest's first program, {PROGRAM}: {error.strerror}", _BUILD
        ) from error


def _key(contents: Contents) -> str:
    digest = hashlib.sha256()
    digest.update(contents.settings())
    for data in (_program(), Path(__file__).read_bytes()):
        digest.update(hashlib.sha256(data).digest())
    for path in contents.modules:
        status = path.stat()
        digest.update(os.fsencode(f"{path} {status.st_size} {status.st_mtime_ns}\n"))
    return digest.hexdigest()[:24]


def _prune(cache: Path) -> None:
    archives = sorted(cache.glob("*.cpio"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-_KEPT]:
        path.unlink(missing_ok=True)
