"""The ``--disk`` grammar: ``kind,option=value,...``; a comma in a value is written twice, as for QEMU.

A path (or iSCSI address) in the kind's place is a physical disk.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from zonevm.disks.disk import Disk
from zonevm.disks.nvme import NvmeDisk
from zonevm.disks.option import Described, Option
from zonevm.disks.physical import PhysicalDisk
from zonevm.disks.plain import PlainDisk
from zonevm.disks.smr import SmrDisk
from zonevm.disks.tcmu import TcmuDisk
from zonevm.disks.zns import ZnsDisk
from zonevm.errors import DiskError

KINDS: dict[str, type[Disk]] = {
    kind.kind: kind for kind in (SmrDisk, ZnsDisk, NvmeDisk, TcmuDisk, PhysicalDisk, PlainDisk)
}
"""Every kind of disk by its name."""


def parse(text: str) -> Disk:
    """Return the disk that ``text`` describes: ``smr,size=20G,zone-size=256M,conv=10``, or ``/dev/sdf``.

    Raises :class:`DiskError` for an unknown kind or option, an option given twice or without a value, and
    whatever the kind itself refuses.
    """
    kind_name, *settings = split(text)
    if kind_name.startswith(("/", "iscsi://")):
        settings.insert(0, f"path={kind_name}")
        kind_name = PhysicalDisk.kind
    kind = KINDS.get(kind_name)
    if kind is None:
        raise _unknown_kind(kind_name)
    return kind(**values(kind, kind_name, settings))


def split(text: str) -> list[str]:
    """Return the parts of a description: what it is of, then its options."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def values(what: type[Described], called: str, settings: Iterable[str]) -> dict[str, str]:
    """Return the values of ``name=value`` settings by the fields of ``what``, which messages call ``called``.

    Raises what ``what`` raises for an unknown option, and for one given twice or without a value.
    """
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        option = option_named(what, called, name)
        if not (equals and value):
            raise what.wrong_value(
                f"{called}: {name} has no value", f"Write {name}=VALUE; it is {option.value.allowed}."
            )
        if option.field in found:
            raise what.wrong_value(f"{called}: {option.name} is given twice", "Keep one of the two.")
        found[option.field] = value
    return found


def option_named(what: type[Described], called: str, name: str) -> Option[Any, Any]:
    """Return an option by its name or another spelling of it; the error names the nearest one."""
    spelling = name.replace("_", "-")
    options = what.options()
    for option in options.values():
        if spelling == option.name or spelling in option.aliases:
            return option
    if not name:
        raise what.wrong_value(
            f"{called}: an empty option", "Remove the comma; one that belongs to a value is written twice."
        )
    spellings = [spelling for option in options.values() for spelling in (option.name, *option.aliases)]
    raise what.wrong_value(
        f"{called}: unknown option {name!r}",
        f"{nearest(spelling, spellings)}Options of {called}: {_list(options)}.",
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the question whether the nearest of ``names`` was meant, or nothing if none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}? " if near else ""


def _unknown_kind(name: str) -> DiskError:
    if "=" in name or not name:
        return DiskError(
            f"{name!r} is not a kind of disk, which a description has to start with",
            f"Kinds: {_list(KINDS)}. Write smr,size=20G, for example.",
        )
    return DiskError(f"unknown kind of disk {name!r}", f"{nearest(name, KINDS)}Kinds: {_list(KINDS)}.")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
