"""``zonevm kernel``: get, list and remove kernels."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from zonevm.cli.options import json_option
from zonevm.cli.output import print_json, say
from zonevm.cli.progress import progress
from zonevm.cli.pulling import mirror_option
from zonevm.kernel.kernel import installed
from zonevm.kernel.pull import pull as pull_kernel
from zonevm.kernel.pull import remove as remove_kernel


@click.group()
def kernel() -> None:
    """Get, list and remove kernels for guests."""


@kernel.command()
@click.argument("version", required=False)
@click.option("--suite", metavar="NAME", help="Take it from this suite, such as trixie-backports or sid.")
@click.option(
    "--newest", is_flag=True, help="Take it from the suite that has the newest, except experimental."
)
@mirror_option
def pull(version: str | None, suite: str | None, newest: bool, mirror: str | None) -> None:
    """Download a kernel of the distribution into the cache: the newest, or the newest of VERSION (6.1, 7).

    Without --suite or --newest it is one that the host's apt knows. apt downloads it, but it is not
    installed: this needs no root and changes nothing on the host. Prints its version.
    """
    with progress("downloading", "downloaded") as tell:
        pulled = pull_kernel(version, tell, suite=suite, newest=newest, mirror=mirror, note=say)
    click.echo(pulled.version)


def _cached(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    versions = (kernel.version for kernel in installed() if kernel.origin == "cache")
    return [CompletionItem(version) for version in versions if version.startswith(incomplete)]


@kernel.command()
@click.argument("versions", metavar="VERSION...", nargs=-1, required=True, shell_complete=_cached)
def remove(versions: tuple[str, ...]) -> None:
    """Remove kernels from the cache, by their full versions. The host's own kernels stay."""
    for version in versions:
        remove_kernel(version)


@kernel.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the kernels that a guest can run: the host's own and those in the cache."""
    kernels = installed()
    if as_json:
        print_json(
            [
                {
                    "version": kernel.version,
                    "origin": kernel.origin,
                    "image": str(kernel.image),
                    "modules": kernel.modules and str(kernel.modules),
                }
                for kernel in kernels
            ]
        )
        return
    if not kernels:
        say("there is no kernel", "Get one with: zonevm kernel pull")
    for each in kernels:
        click.echo(f"{each.version:<32} {each.origin:<6} {each.image}")
