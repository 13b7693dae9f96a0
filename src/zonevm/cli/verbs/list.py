"""``zonevm list``: the guests that run, and the disks that are served."""

from __future__ import annotations

import click

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json, print_table, say
from zonevm.service.runs import runs

NO_RUN = "you run no guest and serve no disks"
_COLUMNS = ("RUN", "DISKS", "COMMAND")


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List your running guests and the disks that you serve."""
    found = runs()
    for run in found:
        if run.command is None:
            say(f"run {run.number} does not answer")
    answered = [(run.number, run.disks, run.command) for run in found if run.command is not None]
    if as_json:
        print_json([{"run": run, "disks": disks, "command": command} for run, disks, command in answered])
    elif answered:
        rows = ((str(run), " ".join(disks) or "-", command) for run, disks, command in answered)
        print_table([_COLUMNS, *rows])
    elif not found:
        say(NO_RUN)
