"""A guest that has one state after the other, and a check that is run on each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from zonevm import images
from zonevm.agent.environment import guest_environment
from zonevm.errors import GuestError, QemuError, RecordError
from zonevm.guest import Guest
from zonevm.records import Record, State

_MARKS = "/run/zonevm-marks"
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What a check mounts and starts goes with it (unshare(1))."""


@dataclass(frozen=True)
class Verdict:
    """What a check said. ``exit_code`` None: the guest failed under it, for the reason in ``output``."""

    exit_code: int | None
    output: str

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


class Checker:
    """Runs ``command`` on states of a record; a context manager.

    The disks are in the guest in the order that they have in the record, so under the names that they had
    when all disks of the run were recorded. ``ZONEVM_LAST_MARK`` is the last mark before the state's point,
    and ``ZONEVM_MARKS`` a file with all of them, a line each. Whatever the command mounts or leaves running
    is gone afterwards. ``timeout``: seconds, after which the check has failed. ``options``: of the
    :class:`Guest`.
    """

    def __init__(
        self, record: Record, command: Sequence[str], timeout: float | None = None, **options: Any
    ) -> None:
        self._record = record
        self._command = command
        self._timeout = timeout
        self._options = options
        self._guest: Guest | None = None
        self._places: dict[int, images.Disk] = {}
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def check(self, state: State) -> Verdict:
        """Return what the check says of a state. A guest that fails is a verdict; the next one is new."""
        try:
            guest = self.guest(state)
            done = guest.run(
                [*_ALONE, *self._command],
                env=self.environment(state),
                timeout=self._timeout,
            )
        except (GuestError, QemuError) as error:
            self._end()
            return Verdict(None, error.message)
        said = (done.stdout + done.stderr).decode(errors="replace")
        return Verdict(done.returncode, said)

    def fails(self, state: State) -> bool:
        """Whether a state can be, and the check fails for it."""
        try:
            return not self.check(state).passed
        except RecordError:
            return False

    def guest(self, state: State) -> Guest:
        """Return the guest, with its disks in this state."""
        if self._guest is None:
            self._guest = self._begin(state)
        else:
            self._guest.renew(partial(self._show, state))
        marks = "".join(f"{mark}\n" for mark in self._record.marks(state.point))
        self._guest.run(["tee", _MARKS], stdin=marks.encode(), check=True, cwd="/")
        return self._guest

    def environment(self, state: State) -> dict[str, str]:
        """Return the environment of commands on this state."""
        marks = self._record.marks(state.point)
        told = {"ZONEVM_LAST_MARK": marks[-1] if marks else "", "ZONEVM_MARKS": _MARKS}
        return {**guest_environment(os.environ), **told}

    def _begin(self, state: State) -> Guest:
        with ExitStack() as undo:
            self._places = {
                number: undo.enter_context(self._record.open(state, number)) for number in self._record.disks
            }
            guest = Guest(self._record.described(), states=self._places, **self._options)
            guest.start()
            undo.callback(guest.stop, sync=False)
            self._undo = undo.pop_all()
        return guest

    def _show(self, state: State) -> None:
        for number, place in self._places.items():
            self._record.show(state, place, number)

    def _end(self) -> None:
        self._guest = None
        with self._undo:
            self._undo = ExitStack()
