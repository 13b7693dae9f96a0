"""``zonevm run``: a command, or a shell, in a guest with zoned disks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import click

from zonevm.attach import DiskSet, resolve
from zonevm.cli.explaining import Explanation, explained
from zonevm.cli.lateness import tell_lateness
from zonevm.cli.observation import Observation
from zonevm.cli.options import Sectioned, takes
from zonevm.cli.output import say
from zonevm.cli.overwriting import refuse_overwriting
from zonevm.cli.verbs.run.image import boot_image
from zonevm.cli.verbs.run.options import (
    Boot,
    Disks,
    Execution,
    Hardware,
    Output,
    SystemImage,
    refuse_misplaced,
)
from zonevm.cli.verbs.run.outcome import Outcome
from zonevm.disks import parse
from zonevm.errors import GuestError, UsageError
from zonevm.guest import Guest
from zonevm.guest.image_guest import ImageGuest


@click.command(cls=Sectioned, context_settings={"allow_interspersed_args": False})
@takes(
    chosen=Disks,
    observation=Observation,
    hardware=Hardware,
    boot=Boot,
    execution=Execution,
    system=SystemImage,
    output=Output,
)
@click.argument("command", nargs=-1)
@click.pass_context
def run(
    context: click.Context,
    /,
    *,
    command: tuple[str, ...],
    chosen: Disks,
    observation: Observation,
    hardware: Hardware,
    boot: Boot,
    execution: Execution,
    system: SystemImage,
    output: Output,
) -> int:
    """Run COMMAND in a guest with the given disks; without COMMAND, a shell.

    The guest sees the host's files, and can change them only below --rwdir; whatever else it writes is gone
    when it ends. COMMAND starts in the current directory, and zonevm exits with its exit code. Other exit
    codes: 125 zonevm or the guest failed, 124 timed out, 126 and 127 COMMAND cannot be executed or found,
    130 interrupted.

    \b
    zonevm run --disk smr,size=20G,zone-size=256M,conv=10 -- lsscsi -g
    zonevm run --disk smr,file=disk.img --disk zns,size=8G,zone-size=64M
    zonevm run --image debian.qcow2 --disk smr,size=20G
    """
    refuse_misplaced(context)
    if execution.timeout is not None and not command:
        raise UsageError("--timeout is for a command, and there is none", "Add it: -- COMMAND.")
    seen = observation.seen(len(chosen.disks))
    disks = resolve([parse(text) for text in chosen.disks], hardware.qemu, serve=seen)
    hardware = replace(hardware, qemu=disks.qemu)
    for disk in disks:
        for note in disk.notes:
            say(note)
    inputs = {"--image": system.image, "--kernel": boot.kernel, "--qemu": hardware.qemu}
    refuse_overwriting(disks, inputs, observation, output.record)
    progress = say if output.verbose else None
    guest = _guest(
        disks, observation=observation, hardware=hardware, boot=boot, system=system, progress=progress
    )
    if output.export:
        click.echo(guest.libvirt(), nl=False)
        return 0
    if output.dry_run:
        for line in guest.script():
            click.echo(line)
        say("a run makes the sockets and temporary files in this command anew, and removes them afterwards")
        return 0
    outcome = Outcome(command, disks)
    with (
        _told(outcome, output.timing),
        outcome.recorded(output.record),
        explained(observation.explain, disks, guest.failures) as explanation,
    ):
        if isinstance(guest, ImageGuest):
            code = boot_image(guest, outcome)
        else:
            code = _run(guest, command, execution, outcome, explanation)
        outcome.add(reason="exited", exit_code=code)
    return code


def _guest(
    disks: DiskSet,
    *,
    observation: Observation,
    hardware: Hardware,
    boot: Boot,
    system: SystemImage,
    progress: Callable[[str], None] | None,
) -> Guest | ImageGuest:
    faults, trace = observation.all_faults(), observation.trace
    if system.image is None:
        return Guest(
            disks,
            faults=faults,
            trace=trace,
            record=observation.recording,
            progress=progress,
            **vars(hardware),
            **vars(boot),
        )
    return ImageGuest(
        system.image,
        disks,
        faults=faults,
        write=system.image_write,
        firmware=system.firmware,
        ssh_port=system.ssh_port,
        trace=trace,
        record=observation.recording,
        progress=progress,
        **vars(hardware),
    )


def _run(
    guest: Guest,
    command: Sequence[str],
    execution: Execution,
    outcome: Outcome,
    explanation: Explanation,
) -> int:
    try:
        with ExitStack() as stack:
            with outcome.timed("boot"):
                stack.enter_context(guest)
            outcome.add_phases(guest.phases)
            stack.callback(_tell_faults, guest)
            stack.callback(lambda: tell_lateness(guest.lateness()))
            if execution.verify:
                _verify(guest)
            with outcome.timed("command"):
                if not command and sys.stdin.isatty():
                    code = guest.shell()
                else:
                    words = command or [os.environ.get("SHELL", "/bin/sh")]
                    code = guest.run(words, stdin=0, stdout=1, stderr=2, timeout=execution.timeout).returncode
            if code:
                explanation.command_failed(guest)
            return code
    finally:
        if guest.qemu_command:
            outcome.add(qemu_command=guest.qemu_command, log_dir=str(guest.log_dir))


@contextmanager
def _told(outcome: Outcome, timing: bool) -> Iterator[None]:
    try:
        yield
    finally:
        for line in outcome.told() if timing else ():
            say(line)


def _tell_faults(guest: Guest) -> None:
    for one in guest.faults:
        times, commands = _counted(one.fired, "time"), _counted(one.matched, "command")
        say(f"fault {one.fault}: fired {times}, {commands} matched")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _verify(guest: Guest) -> None:
    checks = guest.verify()
    for check in checks:
        say(str(check))
    if failed := sum(not check.passed for check in checks):
        raise GuestError(f"{failed} of {len(checks)} facts of the disks are not as asked for")
