"""A disk that takes the time of a real one: fio in a guest in real time, the model in virtual time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk, ZnsDisk, timing
from zonevm.patience import Patience

pytestmark = pytest.mark.guest

_MIB = 2**20
_ZONES, _CONVENTIONAL, _ZONE = 64, 16, 64 * _MIB
_SECONDS = 8
_ATTEMPTS = 3
"""A busy host is late, which makes rates lower."""


@pytest.fixture(scope="module")
def guest(kernel: str) -> Iterator[Guest]:
    disk = SmrDisk(size=_ZONES * _ZONE, zone_size=_ZONE, conventional=_CONVENTIONAL, timing="hc620")
    with Guest(disks=[disk], kernel=kernel) as guest:
        yield guest


def virtual(job: str) -> float:
    """Commands a second, as the model alone has it."""
    written = [_ZONE] * _CONVENTIONAL + [0] * (_ZONES - _CONVENTIONAL)
    medium = timing.Medium(_ZONES * _ZONE, _ZONE, _ZONE, _CONVENTIONAL, written)
    [outcome] = timing.run(timing.load("hc620"), medium, [timing.parse(job)], seconds=60, ramp=5)
    return outcome.iops


@pytest.mark.parametrize(
    ("options", "direction", "job"),
    [
        ("--rw=randread --bs=64k --iodepth=16 --size=1G", "read", "randread,block=64K,depth=16,zones=0-15"),
        ("--rw=read --bs=512k --iodepth=8 --size=1G", "read", "read,block=512K,depth=8,zones=0-15"),
        (
            "--rw=randwrite --bs=128k --numjobs=16 --group_reporting --offset=1G --size=3G --zonemode=zbd",
            "write",
            "randwrite,block=128K,streams=16",
        ),
    ],
    ids=["random read", "sequential read", "random write"],
)
def test_rates_in_real_time_are_the_models(guest: Guest, options: str, direction: str, job: str) -> None:
    fio = f"fio --name=t --filename=/dev/sda --direct=1 --ioengine=libaio --runtime={_SECONDS} --time_based"
    ratios = []
    for _ in range(_ATTEMPTS):
        done = guest.run(f"{fio} {options} --ramp_time=1 --output-format=json", check=True)
        [result] = json.loads(done.text[done.text.index("{") :])["jobs"]
        ratios.append(result[direction]["iops"] / virtual(job))
        print(f"{job}: {ratios[-1]:.2f} of the {virtual(job):.1f} a second that the model has")
        assert ratios[-1] < 1.2
        if ratios[-1] > 0.8:
            return
    pytest.fail(f"fio had {', '.join(f'{ratio:.2f}' for ratio in ratios)} of what the model has")


def test_how_late_the_host_was_is_told(guest: Guest) -> None:
    told = guest.lateness()[0]
    assert told["commands"] > 1000
    assert told["time_ns"] > 10**9
    assert told["late"] <= told["commands"]


@pytest.mark.parametrize("kind", ["smr", "zns"])
def test_power_goes_while_commands_wait_for_their_time(kernel: str, kind: str) -> None:
    disk, node = {
        "smr": (SmrDisk(size="1G", zone_size="16M", cache="volatile", timing="hc620"), "/dev/sda"),
        "zns": (ZnsDisk(size="1G", zone_size="16M", cache="volatile", timing="hc620"), "/dev/nvme0n1"),
    }[kind]
    writes = f"--filename={node} --direct=1 --zonemode=zbd --rw=randwrite --bs=64k --numjobs=8"
    with Guest(disks=[disk], kernel=kernel) as guest:
        guest.run(f"fio --name=t {writes} --runtime=600 --time_based >/dev/null 2>&1 &", check=True)
        patience = Patience(60)
        while guest.lateness()[0]["commands"] < 200:
            assert not patience.is_over()
            time.sleep(0.1)
        (lost,) = guest.power_cut("all").values()
        assert lost["zones"]
        assert all(zone["after"] == zone["stable"] for zone in lost["zones"])
        written = f"dd if=/dev/zero of={node} bs=64k count=1 oflag=direct status=none"
        guest.run(f"blkzone reset {node} && {written}", check=True)
        assert guest.disk(0).zones()[0].write_pointer
