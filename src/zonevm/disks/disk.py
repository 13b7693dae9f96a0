"""What all kinds of disk have in common: a table of options, and a text form.

A kind is a frozen dataclass derived from :class:`Disk`; its fields are :class:`Option` objects, and they are
the only table there is: the parser, ``str``, the errors and ``zonevm disk options`` all read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, overload

from zonevm.disks.value import Value
from zonevm.errors import DiskError

Given = TypeVar("Given")
Held = TypeVar("Held")


class Default(Generic[Held]):
    """Stands in a constructor call for an option that was not given."""

    def __init__(self, value: Held) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


class Option(Generic[Given, Held]):
    """A field of a disk: converts and checks what is assigned to it, once, at construction.

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

    def __set_name__(self, owner: type[Disk], field: str) -> None:
        self.field = field
        self.name = self.name or field.replace("_", "-")

    @overload
    def __get__(self, disk: None, owner: type[Disk]) -> Self: ...
    @overload
    def __get__(self, disk: Disk, owner: type[Disk]) -> Held: ...
    def __get__(self, disk: Disk | None, owner: type[Disk]) -> object:
        # A dataclass asks the class for the field's default.
        return self.default if disk is None else disk.__dict__[self.field]

    def __set__(self, disk: Disk, given: Given) -> None:
        if isinstance(given, Default):
            disk.__dict__[self.field] = given.value
            return
        held = self._convert(given)
        disk.__dict__[self.field] = held
        if held is not None or self.default.value is not None:
            disk.__dict__["given"] = disk.given | {self.name}

    def _convert(self, given: Given) -> Held:
        try:
            return self.value.convert(given)
        except (ValueError, TypeError, AttributeError) as error:
            raise DiskError(
                f"{self.name}={given}: {error}", f"{self.name} is {self.value.allowed}."
            ) from None

    def text(self, disk: Disk) -> str:
        """Return the text of this option's value in ``disk``, as the grammar has it."""
        return self.value.text(cast(Held, disk.__dict__[self.field]))


@dataclass(frozen=True)
class Disk:
    """What a guest will see as one disk. Values are checked at construction: :class:`DiskError`.

    ``given`` names the options that were set rather than left at their defaults; ``notes`` are sentences that
    the user should see, such as a value that was rounded. ``str(disk)`` is its ``--disk`` text.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]

    given: frozenset[str] = field(default=frozenset(), init=False, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    @classmethod
    def options(cls) -> dict[str, Option[Any, Any]]:
        """Return the kind's options by name, in order."""
        return {option.name: option for option in vars(cls).values() if isinstance(option, Option)}

    @property
    def shares(self) -> str | None:
        """The name of the controller that this disk shares with others, or ``None`` for one of its own."""
        return None

    def wrong(self, name: str, why: str, hint: str) -> DiskError:
        """Return the error for an option whose value does not fit the others."""
        return DiskError(f"{name}={self.options()[name].text(self)}: {why}", hint)

    def note(self, *notes: str) -> None:
        """Add sentences that the user should see; for ``__post_init__``."""
        self.__dict__["notes"] = self.notes + notes

    def __str__(self) -> str:
        texts = (
            f"{o.name}={o.text(self).replace(',', ',,')}"
            for o in self.options().values()
            if o.name in self.given
        )
        return ",".join((self.kind, *texts))
