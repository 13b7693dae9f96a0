"""A program that replaces its settings, on btrfs on an SMR disk with a cache."""

import pytest

from zonevm import Guest

pytestmark = pytest.mark.zoned(disks=["smr,size=4G,zone-size=64M,conv=4,cache=volatile"])

SAVE = "echo {} >/mnt/settings.new && mv /mnt/settings.new /mnt/settings"
"""The bug: nothing syncs."""


@pytest.fixture
def settings(zoned_guest: Guest) -> Guest:
    """A guest with a file system that has settings."""
    zoned_guest.run("mkfs.btrfs -q -O zoned -d single -m single /dev/sda && mount /dev/sda /mnt", check=True)
    zoned_guest.run(f"{SAVE.format('old')} && sync", check=True)
    return zoned_guest


def test_saved_settings_survive_a_power_cut(settings: Guest, zoned_power_cut) -> None:
    settings.run(SAVE.format("new"), check=True)
    zoned_power_cut()
    settings.run("mount /dev/sda /mnt", check=True)
    assert settings.run("cat /mnt/settings", check=True).text == "new\n"
