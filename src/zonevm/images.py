"""Image files of emulated SMR disks: create, look at, open. A typed layer over ``zonevm._core``, no logic.

Every failure is an :class:`ImageError`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast, get_args

from zonevm._core import CoreError, Disk, Server, Zone, inspect
from zonevm.disks import SmrDisk
from zonevm.errors import ImageError, UsageError

if TYPE_CHECKING:
    from zonevm._core import Inspection, PowerCut

Cache = Literal["host", "volatile", "lying"]
Loss = Literal["all", "none", "random"]

__all__ = [
    "Disk",
    "Server",
    "Zone",
    "create",
    "info",
    "loss",
    "open",
    "power_cut",
    "serve",
    "temporary",
    "zones",
]


def create(
    path: str | os.PathLike[str],
    *,
    size: int | str,
    zone_size: int | str = "256M",
    conventional: int | str = 0,
    block_size: int | str = 512,
    max_open: int | str | None = 128,
    urswrz: bool | str = True,
    zone_capacity: int | str | None = None,
    serial: str | None = None,
    wwn: int | str | None = None,
) -> None:
    """Create an image, sparse and with its sequential zones empty; an existing file is never overwritten.

    The options are those of :class:`SmrDisk`; :class:`DiskError` is raised for what no disk can be.
    """
    disk = SmrDisk(
        size,
        zone_size,
        conventional,
        block_size,
        max_open,
        serial=serial,
        wwn=wwn,
        urswrz=urswrz,
        zone_capacity=zone_capacity,
    )
    with _errors():
        Disk.create(path, **_shape(disk))


def temporary(directory: Path, disk: SmrDisk) -> Disk:
    """Return a new disk in a file without a name in ``directory``: gone when the disk is closed."""
    with _errors():
        return Disk.temporary(directory, cache=_cache(disk.cache), **_shape(disk))


def open(path: str | os.PathLike[str], cache: str = "host") -> Disk:
    """Open an image, for this process alone until the disk is closed. ``cache``: see :class:`SmrDisk`."""
    with _errors():
        return Disk.open(path, _cache(cache))


def loss(name: str) -> Loss:
    """Return what a power cut is to lose, checked."""
    if name not in get_args(Loss):
        raise UsageError(f"a power cut cannot lose {name!r}", f"Choose one of: {', '.join(get_args(Loss))}.")
    return cast(Loss, name)


def power_cut(disk: Disk, loss: Loss = "random", seed: int = 0) -> PowerCut:
    """Take from an open disk what a power cut may take: see :meth:`Disk.power_cut`."""
    with _errors():
        return disk.power_cut(loss, seed % 2**64)


def info(path: str | os.PathLike[str]) -> Inspection:
    """Return what an image's disk is and holds, without locking it: also while a guest uses it."""
    with _errors():
        return inspect(path)


def zones(path: str | os.PathLike[str]) -> list[Zone]:
    """Return the state of an image's zones, also while a guest uses it."""
    return info(path)["zones"]


def serve(socket: Path, disks: Sequence[Disk], queues: int) -> Server:
    """Serve ``disks`` on a vhost-user-scsi socket, in threads, until the server is stopped."""
    with _errors():
        return Server(socket, disks, queues)


def _cache(name: str) -> Cache:
    if name not in get_args(Cache):
        raise UsageError(f"{name!r} is no write cache", f"Choose one of: {', '.join(get_args(Cache))}.")
    return cast(Cache, name)


class _Shape(TypedDict):
    size: int
    zone_size: int
    conventional: int
    block_size: int
    max_open: int | None
    urswrz: bool
    zone_capacity: int | None
    serial: str | None
    wwn: int | None


def _shape(disk: SmrDisk) -> _Shape:
    assert disk.size is not None
    return _Shape(
        size=disk.size,
        zone_size=disk.zone_size,
        conventional=disk.conventional,
        block_size=disk.block_size,
        max_open=disk.max_open,
        urswrz=disk.urswrz,
        zone_capacity=disk.zone_capacity,
        serial=disk.serial,
        wwn=disk.wwn,
    )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except CoreError as error:
        raise ImageError(error.message, error.hint) from error
