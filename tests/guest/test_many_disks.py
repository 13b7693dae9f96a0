"""More disks than a machine's root bus has slots: each at its name, with its size."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path

import pytest

from zonevm import Guest, UsageError
from zonevm.attach import QemuDevice
from zonevm.attach.qemu_options import properties
from zonevm.attach.resolve import with_methods
from zonevm.disks import parse
from zonevm.guest.served import served
from zonevm.host import find_qemu

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

KINDS = ("zns,size={}M,zone-size=2M,via=qemu", "smr,size={}M,zone-size=2M", "plain,size={}M")
NAMES = {"zns": "nvme{}n1", "smr": "sd{}", "plain": "vd{}"}


def letters(number: int) -> str:
    """The letters of the ``number``-th disk, from 0 on (sd_format_disk_name)."""
    return (letters(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def disks(count: int) -> list[str]:
    return [KINDS[number % len(KINDS)].format(64 + 2 * number) for number in range(count)]


def names(texts: list[str]) -> dict[str, int]:
    """The sizes in MiB by the names that the guest has to give the disks."""
    found, seen = {}, dict.fromkeys(NAMES, 0)
    for text in texts:
        kind = text.partition(",")[0]
        place = seen[kind] if kind == "zns" else letters(seen[kind])
        found[NAMES[kind].format(place)] = int(text.partition("size=")[2].partition("M")[0])
        seen[kind] += 1
    return found


def test_each_has_its_name_and_size(kernel: str, tmp_path: Path) -> None:
    texts = [*disks(78), *(f"smr,size={number}G" for number in range(1, 5))]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with Guest(kernel=kernel, disks=texts, rwdirs=[tmp_path], boot_timeout=600) as guest:
            lines = guest.run(["lsblk", "-dnb", "-o", "NAME,SIZE"], check=True).text.splitlines()
            assert all(check.passed for check in guest.verify())
            guest.run(["cp", "/proc/cmdline", tmp_path / "shared"], check=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    seen = {name: int(size) // 2**20 for name, size in map(str.split, lines)}
    expected = names(texts[:78]) | {f"sd{letters(26 + n)}": 1024 * (n + 1) for n in range(4)}
    assert seen == expected


def test_namespaces_of_zonevms_need_interrupts_that_many_disks_have_not(kernel: str) -> None:
    with (
        pytest.raises(UsageError, match="49 controllers are too many") as raised,
        Guest(kernel=kernel, disks=["zns,size=1G"] * 49, qemu="pulled"),
    ):
        pass
    assert "controller=NAME" in raised.value.hint


@pytest.mark.parametrize("text", [*(kind.format(64) for kind in KINDS), "zns,size=64M", "nvme,size=64M"])
def test_qemu_takes_as_many_as_are_allowed(text: str) -> None:
    disk = parse(text)
    qemu = find_qemu("pulled" if disk.kind in ("zns", "nvme") else None)
    machine = [str(qemu.path), "-S", "-nodefaults", "-display", "none", "-machine", "q35"]
    with served([disk] * 256) as ready:
        command = [*machine, "-qmp", "stdio", *ready.qemu_arguments(2**28)]
        listed = '{"execute": "qom-list", "arguments": {"path": "/machine/peripheral"}}'
        ask = f'{{"execute": "qmp_capabilities"}} {listed} {{"execute": "quit"}}'
        done = subprocess.run(command, input=ask, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    there = next(answer for line in done.stdout.splitlines() if (answer := json.loads(line).get("return")))
    controllers = {device_id(device) for device in ready.devices}
    assert len(controllers) == len(with_methods([parse(text)] * 256).groups)
    assert controllers <= {child["name"] for child in there}


def test_one_more_is_refused(zonevm: list[str]) -> None:
    for verb in (["run", "--dry-run"], ["serve"], ["serve", "--socket", "/nowhere/s"]):
        done = subprocess.run(
            [*zonevm, *verb, *["--disk", "smr,size=1G"] * 257], capture_output=True, text=True
        )
        assert (done.returncode, "there are 257 disks, and a guest has 256 at most" in done.stderr) == (
            2,
            True,
        )


def device_id(device: QemuDevice) -> str:
    """The id of a disk's PCI device: its first device."""
    return str(properties(device.args[device.args.index("-device") + 1])["id"])
