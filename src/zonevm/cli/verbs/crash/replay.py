"""``zonevm crash replay``: one state, to be looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zonevm.cli.options import PATH, takes
from zonevm.cli.verbs.crash.options import Machine
from zonevm.crash import Checker, Record, State, of_directory
from zonevm.errors import UsageError


@click.command()
@click.option("--state", "text", metavar="STATE", help="A state, as a report tells it: a line of JSON.")
@click.option("--point", type=click.IntRange(0), help="All is lost that may be at this point.")
@click.option("--seed", type=int, help="With --point: what this seed draws is lost instead.")
@takes(machine=Machine)
@click.argument("record", type=PATH)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def replay(
    *,
    record: Path,
    text: str | None,
    point: int | None,
    seed: int | None,
    command: tuple[str, ...],
    machine: Machine,
) -> None:
    """Run COMMAND, or a shell, in a guest whose disks are in one state of RECORD.

    RECORD is the directory of a crash test, whose guests are like this one, or the file of a record.

    \b
    zonevm crash replay zonevm-crash-1 --point 123 --seed 7 -- ./check.sh
    """
    file, options = of_directory(record) if record.is_dir() else (record, {})
    found = Record(file)
    state = _state(found, text, point, seed)
    with Checker(found, command, **{**options, **machine.given()}) as checker:
        guest = checker.guest(state)
        sys.exit(guest.shell(command, env=checker.environment(state)))


def _state(record: Record, text: str | None, point: int | None, seed: int | None) -> State:
    if (text is None) == (point is None):
        raise click.UsageError("give one of --state and --point")
    if text is not None:
        if seed is not None:
            raise click.UsageError("--seed goes with --point: a state is complete")
        return State.parse(text)
    assert point is not None
    state = record.least(point) if seed is None else record.drawn(point, seed)
    if state is None:
        raise UsageError(
            f"at point {point} the limit on active zones forbids that state", "Try another seed: --seed N."
        )
    return state
