"""``zonevm list`` and ``zonevm power-cut``: what runs and is served, and what is done to it from outside."""

from __future__ import annotations

from typing import Any

import click

from zonevm.cli.output import print_json, print_table, say
from zonevm.errors import UsageError
from zonevm.guest import control

_COLUMNS = ("RUN", "DISKS", "COMMAND")
_NONE = "you run no guest and serve no disks"


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the guests that you run, and the disks that you serve."""
    found = [{"run": run, **control.ask(path, "describe")["answer"]} for run, path in control.runs().items()]
    if as_json:
        print_json(found)
    elif found:
        rows = ((str(run["run"]), " ".join(run["disks"]) or "-", run["command"]) for run in found)
        print_table([_COLUMNS, *rows])
    else:
        say(_NONE)


@click.command("power-cut")
@click.argument("run", type=int, required=False)
@click.option(
    "--loss",
    type=click.Choice(["random", "all", "none"]),
    default="random",
    show_default=True,
    help="How much of what was not flushed is lost.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides what, at random.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def power_cut(run: int | None, loss: str, seed: int, as_json: bool) -> None:
    """Cut the power of a guest that runs, and of its disks with cache=volatile.

    The run of a command ends; a system image boots again. Disks of zonevm serve lose their cache once no QEMU
    uses them, and are served on. RUN is the number in `zonevm list`; it may be left out where there is one.
    """
    runs = control.runs()
    if run is None and len(runs) == 1:
        (run,) = runs
    if not runs:
        raise UsageError(_NONE, "Start one: zonevm run --disk smr,size=4G,cache=volatile")
    if run not in runs:
        raise UsageError(
            "say which run" if run is None else f"there is no run with the number {run}",
            f"Yours are: {', '.join(map(str, runs))}. See: zonevm list",
        )
    cuts: dict[str, Any] = control.ask(runs[run], "power-cut", loss=loss, seed=seed)["answer"]
    if as_json:
        print_json(cuts)
        return
    for number, cut in cuts.items():
        for zone in cut["zones"]:
            click.echo(
                f"disk {number}: zone {zone['zone']}: {zone['after']} of {zone['before']} blocks are left, "
                f"{zone['stable']} were flushed"
            )
        if cut["blocks"]:
            count = len(cut["blocks"])
            click.echo(f"disk {number}: {count} physical blocks are as they were at the last flush")
        if not cut["zones"] and not cut["blocks"]:
            click.echo(f"disk {number}: nothing was lost")
