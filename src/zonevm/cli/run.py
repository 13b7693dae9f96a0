"""``zonevm run``: a command, or a shell, in a guest with zoned disks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from zonevm.attach import settle
from zonevm.cli.explaining import Explanation, explained
from zonevm.cli.faults import fault_options, gathered
from zonevm.cli.options import Seconds
from zonevm.cli.outcome import Outcome
from zonevm.cli.output import say
from zonevm.cli.overwriting import refuse_overwriting
from zonevm.cli.pulling import qemu_option
from zonevm.cli.run_image import boot_image, refuse_misplaced
from zonevm.disks import parse
from zonevm.errors import GuestError, UsageError
from zonevm.guest import Guest
from zonevm.guest.image_guest import FIRMWARES, ImageGuest

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(path_type=Path)
_SECONDS = Seconds()
_OF_IMAGE = ("memory", "cpus", "net", "qemu", "qemu_args", "accel")


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--disk", "disks", multiple=True, metavar="DISK", help="A disk: smr,size=20G, zns,size=8G, /dev/sdf, ..."
)
@fault_options
@click.option(
    "--kernel", metavar="KERNEL", help="A bzImage, a build tree or a version. [the host's, else pulled]"
)
@click.option("--memory", default="1G", metavar="SIZE", show_default=True, help="Memory of the guest.")
@click.option(
    "--cpus", type=click.IntRange(1), help="Processors of the guest. [KVM: the host's, at most 4; TCG: 1]"
)
@click.option("--rwdir", "rwdirs", multiple=True, type=_DIRECTORY, help="A directory the guest may write to.")
@click.option("--net", type=click.Choice(["user"]), help="A network, through the host.")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Kill the command then; exit code 124.")
@click.option(
    "--boot-timeout",
    type=_SECONDS,
    metavar="SECONDS",
    help="Give up on the guest when it is not up then; exit code 124. [once its console is still for long]",
)
@click.option("--append", default="", metavar="TEXT", help="More for the kernel's command line.")
@click.option("--udev", is_flag=True, help="Start the host's udevd in the guest.")
@click.option("--qmp", type=_FILE, metavar="PATH", help="A QMP socket for you: disks can be added by it.")
@qemu_option("Another QEMU")
@click.option("--qemu-arg", "qemu_args", multiple=True, metavar="ARG", help="One more argument for QEMU.")
@click.option("--accel", type=click.Choice(["auto", "kvm", "tcg"]), default="auto", show_default=True)
@click.option(
    "--json", "record", type=click.Path(path_type=Path), help="Write how the run ended to this file."
)
@click.option("--dry-run", is_flag=True, help="Print the commands that do it by hand, and run nothing.")
@click.option(
    "--export", type=click.Choice(["libvirt"]), help="Print XML of a domain with the disks instead."
)
@click.option("--image", type=_FILE, metavar="FILE", help="Boot this system image, its console here.")
@click.option("--image-write", is_flag=True, help="Keep what the guest writes to the image.")
@click.option("--firmware", type=click.Choice(FIRMWARES), default="bios", help="What boots the image. [bios]")
@click.option("--ssh-port", type=int, metavar="PORT", help="A port here that leads to the image's ssh.")
@click.option("--verify", is_flag=True, help="Check first that the guest has the disks as asked for.")
@click.option(
    "--explain", is_flag=True, help="Tell at the end which commands failed at the smr disks, and why."
)
@click.option("--trace", type=_FILE, metavar="FILE", help="Record all commands of the smr disks (Parquet).")
@click.option("-v", "--verbose", is_flag=True, help="Tell what is being done.")
@click.argument("command", nargs=-1)
@click.pass_context
def run(
    context: click.Context,
    /,
    *,
    command: tuple[str, ...],
    disks: tuple[str, ...],
    faults: tuple[str, ...],
    fault_files: tuple[Path, ...],
    timeout: float | None,
    record: Path | None,
    dry_run: bool,
    export: str | None,
    image: Path | None,
    image_write: bool,
    firmware: str,
    ssh_port: int | None,
    verify: bool,
    explain: bool,
    trace: Path | None,
    verbose: bool,
    **settings: Any,
) -> int:
    """Run COMMAND in a guest with the given disks; without COMMAND, a shell.

    The guest sees the host's files and may change them below --rwdir only; what it writes elsewhere is gone
    with it. COMMAND starts in the same directory, and its exit code is zonevm's. Other exit codes: 125 zonevm
    or the guest failed, 124 timed out, 126 and 127 COMMAND cannot be executed or found, 130 interrupted.

    \b
    zonevm run --disk smr,size=20G,zone-size=256M,conv=10 -- lsscsi -g
    zonevm run --disk smr,file=disk.img --disk zns,size=8G,zone-size=64M
    zonevm run --image debian.qcow2 --disk smr,size=20G
    """
    refuse_misplaced(context)
    if timeout is not None and not command:
        raise UsageError("--timeout is for a command, and there is none", "Add it: -- COMMAND.")
    described, settings["qemu"] = settle([parse(text) for text in disks], settings["qemu"])
    for disk in described:
        for note in disk.notes:
            say(note)
    inputs = {"--image": image, "--kernel": settings["kernel"], "--qemu": settings["qemu"]}
    refuse_overwriting(described, inputs, fault_files, trace, record)
    failing = gathered(faults, fault_files)
    progress = say if verbose else None
    guest: Guest | ImageGuest
    if image is None:
        guest = Guest(disks=described, faults=failing, trace=trace, progress=progress, **settings)
    else:
        of_image = {name: settings[name] for name in _OF_IMAGE}
        guest = ImageGuest(
            image,
            described,
            faults=failing,
            write=image_write,
            firmware=firmware,
            ssh_port=ssh_port,
            trace=trace,
            progress=progress,
            **of_image,
        )
    if export:
        click.echo(guest.libvirt(), nl=False)
        return 0
    if dry_run:
        for line in guest.script():
            click.echo(line)
        say("a run makes the sockets and temporary files in this command anew, and removes them afterwards")
        return 0
    outcome = Outcome(command, described)
    with outcome.recorded(record), explained(explain, described, guest.failures) as explanation:
        code = (
            boot_image(guest, outcome)
            if isinstance(guest, ImageGuest)
            else _run(
                guest, command, timeout=timeout, verify=verify, outcome=outcome, explanation=explanation
            )
        )
        outcome.add(reason="exited", exit_code=code)
    return code


def _run(
    guest: Guest,
    command: Sequence[str],
    *,
    timeout: float | None,
    verify: bool,
    outcome: Outcome,
    explanation: Explanation,
) -> int:
    try:
        with ExitStack() as stack:
            with outcome.timed("boot"):
                stack.enter_context(guest)
            stack.callback(_tell_faults, guest)
            if verify:
                _verify(guest)
            with outcome.timed("command"):
                if not command and sys.stdin.isatty():
                    code = guest.shell()
                else:
                    words = command or [os.environ.get("SHELL", "/bin/sh")]
                    code = guest.run(words, stdin=0, stdout=1, stderr=2, timeout=timeout).returncode
            if code:
                explanation.command_failed(guest)
            return code
    finally:
        if guest.qemu_command:
            outcome.add(qemu_command=guest.qemu_command, log_dir=str(guest.log_dir))


def _tell_faults(guest: Guest) -> None:
    for one in guest.faults:
        times, commands = _counted(one.fired, "time"), _counted(one.matched, "command")
        say(f"fault {one.fault}: struck {times}, {commands} fitted")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _verify(guest: Guest) -> None:
    checks = guest.verify()
    for check in checks:
        say(str(check))
    if failed := sum(not check.passed for check in checks):
        raise GuestError(f"{failed} of {len(checks)} facts of the disks are not as asked for")
