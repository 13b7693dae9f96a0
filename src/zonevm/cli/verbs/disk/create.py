"""``zonevm disk create``: an image, with an option for everything in its shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zonevm import images
from zonevm.cli.options import image_argument
from zonevm.cli.verbs.disk.title import title
from zonevm.disks import SmrShape

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _shape_options(command: _Command) -> _Command:
    """Add an option for everything that an image is created with, from the table of its shape."""
    for option in reversed(SmrShape.options().values()):
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        default = option.value.text(option.default.value) if option.default.value is not None else ""
        text = f"{option.help} [{default}]" if default else option.help
        command = click.option(*names, option.field, help=text, required=option.name == "size")(command)
    return command


@click.command()
@image_argument
@_shape_options
def create(file: Path, **options: str | None) -> None:
    """Create FILE, the image of an emulated SMR disk: sparse, with empty zones."""
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    images.create_as(file, SmrShape(**given))
    click.echo(title(file, images.info(file)))
