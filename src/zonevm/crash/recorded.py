"""The run of a crash test that is recorded: its set-up, then its work, in one guest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zonevm.crash.test import CrashTest
from zonevm.errors import GuestError
from zonevm.guest import Guest

SET_UP = "set up"
"""The mark behind a test's set-up."""
_STABLE = "sync && for disk in /dev/sd* /dev/nvme*n*; do [ ! -b $disk ] || sync $disk || exit; done"


def record_run(test: CrashTest, file: Path, out: int | None, options: dict[str, object]) -> None:
    """Run set-up and work of a test in a guest, and record what they write in ``file``.

    ``out``: a descriptor for what they print. Raises :class:`GuestError` where one of them fails.
    """
    with Guest(test.disks, record=file, cwd=test.cwd, **options) as guest:  # type: ignore[arg-type]
        if test.setup:
            _run(guest, "set-up", test.setup, out)
            guest.run(_STABLE, check=True, cwd="/")
        guest.mark(SET_UP)
        _run(guest, "work", test.work, out)
        guest.stop(sync=False)


def _run(guest: Guest, name: str, command: Sequence[str], out: int | None) -> None:
    done = guest.run(command, stdout=out, stderr=out)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise GuestError(
            f"the {name} ended with exit code {done.returncode}" + (f": {said}" if said else ""),
            "It has to succeed before anything is checked: try it with zonevm run.",
        )
