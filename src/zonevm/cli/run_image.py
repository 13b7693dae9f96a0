"""``zonevm run --image``: a system image, its console on the terminal; and which options go with it."""

from __future__ import annotations

import os

import click
from click.core import ParameterSource

from zonevm.cli.outcome import Outcome
from zonevm.cli.output import say
from zonevm.errors import UsageError
from zonevm.guest import terminal
from zonevm.guest.console import LEAVE_NAME
from zonevm.guest.image_guest import ImageGuest

_OWN = ("command", "kernel", "append", "rwdirs", "timeout", "boot_timeout", "verify", "udev", "qmp")
"""What only guests of zonevm's own have: they boot a kernel and run commands by an agent."""
_IMAGES = ("image_write", "firmware", "ssh_port")
_RUNS = (
    "command",
    "faults",
    "fault_files",
    "timeout",
    "verify",
    "record",
    "dry_run",
    "ssh_port",
    "explain",
    "trace",
)


def refuse_misplaced(context: click.Context) -> None:
    """Raise :class:`UsageError` for an option, or a command, that means nothing in this run."""
    given = context.params
    if given["image"] is not None:
        _refuse(
            context,
            _OWN,
            "is not for a system image (--image)",
            "Boot it without, and do that on its console.",
        )
    else:
        _refuse(context, _IMAGES, "is for a system image only", "Add the image: --image FILE.")
    if given["export"]:
        _refuse(context, _RUNS, "is of no use with --export, which runs nothing", "Leave it out.")
        if given["image"] is None:
            _refuse(context, _OWN, "cannot be part of a domain", "A domain boots a system image: --image.")


def boot_image(guest: ImageGuest, outcome: Outcome) -> int:
    """Run ``guest`` on the caller's terminal until it powers itself off, or the user leaves; return 0."""
    keyboard, screen = terminal.standard_streams()
    interactive = os.isatty(keyboard)

    def up() -> None:
        if interactive:
            say(f"this is the console of {guest.image.name}; {LEAVE_NAME} ends the guest")

    try:
        with outcome.timed("command"):
            if not guest.run(keyboard, screen, up):
                click.echo("\r", err=True)
                say("the guest was ended")
    finally:
        if guest.qemu_command:
            outcome.add(qemu_command=guest.qemu_command, log_dir=str(guest.log_dir))
    return 0


def _refuse(context: click.Context, names: tuple[str, ...], why: str, hint: str) -> None:
    for parameter in context.command.params:
        name = parameter.name
        if name in names and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            if isinstance(parameter, click.Argument) and not context.params[name]:
                continue
            shown = "a command" if isinstance(parameter, click.Argument) else parameter.opts[0]
            raise UsageError(f"{shown} {why}", hint)
