"""Checks that each disk in a guest is what was asked for, fact by fact. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

from zonevm import images, lio
from zonevm.agent import probe
from zonevm.agent.probe import Fact
from zonevm.attach import DiskSet, QemuDevice
from zonevm.attach.qemu_options import properties
from zonevm.disks import Disk, NvmeDisk, PhysicalDisk, PlainDisk, SmrDisk, TcmuDisk, ZnsDisk
from zonevm.disks.shape import PHYSICAL_BLOCK
from zonevm.errors import GuestError
from zonevm.host.devices import Device
from zonevm.units import format_size

PROBE = Path(probe.__file__)
"""The program that tells the facts in the guest."""

Facts = Mapping[str, Fact]

_IN_BYTES = ("capacity", "zone size", "zone capacity", "logical block size", "physical block size")
_LIMITS = ("max open zones", "max active zones")


@dataclass(frozen=True)
class Check:
    """One fact of one disk: what was asked for, and what the guest shows (None: it does not tell).

    ``node`` is the disk's in the guest, "" where it has none.
    """

    disk: Disk
    node: str
    fact: str
    expected: Fact
    seen: Fact | None
    passed: bool

    def __str__(self) -> str:
        what = f"{self.node or 'no device'}: {self.fact} {_text(self.fact, self.seen)}"
        return f"PASS {what}" if self.passed else f"FAIL {what}; asked for {_text(self.fact, self.expected)}"


def verify(
    disks: DiskSet,
    devices: Sequence[QemuDevice],
    addresses: Mapping[str, str],
    ask: Callable[[Sequence[str]], bytes],
) -> list[Check]:
    """Return the checks of ``disks``.

    ``devices`` are those of the disks' groups, ``addresses`` the PCI addresses by QEMU's ids. ``ask`` runs
    :data:`PROBE` in the guest with arguments and returns what it prints. Raises :class:`GuestError` for an
    answer that is none.
    """
    places = [_address(device, addresses) for device in devices]
    asked = [f"{place}={len(group)}" for place, group in zip(places, disks.groups, strict=True)]
    told = _told(ask(asked), places)
    return [
        check
        for place, group in zip(places, disks.groups, strict=True)
        for lun, member in enumerate(group)
        for check in compare(member.disk, told[place][lun] if lun < len(told[place]) else {}, member.device)
    ]


def _told(answer: bytes, places: Sequence[str]) -> dict[str, list[Facts]]:
    """Return the facts of the disks behind each place, which a guest may have made up."""
    try:
        told: dict[str, list[Facts]] = json.loads(answer)
        facts = [value for place in places for disk in told[place] for value in disk.values()]
        sound = all(isinstance(fact, int) or fact.isprintable() for fact in facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise GuestError(f"the guest was asked about its disks, and answered {answer[:200]!r}")
    return told


def compare(disk: Disk, seen: Facts, device: Device | None = None) -> list[Check]:
    """Return the checks of one disk, of which the guest tells ``seen``: nothing where it is not there.

    ``device`` is the host's that it is, if any.
    """
    node = str(seen.get("node", ""))
    there = Check(disk, node, "disk", str(disk), str(disk) if seen else None, bool(seen))
    if not seen:
        return [there]
    wanted = expected(disk, device)
    if wanted.get("zoned model") == "host-aware" and seen.get("zoned model") == "none":
        # Since 6.8 Linux takes a host-aware disk for an ordinary one (sd_read_block_characteristics).
        wanted = {fact: value for fact, value in wanted.items() if "zone" not in fact} | {
            "zoned model": "none"
        }
    sequential = int(wanted.get("zone count", 0)) - int(wanted.get("conventional zones", 0))
    checks = [there]
    for fact, value in wanted.items():
        passed = value == seen.get(fact)
        if fact in _LIMITS and seen.get(fact) == 0:
            # Linux takes a limit that can never be reached for none (disk_update_zone_resources, since 6.10).
            passed = passed or int(value) >= sequential
        checks.append(Check(disk, node, fact, value, seen.get(fact), passed))
    return checks


def pci_addresses(buses: object) -> dict[str, str]:
    """Return the PCI address of each device that has an id, from QMP's answer to ``query-pci``."""
    return dict(_addresses(buses if isinstance(buses, list) else []))


