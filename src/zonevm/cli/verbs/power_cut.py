"""``zonevm power-cut``: a running guest, or disks that are served, lose their power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json, tell
from zonevm.cli.verbs.list import NO_RUN
from zonevm.errors import HostError, UsageError
from zonevm.service.runs import Run, ask, runs


@click.command("power-cut")
@click.argument("run", type=int, required=False)
@click.option(
    "--loss",
    type=click.Choice(["random", "all", "none"]),
    default="random",
    show_default=True,
    help="How much of the unflushed data is lost.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed for what is lost.",
)
@json_option
def power_cut(run: int | None, loss: str, seed: int, as_json: bool) -> None:
    """Cut the power of a running guest, and of its disks with cache=volatile.

    The run of a command ends; a system image boots again. Disks of zonevm serve lose their cache once no QEMU
    uses them, and stay served. RUN is the number in `zonevm list`; leave it out if there is only one.
    """
    chosen = _chosen(run)
    answer = ask(chosen, "power-cut", loss=loss, seed=seed)
    try:
        lines = [line for number, cut in answer.items() for line in _cut_lines(number, cut)]
    except (AttributeError, LookupError, TypeError) as error:
        raise HostError(
            f"run {chosen.number} gave an answer that this zonevm does not know",
            "See: zonevm list",
        ) from error
    if as_json:
        print_json(answer)
    for line in [] if as_json else lines:
        tell(line)


def _chosen(number: int | None) -> Run:
    """Return the run with this number; for None the only one. Raises :class:`UsageError` for no such run."""
    found = {run.number: run for run in runs()}
    if number is None and len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise UsageError(NO_RUN, "Start one: zonevm run --disk smr,size=4G,cache=volatile")
    if number not in found:
        raise UsageError(
            "say which run" if number is None else f"there is no run with the number {number}",
            f"Yours are: {', '.join(map(str, found))}. See: zonevm list",
        )
    return found[number]


def _cut_lines(number: str, cut: Mapping[str, Any]) -> list[str]:
    lines = [
        f"disk {number}: zone {zone['zone']}: {zone['after']} of {zone['before']} blocks are left, "
        f"{zone['stable']} were flushed"
        for zone in cut["zones"]
    ]
    if cut["blocks"]:
        count = len(cut["blocks"])
        lines.append(f"disk {number}: {count} physical blocks are as they were at the last flush")
    return lines or [f"disk {number}: nothing was lost"]
