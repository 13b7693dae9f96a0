"""Takes disks from a guest that runs, and gives them back: the shell commands for that, in the guest.

Linux keeps what it knows of a zoned disk for as long as the block device is there, so a disk that was changed
has to become a new one. A SCSI disk is deleted and its target scanned; its controller stays, which would take
seconds to look for other targets. An NVMe controller is removed from the PCI bus and found there again.
"""

from __future__ import annotations

from collections.abc import Mapping

_DEVICES = "/sys/bus/pci/devices"
_POLL_SECONDS = 0.02


def removal(controllers: Mapping[str, int]) -> str:
    """Return the commands that remove the disks of controllers, which are given by their PCI addresses."""
    lines = ["set -e"]
    for place in _places(controllers):
        lines += [
            f"if [ -e {place}/nvme ]; then echo 1 >{place}/remove; else",
            f"for each in {place}/virtio*/host*/target*/[0-9]*/delete; do echo 1 >$each; done",
            "fi",
        ]
    return "\n".join(lines)


def return_of(controllers: Mapping[str, int]) -> str:
    """Return the commands that find the disks again and wait until each controller has so many."""
    # Patterns that match nothing stay as they are.
    count = 'want=$1; shift; for each; do [ ! -e "$each" ] || want=$((want - 1)); done; [ $want -le 0 ]'
    lines = ["set -e", f"there() {{ {count}; }}"]
    for place in _places(controllers):
        lines += [
            f"[ -e {place} ] || echo 1 >/sys/bus/pci/rescan",
            # None of a controller that was found again: a rescan finds all of them.
            f"for each in {place}/virtio*/host*/scsi_host/host*/scan; do",
            "[ ! -e $each ] || echo '0 0 -' >$each; done",
        ]
    for place, disks in zip(_places(controllers), controllers.values(), strict=True):
        found = f"{place}/virtio*/host*/target*/*/block/* {place}/nvme/nvme*/nvme*n*"
        lines.append(f"until there {disks} {found}; do sleep {_POLL_SECONDS}; done")
    return "\n".join(lines)


def _places(controllers: Mapping[str, int]) -> list[str]:
    return [f"{_DEVICES}/{each}" for each in controllers]
