"""Finds UEFI firmware for guests, by the descriptors that distributions install for QEMU.

Their format is that of ``docs/interop/firmware.json`` in QEMU's sources; those of users and administrators
come first.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zonevm.errors import HostError

_DIRECTORIES = ("~/.config/qemu/firmware", "/etc/qemu/firmware", "/usr/share/qemu/firmware")
_ARCHITECTURE, _MACHINE = "x86_64", "pc-q35-0"
_UNWANTED = {"requires-smm", "secure-boot", "enrolled-keys"}


@dataclass(frozen=True)
class Firmware:
    """UEFI in flash memory: ``code`` is only read, ``variables`` are those of a new machine."""

    code: Path
    variables: Path
    format: str


def find_uefi(root: Path = Path("/")) -> Firmware:
    """Return UEFI for a q35 machine, without Secure Boot. Raises :class:`HostError` where there is none."""
    for text in _descriptors(root):
        firmware = _suitable(text)
        if firmware and firmware.code.is_file() and firmware.variables.is_file():
            return firmware
    raise HostError(
        f"no UEFI firmware for x86_64 guests is described in {', '.join(_DIRECTORIES)}",
        "Install the package ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch).",
    )


def _descriptors(root: Path) -> Iterator[str]:
    """Yield the descriptors by name; of those of one name, the first directory's."""
    files: dict[str, Path] = {}
    for directory in _DIRECTORIES:
        place = root / os.path.expanduser(directory).lstrip("/")  # noqa: PTH111
        for path in place.glob("*.json"):
            files.setdefault(path.name, path)
    for name in sorted(files):
        try:
            yield files[name].read_text()
        except OSError:
            continue


def _suitable(text: str) -> Firmware | None:
    try:
        found: dict[str, Any] = json.loads(text)
        targets, mapping = found["targets"], found["mapping"]
        fits = (
            "uefi" in found["interface-types"]
            and mapping["device"] == "flash"
            and not _UNWANTED.intersection(found["features"])
            and any(_is_ours(target) for target in targets)
        )
        if not fits:
            return None
        code, variables = mapping["executable"], mapping["nvram-template"]
        return Firmware(Path(code["filename"]), Path(variables["filename"]), code["format"])
    except (KeyError, ValueError, TypeError):
        return None


def _is_ours(target: dict[str, Any]) -> bool:
    machines: list[str] = target["machines"]
    return target["architecture"] == _ARCHITECTURE and any(
        fnmatch.fnmatch(_MACHINE, each) for each in machines
    )
