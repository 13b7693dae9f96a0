"""The directories of one run: logs that stay for a while, sockets that never outlive zonevm."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from zonevm import standard_streams
from zonevm.errors import HostError
from zonevm.host import RUNTIME_PREFIX, runs_dir, runtime_base

_KEPT = 20
_LONGEST_NAME = "/user123.sock"
_SOCKET_PATH_BYTES = 107

# Gets the ids of processes on its input; when that ends, zonevm is gone, however it ended.
_REAPER = 'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids 2> /dev/null; rm -rf "$1"'


def make_log_dir() -> Path:
    """Make the directory for the logs of a new run; the oldest runs beyond twenty are removed."""
    base = runs_dir()
    base.mkdir(parents=True, exist_ok=True)
    _prune(base)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    for number in range(1, 1000):
        path = base / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise HostError(f"too many runs in {base} begin with {name}", "Remove old ones.")


class RuntimeDir:
    """A private directory for sockets, and the processes that use it; both go with zonevm, even by SIGKILL.

    A context manager. A small shell waits for the end of a pipe that only this process holds.
    """

    def __init__(self) -> None:
        standard_streams.hold()
        base = runtime_base()
        if (
            len(os.fsencode(base)) + len(f"/{RUNTIME_PREFIX}12345678") + len(_LONGEST_NAME)
            > _SOCKET_PATH_BYTES
        ):
            raise HostError(
                f"{base} is too long for sockets in it: their paths have at most {_SOCKET_PATH_BYTES} bytes",
                "Set XDG_RUNTIME_DIR or TMPDIR to a shorter directory.",
            )
        self.path = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir=base))
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER, "zonevm-reaper", self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def __enter__(self) -> RuntimeDir:
        return self

    def watch(self, pid: int) -> None:
        """Have process ``pid`` killed when zonevm ends without having left this context."""
        assert self._reaper.stdin
        self._reaper.stdin.write(b"%d\n" % pid)

    def __exit__(self, *reason: object) -> None:
        """Remove the directory. The processes have to be gone by now."""
        assert self._reaper.stdin
        self._reaper.kill()
        self._reaper.wait()
        self._reaper.stdin.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _prune(base: Path) -> None:
    runs = sorted((path for path in base.iterdir() if path.is_dir()), key=lambda path: path.name)
    for path in runs[: max(0, len(runs) - _KEPT + 1)]:
        pid = path.name.split("-")[2:3]
        if not (pid and pid[0].isdigit() and Path("/proc", pid[0]).exists()):
            shutil.rmtree(path, ignore_errors=True)
