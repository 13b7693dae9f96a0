"""``zonevm serve``: disks for a QEMU that the user starts."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path

import click

from zonevm.attach import resolve
from zonevm.cli.explaining import explained
from zonevm.cli.lateness import tell_lateness
from zonevm.cli.observation import Observation
from zonevm.cli.options import PATH, takes
from zonevm.cli.output import say
from zonevm.cli.overwriting import refuse_overwriting
from zonevm.cli.stopping import Terminated
from zonevm.disks import parse
from zonevm.errors import UsageError
from zonevm.export import libvirt
from zonevm.guest.served import served
from zonevm.units import format_size, parse_size


@click.command()
@click.option("--disk", "disks", multiple=True, required=True, metavar="DISK", help="A disk, as for run.")
@click.option(
    "--socket",
    type=PATH,
    metavar="PATH",
    help="Serve the emulated disks at this socket, on one controller.  [a new private directory]",
)
@click.option("--once", is_flag=True, help="Exit once the first QEMU has disconnected.")
@click.option(
    "--memory",
    default="1G",
    metavar="SIZE",
    show_default=True,
    help="Memory of the guest. It has to be shared, so the printed arguments include its size.",
)
@takes(observation=Observation)
@click.option("--export", type=click.Choice(["libvirt"]), help="Print XML for a libvirt domain instead.")
def serve(
    *,
    disks: tuple[str, ...],
    socket: Path | None,
    once: bool,
    memory: str,
    observation: Observation,
    export: str | None,
) -> None:
    """Serve disks to a QEMU that you start yourself, until Ctrl-C or SIGTERM. Nothing is left behind.

    Once the disks are ready, prints the arguments to add to QEMU's command line, ready to paste.

    \b
    zonevm serve --disk smr,file=disk.img
    """
    described = resolve([parse(text) for text in disks], elsewhere=True)
    size = parse_size(memory)
    if size == 0 or size % 2**20:
        raise UsageError(f"--memory {memory} is not whole MiB", "Write --memory 4G, for example.")
    if once and not described.served:
        raise UsageError(
            "--once needs an emulated disk: only there can zonevm see a QEMU", "Leave --once out."
        )
    for note in (note for disk in described for note in disk.notes):
        say(note)
    refuse_overwriting(described, {}, observation)
    faults = observation.all_faults()
    with (
        served(described, socket, faults, observation.trace, observation.recording) as ready,
        explained(observation.explain, described, ready.observed.failures),
        contextlib.suppress(KeyboardInterrupt, Terminated),
    ):
        if export is None:
            click.echo(shlex.join(ready.qemu_arguments(size)))
        else:
            click.echo(libvirt.parts(ready.devices), nl=False)
        sys.stdout.flush()
        say("serving; press Ctrl-C to end")
        if any(device.shared_memory for device in ready.devices) and export is None:
            say(f"the guest gets {format_size(size)} of shared memory by these arguments; see --memory")
        try:
            ready.wait(once, say)
        finally:
            tell_lateness(ready.observed.lateness())
