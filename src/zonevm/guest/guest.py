"""A guest: kernel, disks, machine and agent put together; what a user starts, talks to and stops."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from zonevm import images
from zonevm.agent import terminal
from zonevm.agent.client import Client
from zonevm.agent.completed import Completed
from zonevm.agent.streams import BoundedFile
from zonevm.attach import DiskSet
from zonevm.disks import Disk, parse
from zonevm.errors import ImageError, UsageError
from zonevm.explain import Failure
from zonevm.faults import Fault, Faults
from zonevm.faults import parse as parse_fault
from zonevm.guest import hotplug, marks, renewal
from zonevm.guest.boot import await_agent, connect
from zonevm.guest.commands import Command, Input, Output
from zonevm.guest.phases import Phases
from zonevm.guest.plan import Plan
from zonevm.guest.session import Session
from zonevm.guest.settings import KernelSettings, Settings
from zonevm.guest.verify import PROBE, Check, pci_addresses, verify
from zonevm.host import guest_python
from zonevm.machine import panic
from zonevm.machine.machine import RunningMachine
from zonevm.patience import Patience, written
from zonevm.units import parse_size

if TYPE_CHECKING:
    from zonevm._core import Lateness, PowerCut

_SYNC_SECONDS = 30
_PROBE_BYTES = 2**20

Progress = Callable[[str], None]


class Guest:
    """A guest with disks in it; a context manager that boots it and, at the end, undoes everything.

    ``disks``: :class:`Disk` objects or texts of the ``--disk`` grammar; or a set that was resolved.
    ``faults``: :class:`Fault` objects or texts of the ``--fault`` grammar, in force from the start.
    ``kernel``: a bzImage, a build tree or a version; None: the host's own or the newest one pulled.
    ``memory``: a size.
    ``cpus``: how many; by default one under TCG, and under KVM as many as the host has, at most four.
    ``rwdirs``: host directories that the guest may write to. All else of the host's root, but its /proc,
    /sys, /dev and /run, it sees and cannot change: what it writes there is gone with it, and of what the host
    changes there meanwhile, in files that the guest has read, it may see nothing.
    ``net``: None or ``user``. ``append``: more kernel arguments.
    ``qemu``: another QEMU; ``pulled``: the newest that was pulled. ``qemu_args``: more arguments for it.
    ``accel``: ``auto``, ``kvm`` or ``tcg``. ``udev``: whether the host's udevd runs in it.
    ``qmp``: where QEMU makes a QMP socket for the caller; disks can then be added (docs/serve.md).
    ``boot_timeout``: seconds. None: as long as the console says something new every two minutes, and for
    twenty in all; time in which QEMU lacks a processor does not count.
    ``env`` and ``cwd``: of commands; those of this process by default.
    ``trace``: a file to record the commands of all emulated disks in, whole when the guest has stopped.
    ``record``: a new file to record all that is written to the emulated disks in, for crash tests.
    ``states``: open disks, by number, that are attached in place of images: states of a record.
    ``progress``: is told what is going on, for people.
    """

    def __init__(
        self,
        disks: Sequence[Disk | str] = (),
        *,
        faults: Sequence[Fault | str] = (),
        kernel: str | Path | None = None,
        memory: str | int = "1G",
        cpus: int | None = None,
        rwdirs: Sequence[str | Path] = (),
        net: str | None = None,
        append: str = "",
        qemu: str | None = None,
        qemu_args: Sequence[str] = (),
        accel: str = "auto",
        udev: bool = False,
        qmp: str | Path | None = None,
        boot_timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        trace: str | Path | None = None,
        record: str | Path | None = None,
        states: Mapping[int, images.Disk] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._settings = Settings(
            disks=disks if isinstance(disks, DiskSet) else tuple(map(_disk, disks)),
            faults=tuple(parse_fault(fault) if isinstance(fault, str) else fault for fault in faults),
            memory=parse_size(memory),
            cpus=cpus,
            net=net,
            qemu=qemu,
            qemu_args=tuple(qemu_args),
            accel=accel,
            traced=trace is not None,
            recorded=record is not None,
            shown=frozenset(states or ()),
        )
        self._kernel = KernelSettings(
            kernel=kernel,
            append=append,
            rwdirs=tuple(Path(path) for path in rwdirs),
            udev=udev,
            qmp=None if qmp is None else Path(qmp),
            cwd=Path(cwd or Path.cwd()).absolute(),
        )
        self._boot_timeout = boot_timeout
        self._env = env
        self._progress = progress or (lambda _: None)
        self._undo = ExitStack()
        self._session = Session(trace, record, states)
        self._machine: RunningMachine | None = None
        self._client: Client | None = None
        self._qemu: RunningMachine | None = None
        self._abandoned = False
        self._last_words: Sequence[str] = ()
        self.phases: Phases | None = None
        """How long the parts of the start took, once it was started."""

    # Life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(sync=kind is None)

    def start(self) -> None:
        """Boot the guest and wait for its agent.

        Raises what keeps it from that: :class:`KernelError`, :class:`HostError`, :class:`QemuError`,
        :class:`GuestPanicError`, :class:`GuestTimeoutError` and what attaching a disk raises.
        """
        if self._machine is not None:
            raise UsageError("the guest was started already")
        session = self._session
        begun = time.monotonic()
        with ExitStack() as undo:
            plan = self._plan()
            undo.enter_context(hotplug.claimed(self._kernel.qmp))
            place = undo.enter_context(session.prepared(plan.hardware))
            files = plan.files(place.runtime.path, place.logs)
            tree = undo.enter_context(plan.tree(place.runtime, self._progress))
            if files.root is not None:
                undo.enter_context(plan.serve_root(tree, files.root, place.runtime, place.logs))
            described = plan.machine(files, session.devices, tree)
            self._progress(f"booting Linux {plan.kernel.version} ({plan.hardware.accel.name})")
            started = time.monotonic()
            machine = undo.enter_context(session.running(described, place, plan.guard, tree.descriptors))
            self._qemu = machine
            if self._abandoned:
                machine.kill()
            undo.enter_context(panic.watched(machine, files.console))
            if files.marks is not None:
                undo.enter_context(marks.answered(files.marks, session.observed.mark))
            client = Client(connect(files.agent))
            undo.callback(client.close)
            await_agent(machine, client, self._boot_timeout)
            if client.clock is not None:
                self.phases = Phases.of(begun, started, time.monotonic(), client.clock)
            self._machine, self._client = machine, client
            undo.enter_context(session.controlled(place, self._last_command, self._cut_for_good))
            self._undo = undo.pop_all()

    def stop(self, sync: bool = True) -> None:
        """End the guest, if it runs; ``sync``: have it write everything out before."""
        with self._undo:
            self._undo = ExitStack()
            if (
                sync
                and self._client
                and not self._client.lost
                and (self._settings.disks or self._kernel.rwdirs)
            ):
                self._sync(*self._running())
        self._client = None

    def abandon(self) -> None:
        """Kill QEMU, from any thread, also while the guest boots: whatever waits for the guest fails then.

        The guest still has to be stopped.
        """
        self._abandoned = True
        if self._qemu is not None:
            self._qemu.kill()

    def reboot(self) -> None:
        """Reset the guest and wait until it is up again. Commands that ran are lost."""
        machine, client = self._running()
        with machine.alone():
            client.expect_reset()
            with machine.resetting():
                await_agent(machine, client, self._boot_timeout)

    def power_cut(self, loss: str = "random", seed: int = 0, *, boot: bool = True) -> dict[int, PowerCut]:
        """Cut the power of the guest and its disks, then boot it again. Commands that ran are lost.

        Return what each emulated disk with a volatile (or lying) cache lost, by the disk's number. Other
        disks lose nothing. ``loss``: ``all`` that was not made stable, ``none`` of it, or, ``random``, what
        ``seed`` decides. Without ``boot`` the guest stays off, and can only be stopped. Raises
        :class:`UsageError` if there is no such disk; :class:`ImageError` where the host fails a disk, and the
        guest stays off then.
        """
        machine, client = self._running()
        with machine.alone():
            try:
                cuts = self._session.observed.power_cut(loss, seed, lambda: machine.qmp("stop"))
            except ImageError:
                self._client = None
                client.expect_reset()
                raise
            if not boot:
                self._client = None
            client.expect_reset()
            if boot:
                with machine.resetting():
                    machine.qmp("cont")
                    await_agent(machine, client, self._boot_timeout)
            return cuts

    # Commands

    def run(
        self,
        argv: Sequence[str | Path] | str,
        *,
        stdin: Input = None,
        stdout: Output = None,
        stderr: Output = None,
        timeout: float | None = None,
        check: bool = False,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        tty: bool = False,
    ) -> Completed:
        """Run a command in the guest, as root, and return how it ended. Several threads may do so at once.

        ``argv``: a program and its arguments, or one string for ``sh -c``.
        ``stdin``: bytes, a binary file or a file descriptor; None is an empty input.
        ``stdout``, ``stderr``: where they go, byte for byte as they come; None keeps them in the result.
            That is in memory, however much the guest writes.
        ``timeout``: seconds, after which the command is killed.
        ``env``: in place of the guest's. ``cwd``: likewise.
        ``tty``: on a terminal of its own; stderr is then part of stdout.

        Raises :class:`CommandError` with ``check``, :class:`GuestTimeoutError`, :class:`GuestPanicError`,
        :class:`GuestError` or :class:`QemuError` when the guest ends before the command does.
        """
        directory = Path(cwd or self._kernel.cwd).absolute()
        command = Command(argv, directory, self._env if env is None else env, tty)
        machine, client = self._running()
        self._last_words = command.words
        completed = command.run(machine, client, stdin=stdin, stdout=stdout, stderr=stderr, timeout=timeout)
        return completed.check() if check else completed

    def shell(self, argv: Sequence[str | Path] = (), env: Mapping[str, str] | None = None) -> int:
        """Run a shell, or another command, on the caller's terminal; return its exit code.

        The shell is that of the environment (``SHELL``), or ``/bin/sh``. ``env``: as for :meth:`run`.
        """
        shell = (self._env or os.environ).get("SHELL", "/bin/sh")
        keyboard, screen = terminal.standard_streams()
        with terminal.lent(keyboard):
            return self.run(argv or [shell], stdin=keyboard, stdout=screen, tty=True, env=env).returncode

    def verify(self) -> list[Check]:
        """Return what the guest shows of each disk beside what was asked for: whether each fact is so."""
        machine, _ = self._running()
        addresses = pci_addresses(machine.qmp("query-pci"))
        return verify(self._session.disks, self._session.devices, addresses, self._probe)

    def disk(self, number: int) -> images.Disk:
        """Return the ``number``-th disk, from 0 on, as this process serves it: an emulated disk's image.

        Raises :class:`UsageError` for a disk that is not served here.
        """
        self._running()
        return self._session.observed.disk(number)

    def lateness(self) -> dict[int, Lateness]:
        """Return how late commands ended of disks that take a device's time (``timing``), by disk number."""
        return self._session.observed.lateness()

    def mark(self, text: str) -> None:
        """Write ``text`` into the record of the disks, behind all that anyone in the guest has seen done.

        Commands in the guest do so by ``zonevm-mark TEXT``. Raises :class:`UsageError` where nothing is
        recorded, :class:`HostError` for a record that ended early.
        """
        self._session.observed.mark(text)

    def renew(self, change: Callable[[], object], timeout: float = 120) -> None:
        """Take the emulated disks from the guest, call ``change``, and give them back: new block devices.

        Nobody in the guest may use them. Raises :class:`GuestError` where they are not back in ``timeout``
        seconds, and what :meth:`run` does.
        """
        machine, _ = self._running()
        addresses = pci_addresses(machine.qmp("query-pci"))
        served = self._session.observed.controllers
        controllers = {addresses[name]: disks for name, disks in served.items()}
        self.run(renewal.removal(controllers), check=True, timeout=timeout, cwd="/")
        change()
        self.run(renewal.return_of(controllers), check=True, timeout=timeout, cwd="/")

    def failures(self) -> dict[int, list[Failure]]:
        """Return the last 64 failed commands of each emulated disk, by its number, the oldest first.

        Each has its explanation. Also once the guest has stopped.
        """
        return self._session.observed.failures()

    @property
    def faults(self) -> Faults:
        """The faults in force on the emulated disks, and the way to inject and end some at once."""
        if self._machine is None:
            raise UsageError("the guest is not running", "Use it in a with statement, or start it first.")
        return Faults(self._session.observed.live)

    # What can be known

    def command(self) -> list[str]:
        """Return the QEMU command line without starting anything; a run has its files elsewhere."""
        return self._plan().by_hand().argv()

    def script(self) -> list[str]:
        """Return the shell commands that do a run by hand: what prepares the disks, then QEMU."""
        return self._plan().by_hand().script()

    def libvirt(self) -> str:
        """Return the XML of a libvirt domain with the same disks, which boots nothing yet."""
        from zonevm.guest.domain import domain  # noqa: PLC0415  # a guest that starts needs no XML

        return domain(self._settings, self._kernel)

    @property
    def qemu_command(self) -> list[str]:
        """The command line of the QEMU that runs, or ran last."""
        return list(self._session.command)

    @property
    def log_dir(self) -> Path | None:
        """The directory with the console's text, QEMU's messages and its command line, once started."""
        return self._session.log_dir

    def console(self) -> str:
        """Return what the guest has written to its console so far: the kernel's log."""
        if self._machine is None:
            raise UsageError("the guest has no console yet", "Start it first.")
        return self._machine.console()

    # Inside

    def _plan(self) -> Plan:
        return Plan.make(self._settings, self._kernel, self._progress)

    def _last_command(self) -> str:
        return shlex.join(self._last_words)

    def _cut_for_good(self, loss: str, seed: int) -> dict[int, PowerCut]:
        return self.power_cut(loss, seed, boot=False)

    def _probe(self, arguments: Sequence[str]) -> bytes:
        argv = [str(guest_python()), "-", *arguments]
        out = BoundedFile(_PROBE_BYTES)
        self.run(argv, stdin=PROBE.read_bytes(), stdout=out, cwd="/", check=True)
        return out.getvalue()

    def _running(self) -> tuple[RunningMachine, Client]:
        machine, client = self._machine, self._client
        if machine is None or client is None:
            raise UsageError("the guest is not running", "Use it in a with statement, or start it first.")
        return machine, client

    def _sync(self, machine: RunningMachine, client: Client) -> None:
        patience = Patience(_SYNC_SECONDS, machine.pid, sign=partial(written, machine.pid))
        if not client.sync(patience.is_over) and not client.lost:
            self._progress("the guest did not write out all that it had: what it wrote last may be lost")


def _disk(given: Disk | str) -> Disk:
    return parse(given) if isinstance(given, str) else given
