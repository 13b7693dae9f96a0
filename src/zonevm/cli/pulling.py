"""What the verbs that download have in common."""

from __future__ import annotations

import click

from zonevm.packages.archive import MIRROR_SETTING

mirror_option = click.option(
    "--mirror",
    metavar="URL",
    help=f"The archive's mirror, else {MIRROR_SETTING} of the environment, else that of apt's sources.",
)