def _addresses(buses: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for bus in buses:
        for device in bus.get("devices", ()):
            yield device["qdev_id"], "0000:{bus:02x}:{slot:02x}.{function:x}".format_map(device)
            if "pci_bridge" in device:
                yield from _addresses([device["pci_bridge"]])


@singledispatch
def expected(disk: Disk, device: Device | None = None) -> Facts:
    """Return the facts that a guest has to show of ``disk``; what nobody asked for is left out.

    ``device`` is the host's that it is, if any.
    """
    raise NotImplementedError(disk.kind)


@expected.register
def _(disk: SmrDisk, device: Device | None = None) -> Facts:
    shape = vars(disk) if disk.file is None else images.info(disk.file)
    serial = {} if shape["serial"] is None else {"serial": shape["serial"]}
    has_gaps = shape["zone_capacity"] not in (None, shape["zone_size"])
    model = shape["model"]
    # A host-aware disk has no limit, only an optimal number, of which Linux does not tell.
    limit = {"max open zones": shape["max_open"] or 0} if model == "host-managed" else {}
    return {
        **_zoned(shape),
        "zoned model": model,
        **({"zone capacity": shape["zone_capacity"]} if has_gaps else {}),
        "physical block size": PHYSICAL_BLOCK,
        "conventional zones": shape["conventional"],
        **limit,
        **serial,
    }


@expected.register
def _(disk: ZnsDisk, device: Device | None = None) -> Facts:
    if disk.via == "qemu":
        shape = {**vars(disk), "size": disk.size or _length(disk.file)}
    else:
        shape = vars(disk) if disk.file is None else dict(images.info(disk.file))
    serial = {} if shape["serial"] is None else {"serial": shape["serial"]}
    return {
        **_zoned(shape),
        "zone capacity": shape["zone_capacity"] or shape["zone_size"],
        "conventional zones": 0,
        "max open zones": shape["max_open"] or 0,
        "max active zones": shape["max_active"] or 0,
        **serial,
    }


@expected.register
def _(disk: NvmeDisk, device: Device | None = None) -> Facts:
    shape = vars(disk) if disk.file is None else images.info(disk.file)
    serial = {} if shape["serial"] is None else {"serial": shape["serial"]}
    return {
        "zoned model": "none",
        "capacity": shape["size"],
        "logical block size": shape["block_size"],
        **serial,
    }


@expected.register
def _(disk: TcmuDisk, device: Device | None = None) -> Facts:
    if disk.file is not None:
        image = lio.inspect(disk.file)
        limits = {"conventional zones": image.conventional, "max open zones": image.max_open}
        return {**_zoned(vars(image)), **limits}
    given = {
        "capacity": disk.size,
        "logical block size": disk.block_size,
        "zone size": disk.zone_size,
        "conventional zones": disk.conventional,
    }
    return {
        "zoned model": "host-managed",
        **{fact: value for fact, value in given.items() if value is not None},
    }


@expected.register
def _(disk: PlainDisk, device: Device | None = None) -> Facts:
    serial = {} if disk.serial is None else {"serial": disk.serial}
    return {"zoned model": "none", "capacity": disk.size or _length(disk.file), **serial}


@expected.register
def _(disk: PhysicalDisk, device: Device | None = None) -> Facts:
    if device is None:
        return {}
    if device.node is None:
        return {"zoned model": device.zoned}
    facts = probe.facts(Path("/sys/block", device.name), device.node)
    # A limit that the host does not tell may be one that its kernel does not know.
    left_out = {fact for fact in _LIMITS if not facts.get(fact)}
    if disk.via == "virtio-blk":
        left_out.add("serial")
    return {fact: value for fact, value in facts.items() if fact not in left_out}


def _zoned(shape: Mapping[str, Any]) -> Facts:
    size, zone_size = shape["size"], shape["zone_size"]
    return {
        "zoned model": "host-managed",
        "capacity": size,
        "logical block size": shape["block_size"],
        "zone size": zone_size,
        "zone count": -(-size // zone_size),
    }


def _length(file: Path | None) -> int:
    assert file is not None
    return file.stat().st_size


def _address(device: QemuDevice, addresses: Mapping[str, str]) -> str:
    """Return where the device's controller is: the one of its QEMU objects that is on the PCI bus."""
    ids = [properties(argument).get("id") for argument in device.args]
    return next(addresses[str(each)] for each in ids if each in addresses)


def _text(fact: str, value: Fact | None) -> str:
    if value is None:
        return "not there"
    if fact in _LIMITS and value == 0:
        return "no limit"
    return format_size(int(value)) if fact in _IN_BYTES else str(value)
