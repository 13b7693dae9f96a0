"""``zonevm qemu``: get, list and remove QEMUs other than the host's."""

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
    """Get, list and remove QEMUs other than the host's; --qemu pulled uses the newest."""


@qemu.command()
@click.option("--suite", metavar="NAME", help="Take it from this suite. [stable's backports]")
@mirror_option
def pull(suite: str | None, mirror: str | None) -> None:
    """Download a newer QEMU of the distribution into the cache, with its own libraries, firmware and modules.

    apt downloads it, but it is not installed: this needs no root and changes nothing on the host. Guests use
    it with --qemu pulled, and without being told where a disk needs it. Prints its path.
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
    """List the pulled QEMUs, newest first."""
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
    """Remove pulled QEMUs, by their versions as `qemu list` shows them."""
    for version in versions:
        remove_qemu(version)
