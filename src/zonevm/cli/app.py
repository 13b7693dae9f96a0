"""The tree of verbs. A verb's module is imported when the verb is used, so that the rest starts fast."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click


class Verb(NamedTuple):
    """Where a verb (or group of verbs) is, and what ``zonevm --help`` says of it."""

    module: str
    name: str
    help: str


VERBS = {
    "run": Verb("zonevm.cli.verbs.run", "run", "Run a command, or a shell, in a guest with zoned disks."),
    "list": Verb("zonevm.cli.verbs.list", "list_", "List your running guests."),
    "power-cut": Verb("zonevm.cli.verbs.power_cut", "power_cut", "Cut the power of a running guest."),
    "disk": Verb("zonevm.cli.verbs.disk", "disk", "Create, import, inspect, repair and copy disks."),
    "serve": Verb("zonevm.cli.verbs.serve", "serve", "Serve disks to a QEMU that you start yourself."),
    "crash": Verb("zonevm.cli.verbs.crash", "crash", "Try what a power cut may leave of recorded disks."),
    "suite": Verb("zonevm.cli.verbs.suite", "suite", "Run fstests, blktests or another suite in guests."),
    "matrix": Verb("zonevm.cli.verbs.matrix", "matrix", "Run tests on kernels x disks x workloads."),
    "trace": Verb("zonevm.cli.verbs.trace", "trace", "Summarize command traces."),
    "target": Verb("zonevm.cli.verbs.target", "target", "Make and remove kernel targets (LIO)."),
    "kernel": Verb("zonevm.cli.verbs.kernel", "kernel", "Get, list and remove kernels for guests."),
    "qemu": Verb("zonevm.cli.verbs.qemu", "qemu", "Get, list and remove QEMUs other than the host's."),
    "devices": Verb(
        "zonevm.cli.verbs.devices", "devices", "List this host's zoned devices and what uses them."
    ),
    "doctor": Verb(
        "zonevm.cli.verbs.doctor", "doctor", "Say what this host can do, what it lacks, and how to fix that."
    ),
    "completion": Verb("zonevm.cli.verbs.completion", "completion", "Print a shell completion script."),
}


class Verbs(click.Group):
    """A group whose commands are rows of :data:`VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command, importing its module."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(importlib.import_module(verb.module), verb.name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that ``args`` start with; name those that there are if it is none of them."""
        if args[0] not in VERBS and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {args[0]!r}; there are {', '.join(VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs' help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import (  # noqa: PLC0415  # a third of the time that --help would take
            PackageNotFoundError,
            version,
        )

        try:
            click.echo(f"zonevm {version('zonevm')}")
        except PackageNotFoundError:
            click.echo("zonevm (not installed)")
        context.exit()


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def app(context: click.Context) -> None:
    """A QEMU guest with zoned block devices in it, in one command.

    \b
    zonevm run --disk smr,size=20G -- lsblk -z
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
