"""Writes the guest's initramfs: a newc archive with a static busybox, stage 1, modules and the agent.

The format: Documentation/driver-api/early-userspace/buffer-format.rst. Knows no QEMU.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import py_compile
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zonevm import agent
from zonevm.host import store
from zonevm.kernel.modules import read_module

MSIZE = 128 * 1024
"""Bytes of one 9p message. Linux allows 500 KiB by virtio, but has to find them in one piece of memory."""

_HERE = Path(__file__).parent
_AGENT = Path(agent.__file__).parent
_PROGRAM = ("agent", "command", "protocol")
"""What the agent is made of."""
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

    busybox: Path
    python: Path
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

    def config(self) -> bytes:
        """Return the settings of stage 1, as shell assignments; SHARES are variables with paths."""
        settings = {
            "ROOT": self.root,
            "MSIZE": str(MSIZE),
            "FRESH_RUN": str(int(self.fresh_run)),
            "MODULES": str(self.module_dir or ""),
            "RELEASE": self.release,
            "HOSTNAME": self.hostname,
            "NET": self.net or "",
            "PYTHON": str(self.python),
            "CONFIG": str(self.kernel_config or ""),
            "UDEVD": str(self.udevd or ""),
            "SHARES": " ".join(share.tag for share in self.shares),
            **{share.tag: str(share.path) for share in self.shares},
        }
        return os.fsencode("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))


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
    names = [f"{path.name.partition('.ko')[0]}.ko" for path in contents.modules]
    return [
        *(Entry(name, folder) for name in ("bin", "zonevm", "zonevm/modules.d", "zonevm/agent")),
        Entry("init", program, (_HERE / "stage1.sh").read_bytes()),
        Entry("bin/busybox", program, contents.busybox.read_bytes()),
        Entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox"),
        Entry("zonevm/config", plain, contents.config()),
        Entry("zonevm/modules", plain, "".join(f"{name}\n" for name in names).encode()),
        *(Entry(f"zonevm/agent/{name}.pyc", plain, _compiled(_AGENT / f"{name}.py")) for name in _PROGRAM),
        Entry("zonevm/agent/udev.sh", plain, (_HERE / "udev.sh").read_bytes()),
        *(
            Entry(f"zonevm/modules.d/{name}", plain, read_module(path))
            for name, path in zip(names, contents.modules, strict=True)
        ),
    ]


def _compiled(source: Path) -> bytes:
    """Return the bytecode of a program, for the same interpreter: the guest need not compile it."""
    with tempfile.NamedTemporaryFile(suffix=".pyc") as file:
        py_compile.compile(
            str(source),
            file.name,
            source.name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return Path(file.name).read_bytes()


def _key(contents: Contents) -> str:
    digest = hashlib.sha256()
    digest.update(f"{sys.implementation.cache_tag} {importlib.util.MAGIC_NUMBER!r} ".encode())
    digest.update(contents.config())
    sources = (_HERE / "stage1.sh", _HERE / "udev.sh", _HERE / "initramfs.py")
    for source in (*sources, *(_AGENT / f"{name}.py" for name in _PROGRAM)):
        digest.update(source.read_bytes())
    for path in (contents.busybox, *contents.modules):
        status = path.stat()
        digest.update(os.fsencode(f"{path} {status.st_size} {status.st_mtime_ns}\n"))
    return digest.hexdigest()[:24]


def _prune(cache: Path) -> None:
    archives = sorted(cache.glob("*.cpio"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-_KEPT]:
        path.unlink(missing_ok=True)
