"""How the command line talks: messages for people go to stderr, results to stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TextIO

import click

from zonevm import standard_streams
from zonevm.inputs import printable

OUTPUT = standard_streams.NAMES[1]


def tell(text: str, err: bool = False) -> None:
    """Print lines that may hold what another process said."""
    try:
        click.echo(printable(text, kept="\n\t"), err=err)
    except OSError:
        if not err:
            raise
        drop(sys.stderr)  # there is nobody to tell


class _Output(io.TextIOWrapper):
    """Standard output, whose errors name :data:`OUTPUT`."""

    def write(self, text: str) -> int:
        with _named():
            return super().write(text)

    def flush(self) -> None:
        with _named():
            super().flush()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = OUTPUT
        raise


def named_output() -> TextIO:
    """Return a stream to standard output whose errors name :data:`OUTPUT`.

    Names that are not text in this locale are printed as the bytes that they are.
    """
    raw = io.FileIO(1, "w", closefd=False)
    return _Output(
        io.BufferedWriter(raw),
        encoding=sys.stdout.encoding if sys.stdout else None,
        errors="surrogateescape",
        line_buffering=raw.isatty(),
        write_through=isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.write_through,
    )


def drop(stream: TextIO) -> None:
    """Have what is still buffered go nowhere, and all that follows."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(message: str, hint: str = "") -> None:
    """Tell the user something on stderr."""
    tell(f"zonevm: {message}", err=True)
    if hint:
        tell(f"hint: {hint}", err=True)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, the first of them the columns' names."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_json_rows(rows: Iterable[Mapping[str, object]]) -> None:
    """Print a list of flat objects as :func:`print_json` does, of which some at a time are in memory."""
    import json  # noqa: PLC0415  # as below

    # No encoder that indents is written in C; within strings there is no line feed.
    encode = json.JSONEncoder(separators=(",\n    ", ": ")).encode
    rows, between = iter(rows), "[\n"
    while some := list(islice(rows, 1000)):
        objects = encode(some)[2:-2].replace("},\n    {", "\n  },\n  {\n    ")
        sys.stdout.write(f"{between}  {{\n    {objects}\n  }}")
        between = ",\n"
    click.echo("[]" if between == "[\n" else "\n]")


def print_json(value: object) -> None:
    """Print a result for programs."""
    import json  # noqa: PLC0415  # a twentieth of the time that --help would take

    json.dump(value, sys.stdout, indent=2)
    click.echo()
