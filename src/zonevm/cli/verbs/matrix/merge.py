"""``zonevm matrix merge``: one directory of those of shards."""

from __future__ import annotations

from pathlib import Path

import click

from zonevm import matrix
from zonevm.cli.options import PATH, json_option
from zonevm.cli.verbs.matrix.told import tell


@click.command()
@click.argument("directories", metavar="DIR...", type=PATH, nargs=-1, required=True)
@click.option("--dir", "into", type=PATH, metavar="DIR", required=True, help="A new directory.")
@json_option
def merge(*, directories: tuple[Path, ...], into: Path, as_json: bool) -> None:
    """Put the results of shards together, with reports. Exit codes are those of the matrix.

    \b
    zonevm matrix merge shard-1 shard-2 --dir results
    """
    tell(matrix.merge(directories, into), as_json)
