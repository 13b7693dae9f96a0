"""``zonevm matrix FILE``: runs a matrix, or prints it in a form that something else runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from zonevm import matrix
from zonevm.cli.options import PATH, json_option
from zonevm.cli.output import print_json, say
from zonevm.cli.stopping import Terminated
from zonevm.cli.verbs.matrix.told import Shown, tell
from zonevm.errors import UsageError
from zonevm.host.capacity import carried
from zonevm.matrix import Cell, Directory, Shard
from zonevm.matrix.emit import FORMS
from zonevm.matrix.places import Submit


class _Share(click.ParamType[Shard]):
    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        return Shard.parse(str(value))


@click.command()
@click.argument("file", type=PATH)
@click.option("--dir", "directory", type=PATH, metavar="DIR", help="For what comes of it. [zonevm-matrix-N]")
@click.option("--cell", "names", multiple=True, metavar="KERNEL/DISK/WORKLOAD", help="Only this one.")
@click.option("--shard", type=_Share(), metavar="I/N", help="Only the I-th of N shares.")
@click.option(
    "--guests", type=click.IntRange(1), help="How many at the same time. [what the machine carries]"
)
@click.option("--executor", metavar="MODULE:FUNCTION", help="Run cells by the executor that this returns.")
@click.option("--list", "listed", is_flag=True, help="Print the command lines, and run nothing.")
@click.option("--emit", type=click.Choice(list(FORMS)), help="Print it for a CI system, and run nothing.")
@json_option
def run(
    *,
    file: Path,
    directory: Path | None,
    names: tuple[str, ...],
    shard: Shard | None,
    guests: int | None,
    executor: str | None,
    listed: bool,
    emit: str | None,
    as_json: bool,
) -> None:
    """Run a matrix: each workload of FILE, on each of its kernels, with each of its disks.

    As many guests at the same time as the machine carries. Results, logs and reports are in a directory; the
    same command with the same --dir goes on with cells that have no result, or where zonevm failed or was
    interrupted. Exit codes: 0, or 1 if a cell failed, or 125 if one has no such result.

    \b
    zonevm matrix run matrix.toml
    """
    cells = matrix.load(file)
    if emit is not None:
        click.echo(FORMS[emit](cells, str(file)), nl=False)
        return
    chosen = matrix.named(cells, names) if names else cells
    chosen = shard.of(chosen) if shard is not None else chosen
    if listed:
        _print(chosen, as_json)
        return
    if guests is not None and executor is not None:
        raise UsageError("--guests is for this machine, and --executor for others", "Leave one of them out.")
    place = _place(chosen, guests, executor)
    with Directory.of(directory, cells) as made:
        shown = Shown()
        try:
            with place as submit:
                matrix.run(made, chosen, submit, shown)
        except (KeyboardInterrupt, Terminated):
            shown.end()
            matrix.reported(made, chosen)
            say("interrupted", f"Go on: the same command with --dir {shlex.quote(str(made.path))}")
            raise
        shown.end()
        tell(matrix.reported(made, chosen), as_json)


def _place(cells: Sequence[Cell], guests: int | None, executor: str | None) -> AbstractContextManager[Submit]:
    if executor is not None:
        return matrix.on_executor(matrix.factory(executor))
    return matrix.here(guests or carried(max((cell.memory for cell in cells), default=0)))


def _print(cells: Sequence[Cell], as_json: bool) -> None:
    if as_json:
        print_json([cell.facts() for cell in cells])
        return
    for cell in cells:
        click.echo(str(cell))
