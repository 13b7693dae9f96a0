"""The directories of one run: logs that stay for a while, sockets that never outlive zonevm."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host import RUNTIME_PREFIX, needed, runs_dir, runtime_base
from zonevm.processes import Keeper, Kept
from zonevm.service import open_files

_KEPT = 20
_LONGEST_NAME = "/user123.sock"
_SOCKET_PATH_BYTES = 107


def make_log_dir() -> Path:
    """Make the directory for the logs of a new run; the oldest runs beyond twenty are removed.

    Raises :class:`HostError` where it cannot be made.
    """
    base = runs_dir()
    with needed(base):
        base.mkdir(parents=True, exist_ok=True)
        _prune(base)
        return _new_log_dir(base)


def _new_log_dir(base: Path) -> Path:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    for number in range(1, 1000):
        path = base / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise HostError(f"too many runs in {base} begin with {name}", "Remove old ones.")


class RuntimeDir:
    """A private directory for sockets, and the processes that use it; both go with zonevm, even by SIGKILL.

    A context manager. ``disks``: as many files may be open, here and in the processes, as these need. Raises
    :class:`HostError` where there cannot be one.
    """

    def __init__(self, disks: int = 0) -> None:
        base = runtime_base()
        self.path = base / f"{RUNTIME_PREFIX}{secrets.token_hex(4)}"
        if len(os.fsencode(self.path)) + len(_LONGEST_NAME) > _SOCKET_PATH_BYTES:
            raise HostError(
                f"{base} is too long for sockets in it: their paths have at most {_SOCKET_PATH_BYTES} bytes",
                "Set XDG_RUNTIME_DIR or TMPDIR to a shorter directory.",
            )
        with needed(base):
            open_files.allow(disks)
        self.keeper = Keeper(self.path)
        """Starts the processes that go with the directory."""

    def __enter__(self) -> RuntimeDir:
        return self

    def start(self, argv: Sequence[str | Path], log: Path, descriptors: Collection[int] = ()) -> Kept:
        """Start a program that uses the directory, without an input; what it says goes to the file ``log``.

        It has open ``descriptors`` under the same numbers. Raises what :meth:`Keeper.start` does.
        """
        with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            return self.keeper.start(argv, nothing, output, output, descriptors)

    def __exit__(self, *reason: object) -> None:
        """End what is left of the processes, and remove the directory."""
        self.keeper.close()


def _prune(base: Path) -> None:
    runs = sorted((path for path in base.iterdir() if path.is_dir()), key=lambda path: path.name)
    for path in runs[: max(0, len(runs) - _KEPT + 1)]:
        pid = path.name.split("-")[2:3]
        if not (pid and pid[0].isdigit() and Path("/proc", pid[0]).exists()):
            shutil.rmtree(path, ignore_errors=True)
