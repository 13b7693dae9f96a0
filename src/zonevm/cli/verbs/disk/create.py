"""``zonevm disk create``: an image, with an option for everything in its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from zonevm import images
from zonevm.cli.options import image_argument
from zonevm.cli.output import say
from zonevm.cli.verbs.disk.title import title
from zonevm.disks import NvmeShape, Shape, SmrShape, ZnsShape
from zonevm.disks.option import Option
from zonevm.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SHAPES: dict[str, type[Shape]] = {"smr": SmrShape, "zns": ZnsShape, "nvme": NvmeShape}
"""What an image of each kind of disk is created with."""


def _shape_options(command: _Command) -> _Command:
    """Add an option for everything that an image is created with, from the tables of the shapes."""
    found: dict[str, dict[str, Option[Any, Any]]] = {}
    for kind, shape in _SHAPES.items():
        for option in shape.options().values():
            found.setdefault(option.field, {})[kind] = option
    for field, by_kind in reversed(found.items()):
        names = dict.fromkeys(name for option in by_kind.values() for name in (option.name, *option.aliases))
        values = dict.fromkeys(name for option in by_kind.values() for name in option.value.names)
        command = click.option(
            *(f"--{name}" for name in names),
            field,
            help=_help(by_kind),
            metavar="|".join(values) or None,
            shell_complete=_names(list(by_kind.values())),
        )(command)
    return command


def _help(by_kind: dict[str, Option[Any, Any]]) -> str:
    """Return one text where the kinds have the same, else one for each."""
    texts: dict[str, list[str]] = {}
    for kind, option in by_kind.items():
        default = option.value.text(option.default.value) if option.default.value is not None else ""
        texts.setdefault(f"{option.help} [{default}]" if default else option.help, []).append(kind)
    if len(texts) == 1 and len(by_kind) == len(_SHAPES):
        return next(iter(texts))
    return "; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in texts.items())


def _names(
    options: Sequence[Option[Any, Any]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
        names = {name: what for option in options for name, what in option.value.names.items()}
        return [CompletionItem(name, help=what) for name, what in names.items() if name.startswith(start)]

    return complete


@click.command()
@image_argument
@click.option(
    "--kind", type=click.Choice(list(_SHAPES)), default="smr", show_default=True, help="What disk it is of."
)
@_shape_options
def create(file: Path, kind: str, **options: str | None) -> None:
    """Create FILE, the image of an emulated disk: sparse, with empty zones."""
    shape_of = _SHAPES[kind]
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    names = {option.field: name for shape in _SHAPES.values() for name, option in shape.options().items()}
    for name in map(names.__getitem__, given):
        if name not in shape_of.options():
            raise UsageError(f"--{name}: {kind} has no such option", f"See `zonevm disk options {kind}`.")
    shape = shape_of(**given)
    if shape.size is None:
        profile = next(iter(shape.profiles))
        raise UsageError(
            "neither --size nor --profile is given", f"Give --size 20G, for example, or --profile {profile}."
        )
    images.create_as(file, shape)
    for note in shape.notes:
        say(note)
    click.echo(title(file, images.info(file)))
