"""Files that can be made again, in the user's cache: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from zonevm.host.dirs import needed

_PREFIX = ".new-"
_OLD_SECONDS = 86400


def store(target: Path, data: bytes) -> None:
    """Write ``data`` to the file ``target``, and make its directory.

    Nothing is left where that fails; what a kill left half made goes a day later. Raises :class:`HostError`
    where it cannot be written.
    """
    directory = target.parent
    with needed(directory):
        directory.mkdir(parents=True, exist_ok=True)
        _forget_old(directory)
        number, name = tempfile.mkstemp(prefix=_PREFIX, dir=directory)
        new = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            new.replace(target)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def key_of(binary: Path, *what: object) -> str:
    """Return a name for ``what`` is known of ``binary``, which is the same while its path, size and time are.

    Raises :class:`OSError` where there is none.
    """
    status = binary.stat()
    identity = f"{binary.resolve()} {status.st_size} {status.st_mtime_ns} {what}"
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:24]


def _forget_old(directory: Path) -> None:
    for path in directory.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_SECONDS:
                path.unlink()
