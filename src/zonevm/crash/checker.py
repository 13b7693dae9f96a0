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
from zonevm.errors import GuestError, GuestPanicError, QemuError, RecordError
from zonevm.guest import Guest
from zonevm.records import Record, State

_MARKS = "/run/zonevm-marks"
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What a check mounts and starts goes with it (unshare(1))."""
_TRIES = 3


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
    is gone afterwards. ``timeout``: seconds, after which the check has failed. ``reboot``: each state has a
    guest of its own. ``options``: of the :class:`Guest`.
    """

    def __init__(
        self,
        record: Record,
        command: Sequence[str],
        timeout: float | None = None,
        reboot: bool = False,
        **options: Any,
    ) -> None:
        self.record = record
        self._command = command
        self._timeout = timeout
        self._reboot = reboot
        self._options = options
        self._guest: Guest | None = None
        self._places: dict[int, images.Disk] = {}
        self._undo = ExitStack()
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def check(self, state: State) -> Verdict:
        """Return what the check says of a state. A guest that fails is a verdict; the next one is new.

        Raises :class:`QemuError` where QEMU ends again and again, and what starting a guest raises.
        """
        for left in reversed(range(_TRIES)):
            inherited = self._guest is not None
            try:
                guest = self.guest(state)
                inherited = False
                return self._ask(guest, state)
            except QemuError:
                self.end()
                if self._abandoned or not left:
                    raise
            except GuestError as error:
                self.end()
                # What an earlier check made of a guest is no verdict on this state.
                if not (inherited and left):
                    return Verdict(None, _failed(error))
        raise AssertionError("a loop that ends by itself")

    def fails(self, state: State) -> bool:
        """Whether a state can be, and the check fails for it."""
        try:
            return not self.check(state).passed
        except RecordError:
            return False

    def guest(self, state: State) -> Guest:
        """Return the guest, with its disks in this state."""
        if self._reboot:
            self.end()
        if self._guest is None:
            self._begin(state)
        else:
            self._guest.renew(partial(self._show, state))
        assert self._guest is not None
        marks = "".join(f"{mark}\n" for mark in self.record.marks(state.point))
        self._guest.run(["tee", _MARKS], stdin=marks.encode(), check=True, cwd="/")
        return self._guest

    @property
    def running(self) -> Guest | None:
        """The guest, if it still runs; its disks are in the state that was checked last."""
        return self._guest

    def environment(self, state: State) -> dict[str, str]:
        """Return the environment of commands on this state."""
        told = {"ZONEVM_LAST_MARK": self.record.last_mark(state.point), "ZONEVM_MARKS": _MARKS}
        return {**guest_environment(os.environ), **told}

    def abandon(self) -> None:
        """Have what another thread waits for here fail, and all that follows."""
        self._abandoned = True
        guest = self._guest
        if guest is not None:
            guest.abandon()

    def end(self) -> None:
        """End the guest. The next state has a new one."""
        self._guest = None
        with self._undo:
            self._undo = ExitStack()

    def _ask(self, guest: Guest, state: State) -> Verdict:
        done = guest.run([*_ALONE, *self._command], env=self.environment(state), timeout=self._timeout)
        return Verdict(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))

    def _begin(self, state: State) -> None:
        with ExitStack() as undo:
            self._places = {
                number: undo.enter_context(self.record.open(state, number)) for number in self.record.disks
            }
            guest = Guest(self.record.described(), states=self._places, **self._options)
            undo.callback(guest.stop, sync=False)
            self._guest, self._undo = guest, undo.pop_all()
        if self._abandoned:
            guest.abandon()
        guest.start()

    def _show(self, state: State) -> None:
        for number, place in self._places.items():
            self.record.show(state, place, number)


def _failed(error: GuestError) -> str:
    """Return why, with what the kernel said last where it panicked."""
    console = error.console if isinstance(error, GuestPanicError) else ""
    return f"{error.message}\n{console}".strip()
