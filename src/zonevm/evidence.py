"""What is known of a test that failed in a guest, as texts by file name: for people to look at afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zonevm._core import Zone
from zonevm.errors import ZonevmError
from zonevm.guest import Guest
from zonevm.view.svg import svg
from zonevm.view.terminal import listing
from zonevm.view.zone_map import Listed

_SECONDS = 60


def failed_commands(guest: Guest, since: int = 0) -> dict[int, list[str]]:
    """Return the failed commands of each emulated disk in words, but for those that every boot has.

    ``since``: none that ended before this moment, in nanoseconds since 1970.
    """
    return {
        number: [each.explanation for each in failures if each.command.time >= since and not each.routine]
        for number, failures in guest.failures().items()
    }


def of_guest(guest: Guest, since: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the kernel's messages, or why there are none, and the failed commands of each disk.

    ``since``: as for :func:`failed_commands`.
    """
    try:
        yield "dmesg.txt", guest.run(["dmesg"], cwd="/", timeout=_SECONDS).text
    except ZonevmError as error:
        yield "dmesg.txt", f"{error.message}\n"
    for number, lines in failed_commands(guest, since).items():
        yield f"disk{number}-failed-commands.txt", "".join(f"{line}\n" for line in lines)


def of_zones(number: int, zones: Sequence[Zone], block_size: int, title: str) -> Iterator[tuple[str, str]]:
    """Yield the zones of a disk as a list and as a map; nothing for one without zones."""
    if zones:
        listed = Listed(zones)
        yield f"disk{number}-zones.txt", "".join(f"{line}\n" for line in listing(listed))
        yield f"disk{number}-zones.svg", svg(title, listed, block_size)
