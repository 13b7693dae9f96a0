"""``zonevm trace``: summaries of traces, and traces of runs that were killed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zonevm.cli.options import PATH
from zonevm.cli.output import print_json
from zonevm.trace import recover as make_whole
from zonevm.trace import summarize
from zonevm.view.trace_summary import trace_summary

_FILE = click.argument("file", type=PATH)


@click.group()
def trace() -> None:
    """Summarize what run --trace recorded."""


@trace.command()
@_FILE
@click.option(
    "--zones",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many busy zones to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, latencies in nanoseconds.")
def summary(file: Path, zones: int, as_json: bool) -> None:
    """Summarize FILE: commands, failures, bytes and latencies of each disk, and its busiest zones.

    \b
    zonevm trace summary fio.parquet
    """
    found = summarize(file, zones)
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(trace_summary(found), nl=False)


@trace.command()
@_FILE
def recover(file: Path) -> None:
    """Make FILE from FILE.raw, which a run --trace FILE leaves when it is killed."""
    click.echo(f"{file}: {make_whole(file)} commands")
