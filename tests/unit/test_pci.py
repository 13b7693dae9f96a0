"""Where PCI devices go on a QEMU command line: few on the root bus, many behind root ports."""

from __future__ import annotations

from zonevm.attach.pci import MANY, placed
from zonevm.disks import parse
from zonevm.export import libvirt
from zonevm.guest.served import served


def disks(count: int) -> list[str]:
    return [
        word
        for number in range(count)
        for word in ("-device", f"nvme,id=n{number}", "-device", f"nvme-ns,drive=d,bus=n{number}")
    ]


def test_few_devices_stay_where_they_are() -> None:
    assert placed(disks(MANY)) == disks(MANY)


def test_many_devices_are_functions_behind_ports_in_their_order() -> None:
    arguments = placed(disks(MANY + 1))
    ports = [word for word in arguments if word.startswith("pcie-root-port,")]
    assert [word.split(",")[1] for word in ports] == ["id=disks0", "id=disks1", "id=disks2"]
    moved = [word for word in arguments if word.startswith("nvme,")]
    expected = [f"nvme,id=n{n},bus=disks{n // 8},addr=0.{n % 8},multifunction=on" for n in range(MANY + 1)]
    assert moved == expected
    assert [word for word in arguments if word.startswith("nvme-ns,")] == disks(MANY + 1)[3::4]
    chassis = [word.partition("chassis=")[2].split(",")[0] for word in ports]
    assert len(set(chassis)) == len(ports)


def test_a_value_with_a_comma_is_no_bus() -> None:
    odd = ["-device", "virtio-blk-pci,serial=x,,bus=y"]
    assert all(",bus=disks" in word for word in placed(odd * (MANY + 1)) if word.startswith("virtio-blk"))


def test_a_domain_has_the_ports_too() -> None:
    with served([parse("zns,via=qemu,size=64M,zone-size=2M")] * 20) as ready:
        text = libvirt.parts(ready.devices)
    assert text.count("pcie-root-port,id=disks") == 3
    assert "bus=disks2,addr=0.3,multifunction=on" in text
