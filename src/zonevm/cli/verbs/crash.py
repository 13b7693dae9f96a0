"""``zonevm crash``: checks on the states in which a power cut may have left recorded disks."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from zonevm.cli.options import PATH, Seconds
from zonevm.cli.output import say
from zonevm.crash import Checker, Record, Result, Results, State, chosen, shrunk

_FILE = click.argument("record", type=PATH)
_COMMAND = click.argument("command", nargs=-1, type=click.UNPROCESSED)
_KERNEL = click.option("--kernel", metavar="KERNEL", help="As for zonevm run.")
_MEMORY = click.option(
    "--memory", default="1G", metavar="SIZE", show_default=True, help="Memory of the guest."
)
_FINDINGS = 1
_OUTPUT = 4096
"""Characters of a check's output that are kept: its end."""


@click.group()
def crash() -> None:
    """Try what a power cut may leave of disks that run --record has recorded."""


@crash.command()
@_FILE
@_COMMAND
@click.option("--states", default=20, show_default=True, type=click.IntRange(1), help="Between two flushes.")
@click.option("--seed", default=0, show_default=True, help="Draws the states where there are more.")
@click.option("--after", default="", metavar="MARK", help="Only what is behind this mark.")
@click.option(
    "--results",
    type=PATH,
    metavar="FILE",
    help="Keep the results here, a line of JSON each; what is there was tried already.",
)
@click.option("--timeout", type=Seconds(), help="Of a check, which has failed then.")
@_KERNEL
@_MEMORY
def check(
    *,
    record: Path,
    command: tuple[str, ...],
    states: int,
    seed: int,
    after: str,
    results: Path | None,
    timeout: float | None,
    **options: Any,
) -> None:
    """Run COMMAND in a guest on each of many states of RECORD; its exit code says whether that is right.

    Of a state for which it fails the losses that matter are found. Exit codes: 0, or 1 if it failed for any.
    Ctrl-C ends it; with --results the same command goes on.

    \b
    zonevm crash check work.record --results work.results -- ./check.sh
    """
    if not command:
        raise click.UsageError("there is no command to check with: add it, -- ./check.sh")
    found = Record(record)
    kept = Results(results)
    wanted = [state for state in chosen(found, states, seed, after) if state not in kept.tried]
    if kept.all:
        say(f"{len(kept.all)} states were tried already, {len(wanted)} are left")
    begun = time.monotonic()
    with Checker(found, command, timeout, **options) as checker:
        for number, state in enumerate(wanted, 1):
            verdict = checker.check(state)
            marks = found.marks(state.point)
            result = Result(state, verdict.exit_code, verdict.output[-_OUTPUT:], (marks or [""])[-1])
            kept.add(result)
            if not verdict.passed:
                _tell(record, command, result, shrunk(state, checker.fails))
            if sys.stderr.isatty():
                left = (time.monotonic() - begun) / number * (len(wanted) - number)
                click.echo(f"\r{number} of {len(wanted)}, {left:.0f} s left  ", err=True, nl=False)
    failed = len(kept.failed)
    click.echo(f"{len(kept.all)} states, {failed} failed")
    if failed:
        sys.exit(_FINDINGS)


@crash.command()
@_FILE
@click.argument("state")
@_COMMAND
@_KERNEL
@_MEMORY
def replay(*, record: Path, state: str, command: tuple[str, ...], **options: Any) -> None:
    """Run COMMAND, or a shell, in a guest whose disks are in STATE of RECORD, a line of JSON.

    \b
    zonevm crash replay work.record '{"point":12,"lost":[[0,"zone",4,1,0]]}'
    """
    found, wanted = Record(record), State.parse(state)
    with Checker(found, command, **options) as checker:
        guest = checker.guest(wanted)
        sys.exit(guest.shell(command, env=checker.environment(wanted)))


def _tell(record: Path, command: tuple[str, ...], result: Result, least: State) -> None:
    how = "the guest failed" if result.exit_code is None else f"exit code {result.exit_code}"
    click.echo(f"\nfailed ({how}) at point {result.state.point}, last mark {result.last_mark!r}")
    for loss in least.lost:
        changes = "its last change" if loss.changes == 1 else f"its last {loss.changes} changes"
        kept = f", but for {loss.kept} write units of the first" if loss.kept else ""
        click.echo(f"  disk {loss.disk}: {loss.place} {loss.number} lost {changes}{kept}")
    if not least.lost:
        click.echo("  nothing is lost")
    again = ["zonevm", "crash", "replay", str(record), str(least), "--", *command]
    click.echo(f"again: {shlex.join(again)}")
    for line in result.output.splitlines()[-10:]:
        click.echo(f"  | {line}")
