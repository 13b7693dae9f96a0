"""A guest that runs a part of a suite: its files, its output, and how it ended. Chooses no tests."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from zonevm.agent.environment import guest_environment
from zonevm.attach import DiskSet
from zonevm.errors import GuestError, ZonevmError
from zonevm.guest import Guest
from zonevm.suites.suite import Part, Result, Status, Suite, plain, so_far

_NOTHING = "the suite says nothing of how it ended"
_END_LINES = 10
OUTPUT = "output"
"""The file, in a directory of results, that has all that the suite says."""

Ended = queue.SimpleQueue["Session"]


class Session:
    """A guest, from :meth:`begin` to :meth:`end`, and the results of its ``part`` so far.

    ``ended`` is told when the suite, or the guest, has ended.
    """

    def __init__(self, suite: Suite, part: Part, guest: Guest, disks: DiskSet, ended: Ended) -> None:
        self.part = part
        self._suite = suite
        self._guest = guest
        self._disks = disks
        self._ended = ended
        self._output = part.results / OUTPUT
        self._size, self._since = 0, time.monotonic()
        self._over = False
        self.lost: ZonevmError | None = None
        """Why the guest is gone, or the suite could not be run in it."""

    def begin(self) -> None:
        """Start the guest, and the suite in it. Raises what keeps it from that."""
        self._guest.start()
        self.part = replace(self.part, nodes=_nodes(self._guest, self._disks))
        if self._suite.configuration:
            name, text = self._suite.configuration(self.part)
            for file in (self.part.source / name, self.part.results / name):
                self._guest.run(["tee", file], stdin=text.encode(), check=True, cwd=self.part.source)
        self._output.touch()
        self._since = time.monotonic()
        threading.Thread(target=self._run, name="zonevm-suite", daemon=True).start()

    def end(self) -> None:
        """Stop the guest, if it runs; of one that is lost, keep its console."""
        if self.lost is not None and self._guest.log_dir is not None:
            (self.part.results / "console").write_bytes(self._guest.console().encode())
        self._guest.stop(sync=self.lost is None)

    def silent(self) -> float:
        """Return for how many seconds the suite, which has not ended, has said nothing."""
        if self._over:
            return 0
        size = self._output.stat().st_size
        if size != self._size:
            self._size, self._since = size, time.monotonic()
        return time.monotonic() - self._since

    def give_up(self, why: str) -> None:
        """End the guest, which is lost for this reason; ``ended`` is told."""
        self.lost = GuestError(why)
        self._guest.stop(sync=False)

    def told(self) -> dict[str, Result]:
        """Return the results so far; a test that runs is :attr:`Status.BEGUN`."""
        return so_far(self._suite, self._text(), self.part.results)

    def results(self) -> dict[str, Result]:
        """Return the results, once it has ended: also of the test with which the guest was lost.

        Raises :class:`GuestError` where there are none.
        """
        end = "\n" if self.lost is None else ""
        told = so_far(self._suite, f"{self._text()}{end}", self.part.results)
        begun = [test for test, result in told.items() if result.status == Status.BEGUN]
        for test in begun:
            why = self.lost.message if self.lost and test == begun[-1] else _NOTHING
            told[test] = Result(test, Status.FAILED, why)
        if not told:
            raise self.lost or GuestError(
                f"{self._suite.name} has run no test; it said: {self._last_words()}",
                f"All that it said is in {self._output}.",
            )
        if self.lost is None:
            for test in self._suite.owes(self.part, told):
                told[test] = Result(test, Status.FAILED, _NOTHING)
        return told

    def _run(self) -> None:
        environment = guest_environment(os.environ) | {"TERM": "dumb"}
        if self._suite.configuration is None:
            environment |= self.part.settings
        paths = [str(self.part.source / each) for each in self._suite.path]
        environment["PATH"] = ":".join([*paths, environment["PATH"]])
        script = f"exec 2>&1\n{self._suite.command(self.part)}"
        try:
            with self._output.open("wb", buffering=0) as output:
                self._guest.run(
                    ["bash", "-c", script], stdout=output.fileno(), cwd=self.part.source, env=environment
                )
        except ZonevmError as error:
            self.lost = self.lost or error
        finally:
            self._over = True
            self._ended.put(self)

    def _text(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self._output.read_bytes().decode(errors="replace")
        return ""

    def _last_words(self) -> str:
        lines = [line for line in plain(self._text()) if line.strip()]
        return " | ".join(lines[-_END_LINES:]) or "nothing"


def _nodes(guest: Guest, disks: DiskSet) -> Sequence[str]:
    """Return the disks' block devices in the guest. Raises :class:`GuestError` for a disk without one."""
    found: Mapping[int, str] = dict(_numbered(guest, disks))
    for number, disk in enumerate(disks):
        if not found.get(number):
            raise GuestError(
                f"the guest shows no block device of disk {number} ({disk})",
                "See what it says of it: zonevm run --verify.",
            )
    return [found[number] for number in range(len(disks))]


def _numbered(guest: Guest, disks: DiskSet) -> Iterator[tuple[int, str]]:
    first = [check for check in guest.verify() if check.fact == "disk"]
    numbers = [member.number for group in disks.groups for member in group]
    for number, check in zip(numbers, first, strict=True):
        yield number, check.node
