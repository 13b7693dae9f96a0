"""``zonevm kernel``: get and list kernels."""

from __future__ import annotations

import click

from zonevm.cli.output import print_json, say
from zonevm.cli.progress import progress
from zonevm.guest.kernel import installed
from zonevm.guest.pull import pull as pull_kernel


@click.group()
def kernel() -> None:
    """Get and list kernels for guests."""


@kernel.command()
@click.argument("version", required=False)
def pull(version: str | None) -> None:
    """Put a kernel of the distribution into the cache, the newest or the newest of VERSION (6.1, 6.12).

    It is downloaded by apt but not installed; no root is needed. Prints its version.
    """
    with progress("downloading", "downloaded") as tell:
        pulled = pull_kernel(version, tell)
    click.echo(pulled.version)


@kernel.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
        say("no kernel is here", "Get one with: zonevm kernel pull")
    for each in kernels:
        click.echo(f"{each.version:<32} {each.origin:<6} {each.image}")
