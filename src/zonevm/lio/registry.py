"""The list of targets that zonevm made on this host, and who owns each. Touches no target.

A record is there before the first part of its target is made and until the last is gone. So what a crash
leaves always has a record, and what has none is not ours.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zonevm.errors import HostError
from zonevm.lio.processes import Process
from zonevm.lio.spec import PREFIX
from zonevm.patience import Patience

DIRECTORY = Path("/run/zonevm/lio")
"""What zonevm keeps of targets: gone at the next boot, as they are."""

_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Record:
    """One target of ours.

    ``plugin`` is the backstore's name in configfs, ``kind`` its name for people, ``source`` its device or
    file. ``owner`` is the process it lives for; None: it was made to stay until it is removed. ``scratch``
    is a directory that goes with the target.
    """

    name: str
    plugin: str
    kind: str
    source: str
    fabric: str
    wwn: str
    owner: Process | None
    scratch: str | None = None

    @property
    def object_name(self) -> str:
        """The name of the storage object in configfs."""
        return PREFIX + self.name

    @property
    def abandoned(self) -> bool:
        """Whether the process that the target lives for is no more."""
        return self.owner is not None and not self.owner.alive


def records(directory: Path = DIRECTORY) -> list[Record]:
    """Return the targets of ours, by name."""
    return sorted(
        (_load(path) for path in (directory / "targets").glob("*.json")), key=lambda record: record.name
    )


def find(name: str, directory: Path = DIRECTORY) -> Record | None:
    """Return the target of this name, or None."""
    return next((record for record in records(directory) if record.name == name), None)


def save(record: Record, directory: Path = DIRECTORY) -> None:
    """Write a record, all of it or nothing."""
    path = _path(record, directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(record)))
    new.replace(path)


def forget(record: Record, directory: Path = DIRECTORY) -> None:
    """Remove a record, if it is there."""
    _path(record, directory).unlink(missing_ok=True)


@contextmanager
def locked(directory: Path = DIRECTORY) -> Iterator[None]:
    """Keep other zonevm processes from changing targets; :class:`HostError` after a minute of waiting."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("w")
    except OSError as error:
        raise HostError(
            f"cannot write to {directory}, where zonevm keeps the list of its targets: {error.strerror}",
            "/run has to be there and writable for root.",
        ) from error
    with file:
        patience = Patience(_PATIENCE_SECONDS)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if patience.is_over():
                    raise HostError(
                        f"another zonevm has been changing kernel targets for {_PATIENCE_SECONDS} seconds",
                        f"See which process holds {directory / 'lock'}: fuser -v {directory / 'lock'}",
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield


def _path(record: Record, directory: Path) -> Path:
    return directory / "targets" / f"{record.name}.json"


def _load(path: Path) -> Record:
    fields = json.loads(path.read_text())
    owner = fields.pop("owner")
    return Record(**fields, owner=owner and Process(**owner))
