"""``zonevm crash check``: tries states of a record that was made before."""

from __future__ import annotations

from pathlib import Path

import click

from zonevm.cli.options import PATH, json_option, takes
from zonevm.cli.verbs.crash.options import Machine, Trying
from zonevm.cli.verbs.crash.told import told
from zonevm.crash import CrashTest, check_record


@click.command()
@takes(trying=Trying, machine=Machine)
@click.option("--after", default="", metavar="MARK", help="Only what is behind this mark.")
@click.option("--dir", "directory", type=PATH, metavar="DIR", help="A new directory for what comes of it.")
@json_option
@click.argument("record", type=PATH)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def check(
    *,
    record: Path,
    command: tuple[str, ...],
    trying: Trying,
    machine: Machine,
    after: str,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Run COMMAND in a guest on each of many states of RECORD; its exit code says whether that is right.

    RECORD is what zonevm run --record, or serve, has made. Exit codes: 0, or 1 if COMMAND failed for any.

    \b
    zonevm crash check --after 'mkfs is done' work.record -- ./check.sh
    """
    if not command:
        raise click.UsageError("there is no command to check with: add it, -- ./check.sh")
    test = CrashTest(
        check=command,
        record=str(record.absolute()),
        after=after,
        states=trying.states,
        points=trying.points,
        seed=trying.seed,
        timeout=trying.timeout,
        reboot=trying.reboot,
        cwd=str(Path.cwd()),
        options=machine.given(),
    )
    with told(as_json) as telling:
        telling.tell(check_record(test, directory=directory, guests=trying.guests, watcher=telling.watcher))
