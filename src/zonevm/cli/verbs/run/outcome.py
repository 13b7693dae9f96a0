"""The record of a run that ``zonevm run --json`` writes: how it ended, and how long what took."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from zonevm.disks import Disk
from zonevm.errors import GuestPanicError, GuestTimeoutError, UsageError, ZonevmError
from zonevm.guest.phases import Phases
from zonevm.outputs import Draft

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (GuestTimeoutError, "timeout"),
    (GuestPanicError, "panic"),
    (UsageError, "usage"),
    (ZonevmError, "failed"),
    (KeyboardInterrupt, "interrupted"),
    (SystemExit, "terminated"),
    (BaseException, "crashed"),
)
"""Why a run ended that did not end with its command (``exited``); the first that fits."""


_PHASES = {
    "prepare": "preparing: the kernel, the initramfs, the disks",
    "qemu": "QEMU and its firmware",
    "kernel": "the guest's kernel",
    "stage1": "stage 1: modules, the host's root",
    "agent": "the agent",
}


def _age() -> float:
    """Return for how many seconds this process has been there."""
    begun = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(begun) / os.sysconf("SC_CLK_TCK")


class Outcome:
    """Collects what is known of a run; :meth:`recorded` adds its end and writes it all."""

    def __init__(self, command: Sequence[str], disks: Sequence[Disk]) -> None:
        self._facts: dict[str, object] = {"command": list(command), "disks": [str(disk) for disk in disks]}
        self._seconds: dict[str, float] = {}
        self._phases: dict[str, float] = {}

    def add(self, **facts: object) -> None:
        self._facts.update(facts)

    def add_phases(self, phases: Phases | None) -> None:
        """Note how long the parts of the boot took, if that is known."""
        if phases is not None:
            self._phases = {name: round(seconds, 3) for name, seconds in vars(phases).items()}
            self.add(boot_phases=self._phases)

    def told(self) -> Iterator[str]:
        """Yield how long what took, a line each, for people."""
        seconds = self._seconds
        total, boot, command = (seconds.get(name, 0.0) for name in ("total", "boot", "command"))
        parts = {"zonevm itself": _age() - total}
        parts |= {_PHASES[name]: each for name, each in self._phases.items()}
        if not self._phases:
            parts["boot"] = boot
        parts |= {"the command": command, "the end": total - boot - command}
        for name, each in {**parts, "in all": sum(parts.values())}.items():
            yield f"{each:8.2f} s  {name}"

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note the seconds that the body takes, also when it fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._seconds[what] = round(time.monotonic() - start, 3)

    @contextmanager
    def recorded(self, file: Path | None) -> Iterator[None]:
        """Write the record to ``file``, if any, when the body ends, with the reason if it fails.

        What is in ``file`` stays if the body fails before a guest was started.
        """
        with ExitStack() as stack:
            if file is not None:
                stack.callback(self._write, stack.enter_context(Draft(file)))
            stack.enter_context(self.timed("total"))
            try:
                yield
            except BaseException as error:
                self.add(reason=next(reason for kind, reason in _REASONS if isinstance(error, kind)))
                if isinstance(error, ZonevmError):
                    self.add(exit_code=error.exit_code, message=error.message, hint=error.hint)
                raise

    def _write(self, draft: Draft) -> None:
        if draft.replaces and "qemu_command" not in self._facts:
            return
        record = json.dumps({**self._facts, "seconds": self._seconds}, indent=2)
        draft.file.write(f"{record}\n".encode())
        draft.publish()
