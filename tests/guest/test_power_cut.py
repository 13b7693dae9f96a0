"""A power cut under a guest: what was flushed is there, what was not may be gone, and it boots again."""

from __future__ import annotations

import pytest

from zonevm import Guest, UsageError

pytestmark = pytest.mark.guest

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
        with pytest.raises(UsageError, match="no disk of this guest has a cache") as caught:
            guest.power_cut()
        assert "cache=volatile" in caught.value.hint
