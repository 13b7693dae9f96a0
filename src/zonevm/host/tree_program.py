"""A program of its own: copies directories of this host, with the kernel's own file systems covered.

    tree_program.py DIRECTORY... -- KEPT...

In a mount namespace of its own it mounts an empty tmpfs over /proc, /sys, /dev and /run, and over every other
place that shows the same files or another file system of the kernel's. Then it hands detached copies of the
mounts back over its stdout, a socket, a descriptor each: of / for reading only, and of each DIRECTORY; all
without devices and setuid programs. A copy lasts as long as its descriptor is open. Its user need not be in
the namespace. So owners are seen as they are, though an ordinary user can have a mount namespace only with a
user namespace around it. KEPT are paths to be seen even where they are below a covered place.

Standard library only: it runs isolated (-I -S).
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import stat
import sys
from pathlib import Path
from typing import NamedTuple

PLACES = ("/proc", "/sys", "/dev", "/run")
"""What is the host's own, wherever else it may be mounted."""

_KERNELS = """
    binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs dlmfs efivarfs functionfs
    fuse.lxcfs fusectl gadgetfs hugetlbfs mqueue nfsd nsfs ocfs2_dlmfs openpromfs proc pstore resctrl
    rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs xenfs
"""
PSEUDO = frozenset(_KERNELS.split())
"""File systems that show the kernel, or processes, and keep no files."""

NOT_SHARED = 3
"""The exit code for a DIRECTORY that is not there, as in what is covered."""

_EMPTY = "/proc/empty"
"""An empty file to cover files with, in what /proc is covered with."""

_MEMORY = frozenset({"ramfs", "tmpfs"})

# The same on all architectures (include/uapi/asm-generic/unistd.h); mount_setattr came last, with 5.12.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH, _AT_FDCWD = 1, 0x8000, 0x1000, -100
_MOVE_MOUNT_F_EMPTY_PATH = 4
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5)); ``root``: what of the file system is there."""

    device: str
    root: str
    kind: str


def mounts(mountinfo: str) -> dict[str, Mount]:
    """Return the mounts by their places; of several in one place the last, which is on top."""
    found = {}
    for line in mountinfo.removesuffix("\n").split("\n"):  # names may have all that splitlines splits at
        before, _, after = line.partition(" - ")
        fields = [
            re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), each) for each in before.split(" ")
        ]
        found[fields[4]] = Mount(fields[2], fields[3], after.split(" ")[0])
    return found


def hidden(known: dict[str, Mount], own: list[str]) -> set[str]:
    """Return the places to cover: those of ``own``, and all that show the same, or the kernel."""
    # What else is mounted there of memory, /dev/shm say, is the host's own too; a disk in /run/media is not.
    memory = [
        place
        for place, mount in known.items()
        if mount.kind in _MEMORY and any(is_in(place, each) for each in own)
    ]
    found = {*own, *(place for place, mount in known.items() if mount.kind in PSEUDO)}
    for place in (*own, *memory):
        top = _mount_of(known, place)
        inside = _join(known[top].root, os.path.relpath(place, top))
        for other, mount in known.items():
            if mount.device != known[top].device:
                continue
            if is_in(mount.root, inside):
                found.add(other)
            elif is_in(inside, mount.root):
                found.add(_join(other, os.path.relpath(inside, mount.root)))
    return found


def is_in(place: str, top: str) -> bool:
    """Whether ``place`` is ``top``, or below it."""
    return top in (place, "/") or place.startswith(f"{top}/")


def main(directories: list[str], kept: list[str]) -> None:
    """Do what the module says. Raises :class:`OSError` where this host does not let it."""
    _enter_namespace()
    known = mounts(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
    covers = hidden(known, [place for place in map(os.path.realpath, PLACES) if stat.S_ISDIR(_mode(place))])
    wanted = [place for place in kept if any(is_in(place, cover) and place != cover for cover in covers)]
    copies = {
        place: _copy(place)
        for place in wanted
        if _mode(place) and known[_mount_of(known, place)].kind not in PSEUDO
    }
    covered = _cover(
        [cover for cover in covers if not any(is_in(cover, other) for other in covers - {cover})]
    )
    for place, copy in sorted(copies.items()):
        _show(copy, place)
        covered += _cover([cover for cover in covers if is_in(cover, place) and cover != place])
    Path(_EMPTY).unlink(missing_ok=True)
    for cover in covered:
        _set_attributes(_AT_FDCWD, cover, 0, _ATTR_RDONLY)
    trees = [_copy("/"), *map(_shared, directories)]
    _set_attributes(trees[0], "", _AT_EMPTY_PATH | _AT_RECURSIVE, _ATTR_RDONLY)
    with socket.socket(fileno=sys.stdout.fileno()) as out:
        socket.send_fds(out, [b"\0"], trees)


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        _checked("unshare", _libc.unshare(_CLONE_NEWNS))
    except PermissionError:
        _checked("unshare", _libc.unshare(_CLONE_NEWNS | _CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def _cover(places: list[str]) -> list[str]:
    """Mount something empty over each of ``places`` that this user can reach, and return these."""
    modes = {place: _mode(place) for place in places}
    directories = [place for place, mode in modes.items() if stat.S_ISDIR(mode)]
    files = [place for place, mode in modes.items() if mode and not stat.S_ISDIR(mode)]
    for place in directories:
        _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "mode=755")
    for place in files:
        Path(_EMPTY).touch()
        _mount(_EMPTY, place, None, _MS_BIND)
    return directories + files


def _show(copy: int, place: str) -> None:
    """Mount a copy below what is covered."""
    if stat.S_ISDIR(os.fstat(copy).st_mode):
        Path(place).mkdir(parents=True, exist_ok=True)
    else:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).touch()
    to = os.fsencode(place)
    _system_call("move_mount", _MOVE_MOUNT, copy, b"", _AT_FDCWD, to, _MOVE_MOUNT_F_EMPTY_PATH)


def _shared(place: str) -> int:
    try:
        return _copy(place)
    except OSError as error:
        print(f"{place} cannot be shared, without the kernel's own: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_SHARED)


def _copy(place: str) -> int:
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = _system_call("open_tree", _OPEN_TREE, _AT_FDCWD, os.fsencode(place), flags)
    _set_attributes(tree, "", _AT_EMPTY_PATH | _AT_RECURSIVE, _ATTR_NOSUID | _ATTR_NODEV)
    return tree


def _set_attributes(directory: int, place: str, flags: int, attributes: int) -> None:
    block = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)  # struct mount_attr
    path = os.fsencode(place)
    _system_call("mount_setattr", _MOUNT_SETATTR, directory, path, flags, block, ctypes.sizeof(block))


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, place, kind, options)]
    _checked(f"mount on {place}", _libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]))


def _system_call(name: str, number: int, *arguments: object) -> int:
    return _checked(name, _libc.syscall(number, *arguments))


def _checked(what: str, answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)
    return answer


def _mode(place: str) -> int:
    """Return the mode of a file, 0 where this user cannot reach it."""
    try:
        return Path(place).stat().st_mode
    except OSError:
        return 0


def _mount_of(known: dict[str, Mount], place: str) -> str:
    return max((top for top in known if is_in(place, top)), key=len)


def _join(top: str, rest: str) -> str:
    return os.path.normpath(f"{top.rstrip('/')}/{rest}")


if __name__ == "__main__":
    dash = sys.argv.index("--")
    try:
        main(sys.argv[1:dash], sys.argv[dash + 1 :])
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
