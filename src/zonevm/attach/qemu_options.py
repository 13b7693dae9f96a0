"""Spells QEMU's option strings, and reads them: ``name,key=value,...``, or JSON. Knows no device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress


def option_string(head: str, **values: object) -> str:
    """Return ``head,key=value,...``; a comma in a value is doubled.

    >>> option_string("socket", id="c0", path="/run/a,b")
    'socket,id=c0,path=/run/a,,b'
    """
    return ",".join((head, *(f"{key}={str(value).replace(',', ',,')}" for key, value in values.items())))


def properties(device: str) -> Mapping[str, object]:
    """Return the properties in the value of a ``-device``, its ``driver`` among them.

    >>> properties("nvme,id=n0,serial=a,,b")["serial"]
    'a,b'
    """
    with suppress(ValueError):
        if isinstance(found := json.loads(device), dict):
            return found
    driver, *others = (part.replace("\0", ",") for part in device.replace(",,", "\0").split(","))
    pairs = (other.partition("=") for other in others)
    return {"driver": driver, **{name: value for name, _, value in pairs}}


def is_json(device: str) -> bool:
    """Whether the value of a ``-device`` is JSON."""
    return device.lstrip().startswith("{")


def extended(device: str, **values: object) -> str:
    """Return the value of a ``-device`` with more properties, in the form that it has."""
    if is_json(device):
        return json.dumps({**properties(device), **values})
    return option_string(device, **{name: "on" if value is True else value for name, value in values.items()})
