"""What the verbs that download, and those that use what was downloaded, have in common."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from zonevm.host.qemu import PULLED
from zonevm.packages.archive import MIRROR_SETTING

mirror_option = click.option(
    "--mirror",
    metavar="URL",
    help=f"The archive's mirror, else {MIRROR_SETTING} of the environment, else that of apt's sources.",
)


def qemu_attributes(what: str) -> dict[str, Any]:
    """Return the attributes of an option that names a QEMU; ``what`` begins its help."""
    words = f"{what}: a path, a name, or `{PULLED}`, the newest that `zonevm qemu pull` got."
    return {"metavar": "PROGRAM", "help": words, "shell_complete": _programs}


def _programs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    pulled = [CompletionItem(PULLED)] if PULLED.startswith(incomplete) else []
    return [*pulled, CompletionItem(incomplete, type="file")]
