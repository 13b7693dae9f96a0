"""``zonevm run --image``: a system image, its console on the terminal."""

from __future__ import annotations

import os

import click

from zonevm.agent import terminal
from zonevm.cli.output import say
from zonevm.cli.verbs.run.outcome import Outcome
from zonevm.guest.image_guest import ImageGuest
from zonevm.machine.console import LEAVE_NAME


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
