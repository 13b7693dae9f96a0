"""How a verb takes its options: those that several verbs have, and groups of them. Knows no verb."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import click

_Verb = TypeVar("_Verb", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

image_argument = click.argument("file", type=PATH)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Seconds(click.FloatRange):
    """A time that can be waited for: more than no time, and at most some thirty years."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, 1e9, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        # Which no bound holds off: NaN is neither below nor above one.
        return self.fail(f"{value} is not a time.", param, ctx) if math.isnan(seconds) else seconds


class Group(Protocol):
    """Options that belong together: a dataclass whose fields are made by :func:`option`."""

    title: ClassVar[str]
    """What ``--help`` of a :class:`Sectioned` command puts above them."""
    __dataclass_fields__: ClassVar[dict[str, Any]]


def option(*names: str, **attributes: Any) -> Any:
    """Return the field of a :class:`Group` that has the value of a click option."""
    return field(metadata={"names": names, "attributes": attributes})


def takes(**groups: type[Group]) -> Callable[[_Verb], _Verb]:
    """Give a verb the options of ``groups``, and their values as one object a group."""

    def decorate(verb: _Verb) -> _Verb:
        @functools.wraps(verb)
        def call(*arguments: Any, **values: Any) -> Any:
            made = {
                argument: group(**{name: values.pop(name) for name in names(group)})
                for argument, group in groups.items()
            }
            return verb(*arguments, **values, **made)

        for group in reversed(groups.values()):
            for each in reversed(fields(group)):
                flags, attributes = each.metadata["names"], each.metadata["attributes"]
                click.option(*flags, each.name, cls=_Option, section=group.title, **attributes)(call)
        return call  # type: ignore[return-value]

    return decorate


def names(group: type[Group]) -> Sequence[str]:
    """Return the names that click knows the options of ``group`` by."""
    return [each.name for each in fields(group)]


class _Option(click.Option):
    def __init__(self, *arguments: Any, section: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.section = section


class Sectioned(click.Command):
    """A command whose ``--help`` has a section for each group of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and row is not None:
                section = parameter.section if isinstance(parameter, _Option) else "Other"
                sections.setdefault(section, []).append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)
