"""The options by which verbs that serve disks take faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from zonevm.faults import Fault, load, parse

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def fault_options(verb: _Verb) -> _Verb:
    """Give a verb ``--fault`` and ``--faults``, for :func:`gathered`."""
    path = click.Path(path_type=Path)
    files = click.option(
        "--faults", "fault_files", multiple=True, type=path, metavar="FILE", help="Faults from a TOML file."
    )
    texts = click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="FAULT",
        help="Have an smr disk fail on purpose: read-error,zone=5,count=1, ...",
    )
    return texts(files(verb))


def gathered(texts: Iterable[str], files: Iterable[Path]) -> list[Fault]:
    """Return the faults of the options, those of files behind."""
    return [*map(parse, texts), *(fault for file in files for fault in load(file))]
