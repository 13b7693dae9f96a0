"""``zonevm disk create``: an image, with an option for everything in its shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from zonevm import images
from zonevm.cli.options import image_argument
from zonevm.cli.verbs.disk.title import title
from zonevm.disks import SmrShape
from zonevm.disks.option import Option
from zonevm.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _shape_options(command: _Command) -> _Command:
    """Add an option for everything that an image is created with, from the table of its shape."""
    for option in reversed(SmrShape.options().values()):
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        default = option.value.text(option.default.value) if option.default.value is not None else ""
        text = f"{option.help} [{default}]" if default else option.help
        command = click.option(
            *names,
            option.field,
            help=text,
            metavar="|".join(option.value.names) or None,
            shell_complete=_names(option),
        )(command)
    return command


def _names(option: Option[Any, Any]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
        return [
            CompletionItem(name, help=what)
            for name, what in option.value.names.items()
            if name.startswith(start)
        ]

    return complete


@click.command()
@image_argument
@_shape_options
def create(file: Path, **options: str | None) -> None:
    """Create FILE, the image of an emulated SMR disk: sparse, with empty zones."""
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    shape = SmrShape(**given)
    if shape.size is None:
        raise UsageError(
            "neither --size nor --profile is given", "Give --size 20G, for example, or --profile hc620."
        )
    images.create_as(file, shape)
    click.echo(title(file, images.info(file)))
