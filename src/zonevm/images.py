"""Image files of emulated disks: create, inspect, open, repair, copy. A typed layer over ``_core``.

Every failure is an :class:`ImageError`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, cast, get_args

from zonevm import _core
from zonevm._core import CoreError, Disk, Server, Zone, inspect
from zonevm.disks import Shape, SmrShape
from zonevm.disks.emulated import Emulated
from zonevm.errors import DiskError, ImageError, UsageError
from zonevm.inputs import open_regular
from zonevm.timing.profile import Profile
from zonevm.timing.profile import load as load_timing
from zonevm.units import parse_size
from zonevm.zone_numbers import parse_zones

if TYPE_CHECKING:
    from zonevm._core import Finding, Inspection, PowerCut, Recording

Cache = Literal["host", "volatile", "lying"]
Loss = Literal["all", "none", "random"]

Settable = Literal["empty", "closed", "full", "read-only", "offline", "not-write-pointer"]
Progress = Callable[[int, int], object]
"""Called with the bytes done and those in all; what it raises ends the work, and nothing is left of it."""

_Path = str | os.PathLike[str]
_Options = ParamSpec("_Options")

_MAGIC = {
    b"\x89ZONEVM\n": "the image of an emulated disk",  # crates/image/src/header.rs
    int.from_bytes(b"UZBC", "big").to_bytes(4, sys.byteorder): "an image of tcmu-runner",
}

__all__ = [
    "Disk",
    "Server",
    "Zone",
    "check",
    "create",
    "create_as",
    "export",
    "info",
    "kind",
    "kind_of",
    "loss",
    "open",
    "power_cut",
    "record",
    "repair",
    "resize",
    "restore",
    "serve",
    "set_zones",
    "snapshot",
    "temporary",
    "zones",
]


def create_as(path: _Path, shape: Shape) -> None:
    """Create an image, sparse and with its sequential zones empty; an existing file is never overwritten."""
    if shape.size is None:
        raise DiskError("an image needs a size or a profile", "Give one, such as size=20G.")
    with _errors():
        Disk.create(path, shape)


def _by_options(shape: Callable[_Options, SmrShape]) -> Callable[Concatenate[_Path, _Options], None]:
    def create(path: _Path, *values: _Options.args, **options: _Options.kwargs) -> None:
        """Create an image as :func:`create_as` does; the options are those of :class:`SmrShape`."""
        create_as(path, shape(*values, **options))

    return create  # type: ignore[return-value]  # path may be given by name, which no type can say


create = _by_options(SmrShape)


def temporary(directory: Path, disk: Emulated) -> Disk:
    """Return a new disk in a file without a name in ``directory``: gone when the disk is closed."""
    timing = _timing(disk.timing)
    with _errors():
        return Disk.temporary(directory, disk, _cache(disk.cache), timing)


def open(path: str | os.PathLike[str], cache: str = "host", timing: _Path | None = None) -> Disk:
    """Open an image, for this process alone until the disk is closed.

    ``cache`` and ``timing``: see :class:`Emulated`. Raises :class:`UsageError` for what is no timing profile.
    """
    profile = _timing(timing)
    with _errors():
        return Disk.open(path, _cache(cache), profile)


def loss(name: str) -> Loss:
    """Return what a power cut is to lose, checked."""
    if name not in get_args(Loss):
        raise UsageError(f"a power cut cannot lose {name!r}", f"Choose one of: {', '.join(get_args(Loss))}.")
    return cast(Loss, name)


def power_cut(disk: Disk, loss: Loss = "random", seed: int = 0) -> PowerCut:
    """Take from an open disk what a power cut may take: see :meth:`Disk.power_cut`."""
    with _errors():
        return disk.power_cut(loss, seed % 2**64)


def record(disk: Disk, recording: Recording, number: int) -> None:
    """Have an open disk recorded, as disk ``number``: see :meth:`Disk.record_to`."""
    with _errors():
        disk.record_to(recording, number)


def kind(path: _Path) -> str:
    """Return what disk's image a file is, in words and by its first bytes; ``""`` for any other file.

    Raises OSError for a file that cannot be read.
    """
    with open_regular(path) as file:
        start = file.read(8)
    return next((what for magic, what in _MAGIC.items() if start.startswith(magic)), "")


def kind_of(info: Mapping[str, object]) -> str:
    """Return the kind of disk (``smr``, ``zns``, ``nvme``) that the :func:`info` of an image describes."""
    return {"zns": "zns", "conventional": "nvme"}.get(str(info["model"]), "smr")


def info(path: str | os.PathLike[str]) -> Inspection:
    """Return what an image's disk is and holds, without locking it: also while a guest uses it."""
    with _errors():
        return inspect(path)


