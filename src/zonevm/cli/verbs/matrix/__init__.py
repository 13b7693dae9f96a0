"""``zonevm matrix``: tests on kernels x disks x workloads; and the verb that puts shards together."""

from __future__ import annotations

import click

from zonevm.cli.verbs.matrix.merge import merge
from zonevm.cli.verbs.matrix.run import run


class _Matrix(click.Group):
    """A group in which anything but a verb is the arguments of ``run``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])


@click.group(cls=_Matrix, context_settings={"ignore_unknown_options": True})
def matrix() -> None:
    """Run tests on kernels x disks x workloads. `zonevm matrix FILE` is short for `zonevm matrix run FILE`.

    \b
    zonevm matrix matrix.toml
    zonevm matrix matrix.toml --shard 1/4 --dir shard-1
    zonevm matrix merge shard-* --dir results
    """


for _verb in (run, merge):
    matrix.add_command(_verb)
