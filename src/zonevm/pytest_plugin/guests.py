"""The guest that tests of a module share: it stays up, and each test finds its disks as new.

Its disks are states of a record in which nothing was written, and are shown anew for each test, as those of a
crash test are. What a record cannot have (a file, a volatile cache, a device's time) takes a new guest.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

from zonevm import images
from zonevm.attach.scratch import scratch_dir
from zonevm.disks import Disk, parse
from zonevm.disks.emulated import Emulated
from zonevm.errors import HostError, QemuError, ZonevmError
from zonevm.guest import Guest
from zonevm.pytest_plugin.asked import Asked
from zonevm.pytest_plugin.running import Running, SeenDisk
from zonevm.records import Record, State
from zonevm.records.recording import recording

_SECONDS = 120
_STATE = "cat /proc/sys/kernel/tainted; ls /sys/block; cut -d' ' -f2 /proc/self/mounts"
"""Tells what has to be as it was: whether the kernel is sound, the block devices, what is mounted where."""


class Guests:
    """One guest at a time, for one test after the other; to be closed by :meth:`end`."""

    def __init__(self) -> None:
        self._shared: Shared | None = None
        self._undo = ExitStack()

    def lease(self, test: Running) -> Guest:
        """Return a guest for a test, with its disks as new: the one that is there, if it can be.

        Raises what starting a guest does, and :class:`HostError` too for a QEMU that is too old.
        """
        shared = self._shared
        if shared is None or shared.asked != test.asked or not shared.renewed():
            self.end()
            shared = self._undo.enter_context(started(test))
        self._shared = shared
        test.guest, test.disks = shared.guest, shared.disks
        test.begun, test.heard = time.time_ns(), len(shared.guest.console())
        return shared.guest

    def give_back(self, test: Running) -> None:
        """Take the guest of a test that has ended. One that no other test can have ends."""
        test.guest = None
        if self._shared is not None and not self._shared.lasting:
            self.end()
            test.keep_trace()

    def seen(self) -> list[SeenDisk]:
        """Return the disks as the guest has them."""
        assert self._shared is not None
        return self._shared.seen()

    def end(self) -> None:
        """End the guest, if there is one."""
        self._shared = None
        with self._undo:
            self._undo = ExitStack()


class Shared:
    """A guest that runs, and what it takes to have its disks as new. ``blank``: None where that cannot be."""

    def __init__(self, asked: Asked, disks: Sequence[Disk], guest: Guest, blank: Blank | None) -> None:
        self.asked = asked
        self.guest = guest
        self.disks = disks
        self._blank = blank
        self._seen: list[SeenDisk] | None = None
        self._state = self._told()

    @property
    def lasting(self) -> bool:
        """Whether it is for several tests."""
        return self._blank is not None

    def renewed(self) -> bool:
        """Give the guest its disks as new ones; whether that could be done, and it is else as it was."""
        if self._blank is None:
            return False
        try:
            faults = self.guest.faults
            faults.clear()
            self._tidy()
            self.guest.renew(self._blank.show, _SECONDS)
            for fault in self.asked.options.get("faults", ()):
                faults.inject(fault)
            return self._told() == self._state
        except ZonevmError:
            return False

    def seen(self) -> list[SeenDisk]:
        """Return the disks with their nodes, which stay the same."""
        if self._seen is None:
            nodes = [check.node for check in self.guest.verify() if check.fact == "disk"]
            self._seen = [
                SeenDisk(number, node, disk)
                for number, (node, disk) in enumerate(zip(nodes, self.disks, strict=True))
            ]
        return self._seen

    def _tidy(self) -> None:
        """End what a test has left running, and unmount what it has mounted."""
        before = self._state.splitlines()
        # The agent is the first process; udevd is asked for by few.
        kill = "" if self.asked.options.get("udev") else "kill -9 -1; "
        told = self._run(f"{kill}{_STATE}").splitlines()
        mounted = [place for place in reversed(told) if place not in before and place.startswith("/")]
        if mounted:
            self._run(f"umount {shlex.join(mounted)}")

    def _told(self) -> str:
        return self._run(_STATE)

    def _run(self, script: str) -> str:
        return self.guest.run(script, cwd="/", timeout=_SECONDS).text


class Blank:
    """Disks to which nothing was written, and which can be shown again and again."""

    def __init__(self, disks: Sequence[Emulated]) -> None:
        with tempfile.TemporaryDirectory(prefix="zonevm-", dir=scratch_dir()) as directory:
            file = Path(directory) / "record"
            with recording(file) as record:
                for number, disk in enumerate(disks):
                    with images.temporary(scratch_dir(), disk) as image:
                        images.record(image, record, number)
            self._record = Record(file)
        self._state = State(len(self._record), ())
        self.places: dict[int, images.Disk] = {}

    @contextmanager
    def opened(self) -> Iterator[dict[int, images.Disk]]:
        """Open the disks, by their numbers, and close them."""
        with ExitStack() as stack:
            for number in self._record.disks:
                self.places[number] = stack.enter_context(self._record.open(self._state, number))
            yield self.places

    def show(self) -> None:
        """Make them new again, while nobody uses them."""
        for number, place in self.places.items():
            self._record.show(self._state, place, number)
            place.reset()


@contextmanager
def started(test: Running) -> Iterator[Shared]:
    """Start a guest for a test, and end it. Its image files are copies, which go with it."""
    asked = test.asked
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="zonevm-", dir=scratch_dir()))
        disks = [
            own_disk(parse(disk) if isinstance(disk, str) else disk, Path(directory) / f"disk{number}.img")
            for number, disk in enumerate(asked.disks)
        ]
        lasting = not asked.reboot and not asked.trace and all(map(can_be_emptied, disks))
        blank = Blank(cast("Sequence[Emulated]", disks)) if lasting else None
        guest = Guest(
            disks,
            states=stack.enter_context(blank.opened()) if blank else None,
            trace=test.trace if asked.trace else None,
            **asked.options,
        )
        check_host(guest)
        stack.callback(guest.stop, sync=False)
        guest.start()
        yield Shared(asked, disks, guest, blank)


def check_host(guest: Guest) -> None:
    """Raise :class:`HostError` where this host cannot start a guest, for a QEMU that is too old too."""
    try:
        guest.command()
    except QemuError as error:
        raise HostError(error.message, error.hint) from error


def can_be_emptied(disk: Disk) -> bool:
    """Whether it can be as new again in a guest: it is emulated, and has nothing that a record has not."""
    if not disk.fails or disk.place is not None or disk.volatile:
        return False
    return getattr(disk, "timing", None) is None and getattr(disk, "model", "") != "host-aware"


def own_disk(disk: Disk, copy: Path) -> Disk:
    """Return a disk that no other test writes to: on ``copy``, a copy of its image if that is zonevm's."""
    file = disk.place
    if file is None or not disk.fails or (file.exists() and not images.kind(file)):
        return disk
    if file.exists():
        images.snapshot(file, copy)
    return disk.but(file=copy)
