"""What a description made of options is: a frozen dataclass whose fields are its table of options.

The parser, ``str``, the errors and ``zonevm disk options`` all read that table; there is no other. Knows no
disk and no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, dataclass_transform, overload

from zonevm.disks.value import Value
from zonevm.errors import UsageError
from zonevm.inputs import shown

Given = TypeVar("Given")
Held = TypeVar("Held")
_Class = TypeVar("_Class")


class Default(Generic[Held]):
    """Stands in a constructor call for an option that was not given."""

    def __init__(self, value: Held) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


class Option(Generic[Given, Held]):
    """A field of a description: converts and checks what is assigned to it, once, at construction.

    ``name`` is the grammar's spelling (the field's name with dashes unless said otherwise), ``aliases`` are
    other spellings it accepts, ``help`` says what the option means, ``qemu`` is the QEMU device and
    property that take the value (``nvme-ns.uuid``), where there is one.
    """

    def __init__(
        self,
        value: Value[Given, Held],
        default: Given,
        help: str,
        *,
        name: str = "",
        aliases: tuple[str, ...] = (),
        qemu: str = "",
    ) -> None:
        self.value = value
        self.default = Default(value.convert(default))
        self.help = help
        self.name = name
        self.aliases = aliases
        self.qemu = qemu

    def __set_name__(self, owner: type[Described], field: str) -> None:
        self.field = field
        self.name = self.name or field.replace("_", "-")

    @overload
    def __get__(self, described: None, owner: type[Described]) -> Self: ...
    @overload
    def __get__(self, described: Described, owner: type[Described]) -> Held: ...
    def __get__(self, described: Described | None, owner: type[Described]) -> object:
        # A dataclass asks the class for the field's default.
        return self.default if described is None else described.__dict__[self.field]

    def __set__(self, described: Described, given: Given) -> None:
        if isinstance(given, Default):
            described.__dict__[self.field] = given.value
            return
        held = self._convert(given, described.wrong_value)
        described.__dict__[self.field] = held
        if given is not None or self.default.value is not None:
            described.__dict__["given"] = described.given | {self.name}

    def _convert(self, given: Given, wrong_value: type[UsageError]) -> Held:
        try:
            return self.value.convert(given)
        except ValueError as error:
            raise wrong_value(
                f"{self.name}={shown(given)}: {error}", f"{self.name} is {self.value.allowed}."
            ) from None

    def text(self, described: Described) -> str:
        """Return the text of this option's value in ``described``, as the grammar has it."""
        return self.value.text(cast(Held, described.__dict__[self.field]))


@dataclass_transform(field_specifiers=(field,))
def described(cls: type[_Class]) -> type[_Class]:
    """Make a class a frozen dataclass whose inherited fields type checkers read as the options that they are.

    To them it is not frozen: that would give an inherited field the type of what may be assigned to it.
    """
    return dataclass(frozen=True)(cls)


@described
class Described:
    """Something described by options, which are checked at construction: ``wrong_value`` is raised.

    ``given`` names the options that were set rather than left at their defaults. ``notes`` are sentences that
    the user should see, such as a value that was rounded.
    """

    wrong_value: ClassVar[type[UsageError]] = UsageError

    given: frozenset[str] = field(default=frozenset(), init=False, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    @classmethod
    def options(cls) -> dict[str, Option[Any, Any]]:
        """Return the options by name, in the order of the fields: a base class's first."""
        return {
            option.name: option
            for base in reversed(cls.__mro__)
            for option in vars(base).values()
            if isinstance(option, Option)
        }

    def presume(self, values: Mapping[str, Any]) -> None:
        """Set options, by name, that were not given, nor are they then; for ``__post_init__``."""
        for name, value in values.items():
            if name not in self.given:
                option = self.options()[name]
                self.__dict__[option.field] = option.value.convert(value)

    def note(self, *notes: str) -> None:
        """Add sentences that the user should see; for ``__post_init__``."""
        self.__dict__["notes"] = self.notes + notes

    def but(self, **values: Any) -> Self:
        """Return the same with other values for some fields; its notes stay."""
        fields = {o.field: getattr(self, o.field) for o in self.options().values() if o.name in self.given}
        changed = type(self)(**fields | values)
        changed.note(*self.notes)
        return changed

    def wrong(self, name: str, why: str, hint: str) -> UsageError:
        """Return the error for an option whose value does not fit the others."""
        return self.wrong_value(f"{name}={self.options()[name].text(self)}: {why}", hint)

    def settings(self) -> list[str]:
        """Return the options that were given, as the grammar has them: ``name=value``."""
        return [
            f"{o.name}={o.text(self).replace(',', ',,')}"
            for o in self.options().values()
            if o.name in self.given
        ]
