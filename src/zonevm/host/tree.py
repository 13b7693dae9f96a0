"""Directories of this host to be shared with a guest, without the host's /proc, /sys, /dev and /run.

The mounts are copied and covered by ``tree_program.py``; nothing of the host itself changes.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import HostError, UsageError
from zonevm.host import sysfs
from zonevm.host.programs import guest_python
from zonevm.host.tree_program import NOT_SHARED, PLACES
from zonevm.processes import Keeper

OWN = tuple(map(Path, PLACES))
"""What of the host a guest never gets to see, but for the paths below that were asked for."""

_PROGRAM = Path(__file__).with_name("tree_program.py")
_SETTINGS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
)
"""What keeps an ordinary user from a mount namespace: a file in /proc/sys, its value, one that allows it."""


@dataclass(frozen=True)
class Tree:
    """The host's root and directories of it, as paths for a process that has the ``descriptors``."""

    root: Path
    directories: tuple[Path, ...] = ()
    descriptors: tuple[int, ...] = ()


UNCOVERED = Tree(Path("/"))
"""The host's root as it is, with all that is mounted there."""


@contextmanager
def covered(keeper: Keeper, directories: Sequence[Path], kept: Sequence[Path] = ()) -> Iterator[Tree]:
    """Yield copies of / (for reading only) and of ``directories``, which last while this is entered.

    Nothing is in them of the host's /proc, /sys, /dev and /run but ``kept`` and ``directories`` themselves;
    also where these are mounted elsewhere, and no other file system of the kernel's. What the host mounts
    later is not in them. ``keeper`` starts the program that makes them. Raises :class:`HostError` where the
    host has no way to that, and :class:`UsageError` for a directory in a file system of the kernel's.
    """
    shown = [str(path) for path in (*kept, *directories)]
    descriptors = _copies(keeper, [str(path) for path in directories], shown)
    try:
        root, *rest = (Path(f"/proc/self/fd/{descriptor}") for descriptor in descriptors)
        yield Tree(root, tuple(rest), tuple(descriptors))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def remedy(root: Path = Path("/")) -> str:
    """Return the command that lets an ordinary user have :func:`covered`, or "" where none is known."""
    for name, forbids, allows in _SETTINGS:
        if sysfs.text(root / "proc/sys" / name) == forbids:
            return f"sudo sysctl {name.replace('/', '.')}={allows}"
    return ""


def _copies(keeper: Keeper, directories: Sequence[str], kept: Sequence[str]) -> list[int]:
    command: list[str | Path] = [guest_python(), "-I", "-S", _PROGRAM, *directories, "--", *kept]
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as errors, Path(os.devnull).open("rb") as nothing:
        with theirs:
            process = keeper.start(command, stdin=nothing, stdout=theirs, stderr=errors)
        _, descriptors, _, _ = socket.recv_fds(ours, 1, len(directories) + 1, socket.MSG_CMSG_CLOEXEC)
        code = process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if len(descriptors) != len(directories) + 1:
        for descriptor in descriptors:
            os.close(descriptor)
        if code == NOT_SHARED:
            raise UsageError(said, "Share a directory of files.")
        why = said.splitlines()[-1] if said else f"exit code {code}"
        raise HostError(f"the host's mounts cannot be copied for the guest: {why}", remedy())
    return descriptors