def zones(path: str | os.PathLike[str]) -> list[Zone]:
    """Return the state of an image's zones, also while a guest uses it."""
    return list(info(path)["zones"])


def check(path: _Path) -> list[Finding]:
    """Return all that is wrong with an image, which is not changed; nothing: it is whole.

    Raises :class:`ImageError` for an image in use, and for a file that is not an image or is of an unknown
    version.
    """
    with _errors():
        return _core.check(path)


def repair(path: _Path, *, dry_run: bool = False) -> list[Finding]:
    """Repair an image; return what was wrong, with what was done, or, with ``dry_run``, what would be.

    Data that can be read stay so. Raises :class:`ImageError`, and changes nothing, where something cannot be
    repaired.
    """
    with _errors():
        return _core.repair(path, dry_run)


def snapshot(
    path: _Path, copy: _Path, *, new_identity: bool = False, progress: Progress | None = None
) -> bool:
    """Copy an image to ``copy``, which must not exist: at once where the file system can share blocks.

    The copy is the same disk to a guest, unless ``new_identity`` draws it a serial number and a WWN. It has
    the image's mode, access control list and owner. Where the caller may not give it that owner the answer is
    False: the copy is the caller's, and only users who may read the image may read it.
    """
    with _errors():
        return _core.snapshot(path, copy, new_identity, progress or _silent)


def restore(snapshot: _Path, path: _Path, *, progress: Progress | None = None) -> bool:
    """Make the image ``path`` what ``snapshot`` is. It is replaced when the copy is complete.

    Its owner, mode and extended attributes stay; :class:`ImageError` where the caller may not give the new
    file that owner. Where nothing is at ``path``, it is as for :func:`snapshot`, with the same answer.
    """
    with _errors():
        return _core.restore(snapshot, path, progress or _silent)


def export(path: _Path, raw: _Path, *, progress: Progress | None = None) -> None:
    """Write what a guest would read from the disk to ``raw``, a sparse file that must not exist.

    Its mode is the image's, less what the umask takes.
    """
    with _errors():
        _core.export(path, raw, progress or _silent)


def resize(path: _Path, size: int | str, *, progress: Progress | None = None) -> None:
    """Make an image's disk larger or smaller at its end; refused where data would be lost.

    A new image, with the same identity, takes the place of the old one when it is complete. Its owner, mode
    and extended attributes stay; :class:`ImageError` where the caller may not give the new file that owner.
    """
    with _errors():
        _core.resize(path, parse_size(size), progress or _silent)


def set_zones(
    path: _Path, zones: int | str, condition: Settable, *, written: int | str | None = None
) -> None:
    """Bring zones (``5``, ``5-9``, ``all``) of an image that is not in use into a condition.

    ``written``: the bytes from the zone's start that hold data, whole physical blocks, or logical ones of a
    host-aware disk; by default what there is now, or nothing for ``empty``. What was not written before reads
    as zeroes. Conventional zones can only be ``not-write-pointer``. Raises
    :class:`ImageError`, and changes nothing, for a condition that one of the zones cannot be in;
    :class:`UsageError` for zones that the disk lacks.
    """
    if condition not in get_args(Settable):
        raise UsageError(
            f"{condition!r} is not a condition to set", f"Choose one of: {', '.join(get_args(Settable))}."
        )
    size = None if written is None else parse_size(written)
    chosen = parse_zones(zones, info(path)["zone_count"])
    name = "not write pointer" if condition == "not-write-pointer" else condition
    with _errors():
        _core.set_zones(path, chosen[0], chosen[-1], name, size)


def serve(socket: Path, disks: Sequence[Disk], queues: int) -> Server:
    """Serve ``disks`` on a socket, in threads, until the server is stopped: see :class:`Server`."""
    with _errors():
        return Server(socket, disks, queues)


def _timing(name: _Path | None) -> Profile | None:
    return None if name is None else load_timing(name)


def _silent(done: int, total: int) -> None:
    pass


def _cache(name: str) -> Cache:
    if name not in get_args(Cache):
        raise UsageError(f"{name!r} is not a write cache", f"Choose one of: {', '.join(get_args(Cache))}.")
    return cast(Cache, name)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except CoreError as error:
        raise ImageError(error.message, error.hint) from error
