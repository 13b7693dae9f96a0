"""How late commands of disks with a device's time ended, for people. Knows no verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zonevm.cli.output import say

if TYPE_CHECKING:
    from zonevm._core import Lateness


def tell_lateness(lateness: Mapping[int, Lateness]) -> None:
    """Say of each disk whose time it took, and how many of its commands were late, by how much."""
    for number, told in lateness.items():
        commands, late = told["commands"], told["late"]
        share = f" ({late / commands:.0%})" if late else ""
        say(
            f"timing of disk {number}: {commands} commands in {told['time_ns'] / 1e9:.2f} s of virtual time; "
            f"{late}{share} more than 0.1 ms late, {told['mean_ns'] / 1e6:.2f} ms on average and "
            f"{told['max_ns'] / 1e6:.1f} ms at most"
        )
