"""Storage objects of LIO: makes and removes one, by name. Knows no fabric and keeps no list."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from zonevm.lio.library import rtslib
from zonevm.lio.modules import TARGET
from zonevm.lio.spec import Backstore, Pscsi

_CORE = TARGET / "core"


def create(name: str, backstore: Backstore) -> Path:
    """Make the storage object ``name``; return where in configfs it is.

    Raises :class:`HostError`, with nothing of it left.
    """
    index = _free_index()
    with rtslib(f"make the {backstore.kind} backstore of {backstore.source}") as lio:
        if isinstance(backstore, Pscsi):
            made = lio.PSCSIStorageObject(name, str(backstore.device), index=index)
        else:
            config = f"zbc/{backstore.config}"
            made = lio.UserBackedStorageObject(name, config=config, size=backstore.size, index=index)
    return Path(made.path)


def remove(path: Path) -> None:
    """Remove the storage object at ``path``, and its LUNs."""
    with rtslib(f"remove the backstore {path.name}") as lio:
        handle(lio, path).delete()


def handle(lio: ModuleType, path: Path) -> Any:
    """Return rtslib's object for the storage object at ``path``."""
    kind = lio.PSCSIStorageObject if path.parent.name.startswith("pscsi_") else lio.UserBackedStorageObject
    return kind(path.name, index=_index(path.parent))


def find(plugin: str, name: str) -> Path | None:
    """Return where in configfs the storage object is, or None."""
    return next(_CORE.glob(f"{plugin}_*/{name}"), None)


def any_of(plugin: str) -> bool:
    """Whether there is any storage object of this plugin, of ours or not."""
    return any(path.is_dir() for path in _CORE.glob(f"{plugin}_*/*"))


def _free_index() -> int:
    # rtslib keeps the numbers that it has seen, for the life of the process, and others may have used them
    # since.
    used = {_index(path) for path in _CORE.glob("*_*")}
    return next(number for number in range(len(used) + 1) if number not in used)


def _index(directory: Path) -> int:
    return int(directory.name.rpartition("_")[2])
