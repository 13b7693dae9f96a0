"""Spells QEMU's ``name,key=value,...`` option strings. Knows no device."""

from __future__ import annotations


def option_string(head: str, **values: object) -> str:
    """Return ``head,key=value,...``; a comma in a value is doubled.

    >>> option_string("socket", id="c0", path="/run/a,b")
    'socket,id=c0,path=/run/a,,b'
    """
    return ",".join((head, *(f"{key}={str(value).replace(',', ',,')}" for key, value in values.items())))
