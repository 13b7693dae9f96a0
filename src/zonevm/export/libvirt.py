"""Disks as libvirt's domain XML: its own elements where it has them, else ``<qemu:commandline>``."""

from __future__ import annotations

import re
import xml.etree.ElementTree as Xml
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zonevm.attach import QemuDevice
from zonevm.attach.pci import placed
from zonevm.errors import UsageError
from zonevm.inputs import shown

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_MIB = 2**20
# What XML 1.0 does not have (2.2), and the carriage return, which a reader makes a line feed (2.11).
_NO_CHARACTER = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Xml.register_namespace("qemu", _QEMU)


@dataclass(frozen=True)
class System:
    """The image that a domain boots; ``transient``: what is written to it is gone at the end."""

    image: Path
    format: str
    uefi: bool
    transient: bool


def domain(
    devices: Sequence[QemuDevice],
    *,
    memory: int,
    cpus: int,
    kvm: bool,
    system: System | None = None,
    net: bool = False,
    emulator: str | None = None,
    more: Sequence[str] = (),
) -> str:
    """Return a whole domain with the disks in it.

    ``memory`` in bytes. Without ``system`` what it boots from is to be added. ``net``: the user's network.
    ``emulator``: another QEMU. ``more``: arguments for it. The commands that make the disks available are the
    domain's description.
    """
    root = Xml.Element("domain", type="kvm" if kvm else "qemu")
    _text(root, "name", "zonevm")
    by_hand = "\n".join(command for device in devices for command in device.by_hand)
    if by_hand:
        _text(root, "description", f"Before it starts, do this:\n{by_hand}\n")
    _text(root, "memory", str(memory // _MIB), unit="MiB")
    _text(root, "vcpu", str(cpus))
    root.extend(_shared_memory(devices))
    boot = Xml.SubElement(root, "os", {"firmware": "efi"} if system and system.uefi else {})
    _text(boot, "type", "hvm", arch="x86_64", machine="q35")
    Xml.SubElement(Xml.SubElement(root, "features"), "acpi")
    inside = Xml.SubElement(root, "devices")
    if emulator:
        _text(inside, "emulator", emulator)
    if system is not None:
        inside.append(_system_disk(system))
    inside.extend(_elements(devices))
    if net:
        interface = Xml.SubElement(inside, "interface", type="user")
        Xml.SubElement(interface, "model", type="virtio")
    Xml.SubElement(inside, "serial", type="pty")
    root.extend(_command_line(devices, more))
    return _written(root)


def parts(devices: Sequence[QemuDevice]) -> str:
    """Return what a domain that is there already needs to have the disks too, element by element.

    ``<memoryBacking>`` and ``<qemu:commandline>`` go into ``<domain>``, the others into its ``<devices>``.
    """
    found = [*_shared_memory(devices), *_elements(devices), *_command_line(devices)]
    return "".join(_written(element) for element in found)


def _shared_memory(devices: Iterable[QemuDevice]) -> list[Xml.Element]:
    if not any(device.shared_memory for device in devices):
        return []
    backing = Xml.Element("memoryBacking")
    Xml.SubElement(backing, "source", type="memfd")
    Xml.SubElement(backing, "access", mode="shared")
    return [backing]


def _elements(devices: Iterable[QemuDevice]) -> list[Xml.Element]:
    return [Xml.fromstring(_check(text)) for device in devices for text in device.libvirt]


def _command_line(devices: Iterable[QemuDevice], more: Sequence[str] = ()) -> list[Xml.Element]:
    disks = [argument for device in devices if not device.libvirt for argument in device.args]
    arguments = [*placed(disks), *more]
    if not arguments:
        return []
    line = Xml.Element(f"{{{_QEMU}}}commandline")
    for argument in arguments:
        Xml.SubElement(line, f"{{{_QEMU}}}arg", value=argument)
    return [line]


def _system_disk(system: System) -> Xml.Element:
    disk = Xml.Element("disk", type="file", device="disk")
    Xml.SubElement(disk, "driver", name="qemu", type=system.format)
    Xml.SubElement(disk, "source", file=str(system.image))
    Xml.SubElement(disk, "target", dev="vda", bus="virtio")
    Xml.SubElement(disk, "boot", order="1")
    if system.transient:
        Xml.SubElement(disk, "transient")
    return disk


def _text(parent: Xml.Element, name: str, text: str, **attributes: str) -> None:
    Xml.SubElement(parent, name, attributes).text = text


def _written(element: Xml.Element) -> str:
    for each in element.iter():
        for text in (each.text or "", *each.attrib.values()):
            _check(text)
    Xml.indent(element)
    return Xml.tostring(element, encoding="unicode") + "\n"


def _check(text: str) -> str:
    """Return ``text``; raise :class:`UsageError` if XML cannot hold it, not even escaped."""
    if found := _NO_CHARACTER.search(text):
        raise UsageError(
            f"XML cannot hold the character {found[0]!a} of '{shown(text)}'",
            "Use another name: a link, or another directory.",
        )
    return text
