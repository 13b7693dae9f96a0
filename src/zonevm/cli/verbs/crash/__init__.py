"""``zonevm crash``: checks on the states in which a power cut may leave disks; and the verbs around it."""

from __future__ import annotations

import click

from zonevm.cli.options import json_option, takes
from zonevm.cli.verbs.crash.check import check
from zonevm.cli.verbs.crash.options import Asked, Machine, Trying
from zonevm.cli.verbs.crash.replay import replay
from zonevm.cli.verbs.crash.resume import resume
from zonevm.cli.verbs.crash.told import told
from zonevm.crash import explore


@click.group(invoke_without_command=True)
@takes(asked=Asked, trying=Trying, machine=Machine)
@json_option
@click.pass_context
def crash(
    context: click.Context, /, *, asked: Asked, trying: Trying, machine: Machine, as_json: bool
) -> None:
    """Test what a power cut at any moment leaves of disks.

    SETUP and WORK run once, in a guest with the disks; what they write is recorded. Then CHECK runs on each
    of many states in which the power may have left the disks, at each moment behind SETUP; its exit code says
    whether that is right. Exit codes: 0, or 1 if it failed for any. What comes of it is in a new directory,
    also reports; Ctrl-C ends it, and `zonevm crash resume` goes on.

    \b
    zonevm crash --disk smr,size=4G --setup 'mkfs.btrfs /dev/sda' --work ./work.sh --check ./check.sh
    """
    if context.invoked_subcommand is not None:
        return
    if not (asked.disks or asked.work or asked.check):
        click.echo(context.get_help())
        return
    for option, value in (("--disk", asked.disks), ("--work", asked.work), ("--check", asked.check)):
        if not value:
            raise click.UsageError(f"there is no {option}: all of --disk, --work and --check are needed")
    with told(as_json) as telling:
        telling.tell(
            explore(
                asked.disks,
                setup=asked.setup,
                work=asked.work,
                check=asked.check,
                directory=asked.directory,
                watcher=telling.watcher,
                out=2,
                **vars(trying),
                **machine.given(),
            )
        )


for _verb in (check, replay, resume):
    crash.add_command(_verb)
