"""A power cut under a guest: what was flushed is there, what was not may be gone, and it boots again."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.campaigns.power_cuts import FILE_SYSTEMS, trial
from tests.limits import unwritable_files
from zonevm import Disk, Guest, ImageError, UsageError, images

pytestmark = [pytest.mark.guest, pytest.mark.loaded]

DISK = "smr,size=2G,zone-size=64M,conv=2"
BLOCK = 4096


def write(guest: Guest, mib: int, count: int, flags: str = "oflag=direct") -> None:
    guest.run(f"dd if=/dev/urandom of=/dev/sda bs=1M seek={mib} count={count} {flags}", check=True)


def test_a_power_cut_takes_what_was_not_flushed(kernel: str) -> None:
    with Guest(disks=[f"{DISK},cache=volatile", DISK], kernel=kernel) as guest:
        boot = guest.run("cat /proc/sys/kernel/random/boot_id").text
        write(guest, 128, 3)
        guest.run("sg_sync /dev/sda", check=True)
        write(guest, 131, 2)
        write(guest, 192, 1)
        write(guest, 0, 1)
        cuts = guest.power_cut(loss="all")
        assert guest.run("cat /proc/sys/kernel/random/boot_id").text != boot
        assert list(cuts) == [0]
        mib = 2**20 // BLOCK
        assert cuts[0]["zones"] == [
            {"zone": 2, "stable": 3 * mib, "before": 5 * mib, "after": 3 * mib},
            {"zone": 3, "stable": 0, "before": mib, "after": 0},
        ]
        assert cuts[0]["blocks"] == list(range(mib))
        report = guest.run("blkzone report --offset 262144 --count 2 /dev/sda").text
        assert "wptr 0x001800" in report
        assert "wptr 0x000000" in report
        assert not any(guest.run("head -c 1M /dev/sda", check=True).stdout)
        write(guest, 131, 1)
        assert guest.power_cut(loss="none")[0] == {"zones": [], "blocks": []}
        with pytest.raises(UsageError, match="a power cut cannot lose 'some'"):
            guest.power_cut("some")
        assert guest.run(["true"]).returncode == 0


def test_without_a_volatile_cache_there_is_nothing_to_cut(kernel: str) -> None:
    with Guest(disks=[DISK], kernel=kernel) as guest:
        with pytest.raises(UsageError, match="none of the disks has a cache") as caught:
            guest.power_cut()
        assert "cache=volatile" in caught.value.hint


def test_a_cut_that_the_host_cannot_carry_out_leaves_the_guest_off(kernel: str) -> None:
    with Guest(disks=[f"{DISK},cache=volatile"], kernel=kernel) as guest:
        write(guest, 0, 1)
        with unwritable_files(), pytest.raises(ImageError, match="cannot cut back"):
            guest.power_cut("all")
        with pytest.raises(UsageError, match="not running"):
            guest.run("true")


@pytest.mark.parametrize("kind", ["smr", "zns"])
def test_file_systems_keep_what_fsync_said_unless_the_disk_lies(kernel: str, kind: str) -> None:
    systems = [system for system in FILE_SYSTEMS.values() if system.kind == kind]
    tried = [(system, "volatile") for system in systems]
    tried += [(system, "lying") for system in systems if kind == "smr" or system.name == "zonefs"]
    first: list[int] = []
    disks: list[Disk] = []
    for system, cache in tried:
        first.append(len(disks))
        disks += system.disks(cache)
    with Guest(disks=disks, kernel=kernel) as guest:
        for (system, cache), place in zip(tried, first, strict=True):
            result = trial(guest, system, seed=1, first=place)
            assert result.stable > 3
            assert bool(result.wrong) == (cache == "lying"), (system.full_name, cache, result)


def test_the_command_line_lists_runs_and_cuts_their_power(
    kernel: str, zonevm: list[str], tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    disk = f"{DISK},file={image},cache=volatile"
    script = "dd if=/dev/zero of=/dev/sda bs=1M seek=128 count=3 oflag=direct status=none; echo up; sleep 600"
    run = [*zonevm, "run", "--kernel", kernel, "--disk", disk, "--", "sh", "-c", script]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            _cut(running, zonevm, {"run": running.pid, "disks": [disk], "command": shlex.join(run[-3:])})
        finally:
            running.kill()
    assert all(zone.condition != "closed" for zone in images.zones(image))
    assert running.pid not in [each["run"] for each in _listed(zonevm)]


def _cut(running: subprocess.Popen[str], zonevm: list[str], listed: dict[str, object]) -> None:
    assert running.stdout and running.stderr
    assert running.stdout.readline() == "up\n"
    assert [each for each in _listed(zonevm) if each["run"] == running.pid] == [listed]
    refused = subprocess.run([*zonevm, "power-cut", "1"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "there is no run with the number 1" in refused.stderr
    cut = [*zonevm, "power-cut", str(running.pid), "--loss", "all"]
    assert subprocess.check_output(cut, text=True) == (
        "disk 0: zone 2: 0 of 768 blocks are left, 0 were flushed\n"
    )
    assert running.wait() == 125
    assert "power cut" in running.stderr.read()


def _listed(zonevm: list[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(subprocess.check_output([*zonevm, "list", "--json"]))
    return found
