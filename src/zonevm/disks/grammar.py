"""The ``--disk`` grammar: ``kind,option=value,...``; a comma in a value is written twice, as for QEMU.

A path (or iSCSI address) in the kind's place is a physical disk.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from zonevm.disks.disk import Disk, Option
from zonevm.disks.physical import PhysicalDisk
from zonevm.disks.plain import PlainDisk
from zonevm.disks.smr import SmrDisk
from zonevm.disks.tcmu import TcmuDisk
from zonevm.disks.zns import ZnsDisk
from zonevm.errors import DiskError

KINDS: dict[str, type[Disk]] = {
    kind.kind: kind for kind in (SmrDisk, ZnsDisk, TcmuDisk, PhysicalDisk, PlainDisk)
}
"""Every kind of disk by its name."""


def parse(text: str) -> Disk:
    """Return the disk that ``text`` describes: ``smr,size=20G,zone-size=256M,conv=10``, or ``/dev/sdf``.

    Raises :class:`DiskError` for an unknown kind or option, an option given twice or without a value, and
    whatever the kind itself refuses.
    """
    kind_name, *settings = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    if kind_name.startswith(("/", "iscsi://")):
        settings.insert(0, f"path={kind_name}")
        kind_name = PhysicalDisk.kind
    kind = KINDS.get(kind_name)
    if kind is None:
        raise _unknown_kind(kind_name)
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        option = _option(kind, name)
        if not (equals and value):
            raise DiskError(
                f"{kind_name}: {name} has no value", f"Write {name}=VALUE; it is {option.value.allowed}."
            )
        if option.field in values:
            raise DiskError(f"{kind_name}: {option.name} is given twice", "Keep one of the two.")
        values[option.field] = value
    return kind(**values)


def _option(kind: type[Disk], name: str) -> Option[Any, Any]:
    spelling = name.replace("_", "-")
    options = kind.options()
    for option in options.values():
        if spelling == option.name or spelling in option.aliases:
            return option
    if not name:
        raise DiskError(
            f"{kind.kind}: an empty option", "Remove the comma; one that belongs to a value is written twice."
        )
    spellings = [spelling for option in options.values() for spelling in (option.name, *option.aliases)]
    raise DiskError(
        f"{kind.kind}: unknown option {name!r}",
        f"{_nearest(spelling, spellings)}Options of {kind.kind}: {_list(options)}.",
    )


def _unknown_kind(name: str) -> DiskError:
    if "=" in name or not name:
        return DiskError(
            f"{name!r} is not a kind of disk, with which a description starts",
            f"Kinds: {_list(KINDS)}. Write smr,size=20G, for example.",
        )
    return DiskError(f"unknown kind of disk {name!r}", f"{_nearest(name, KINDS)}Kinds: {_list(KINDS)}.")


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}? " if near else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
