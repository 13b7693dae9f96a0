"""Gives PCI devices their places in a machine: its root bus takes few, PCIe root ports the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zonevm.attach.qemu_options import extended, is_json, properties

MANY = 16
"""With more devices than this all are behind root ports: the root bus has 32 slots, and others want some."""

_FUNCTIONS = 8
"""Of a slot (PCI Local Bus Specification 3.0, 3.2.2.3.4); a root port has one slot."""
_FIRST_SLOT = 0x18
"""Where the ports are on the root bus: QEMU gives devices without an address the first free slots."""
_SPARE_SLOT = 0x17
_SPARE_PORTS = 4
_FIRST_CHASSIS = 100
_SPARE_CHASSIS = 90


def placed(arguments: Sequence[str]) -> list[str]:
    """Return QEMU arguments whose devices without a ``bus`` are behind root ports, if they have to be.

    They have to be where they are many, and where QEMU would mix up NVMe controllers: it makes the devices
    that are given in JSON after all others (``qemu_create_cli_devices`` in its system/vl.c).

    Linux finds them in the order of the arguments all the same: buses are numbered in the ports' order. The
    ports are for machine types with PCI Express, such as q35.
    """
    places = [place for place, argument in enumerate(arguments) if _is_device(arguments, place, argument)]
    if len(places) <= MANY and not _mixed(arguments[place] for place in places):
        return list(arguments)
    moved = list(arguments)
    for number, place in enumerate(places):
        port, function = divmod(number, _FUNCTIONS)
        moved[place] = extended(moved[place], bus=f"disks{port}", addr=f"0.{function}", multifunction=True)
    return [*_ports(-(-len(places) // _FUNCTIONS)), *moved]


def spare_ports() -> list[str]:
    """Return the arguments for ``spare0`` to ``spare3``: root ports for devices that are added later."""
    ports = []
    for number in range(_SPARE_PORTS):
        port = f"pcie-root-port,id=spare{number},chassis={_SPARE_CHASSIS + number}"
        ports += ["-device", f"{port},addr={_SPARE_SLOT:#x}.{number},multifunction=on"]
    return ports


def _mixed(devices: Iterable[str]) -> bool:
    """Whether some NVMe controllers are described in JSON, and others are not."""
    names = {str(properties(device)["driver"]): is_json(device) for device in devices}
    return names.get("nvme") is False and True in names.values()


def _is_device(arguments: Sequence[str], place: int, argument: str) -> bool:
    """Whether an argument describes a device that is on the PCI bus: others name the bus they are on."""
    return place > 0 and arguments[place - 1] == "-device" and "bus" not in properties(argument)


def _ports(count: int) -> Iterator[str]:
    for number in range(count):
        slot, function = divmod(number, _FUNCTIONS)
        yield "-device"
        yield (
            f"pcie-root-port,id=disks{number},chassis={_FIRST_CHASSIS + number},hotplug=off"
            f",addr={_FIRST_SLOT + slot:#x}.{function},multifunction=on"
        )
