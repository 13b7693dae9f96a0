"""``zonevm qemu``: get, list and remove QEMUs beside the host's."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json, say
from zonevm.cli.progress import progress
from zonevm.cli.pulling import mirror_option
from zonevm.host.qemu import pulled_qemus
from zonevm.packages.qemu import pull as pull_qemu
from zonevm.packages.qemu import remove as remove_qemu


@click.group()
def qemu() -> None:
    """Get, list and remove QEMUs beside the host's; --qemu pulled takes the newest."""


@qemu.command()
@click.option("--suite", metavar="NAME", help="Of this suite of the archive; else of stable's backports.")
@mirror_option
def pull(suite: str | None, mirror: str | None) -> None:
    """Put a newer QEMU of the distribution into the cache, with its own libraries, firmware and modules.

    It is downloaded by apt but not installed; no root is needed, and nothing of the host's is changed. Guests
    use it with --qemu pulled, and by themselves where a disk needs it. Prints its path.
    """
    with progress("downloading", "downloaded") as tell:
        pulled = pull_qemu(suite, mirror, tell, say)
    click.echo(pulled.path)


def _versions() -> list[str]:
    return [path.parents[1].name for path in pulled_qemus()]


def _pulled(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(version) for version in _versions() if version.startswith(incomplete)]


@qemu.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the QEMUs that were pulled, newest first."""
    rows = [{"version": path.parents[1].name, "path": str(path)} for path in pulled_qemus()]
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("no QEMU was pulled", "Get one with: zonevm qemu pull")
    for row in rows:
        click.echo(f"{row['version']:<32} {row['path']}")


@qemu.command()
@click.argument("versions", metavar="VERSION...", nargs=-1, required=True, shell_complete=_pulled)
def remove(versions: tuple[str, ...]) -> None:
    """Remove QEMUs that were pulled, each by its version as `qemu list` tells it."""
    for version in versions:
        remove_qemu(version)
