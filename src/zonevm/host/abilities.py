"""Asks a QEMU binary what it can do: devices, their properties, block drivers. Starts no guest.

One start, over QMP, answers every question; the answers are cached for that very binary.
"""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from zonevm.errors import HostError, QemuError
from zonevm.host import cache as kept
from zonevm.host.dirs import cache_dir
from zonevm.host.qemu import Qemu
from zonevm.patience import Patience
from zonevm.processes import Keeper

_OF_ROOT = ("vhost-user-fs-pci", "virtio-9p-pci")
"""The devices by one of which a guest has the host's root."""

_DRIVERS: Mapping[str, Mapping[str, Any]] = {
    "host_device": {"filename": ""},
    "iscsi": {"transport": "tcp", "portal": "", "target": ""},
}
_UNKNOWN_DRIVER = "Unknown driver"
_DRIVERS_PACKAGE = "qemu-block-extra"
_MACHINE_PACKAGE = "qemu-system-x86"
_QMP_ONLY = (
    *("-machine", "none", "-nodefaults", "-no-user-config", "-S", "-display", "none"),
    *("-qmp", "stdio"),
)
_SECONDS = 30
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Abilities:
    """What one QEMU can do.

    ``asked`` are the devices that it was asked about; ``properties`` has, for each of them that this QEMU
    knows, the names of its properties.
    ``drivers`` are the block drivers, of those that zonevm uses, that it could load when it was asked.
    ``store`` is the file that remembers all this.
    """

    qemu: Qemu
    asked: tuple[str, ...]
    properties: Mapping[str, frozenset[str]]
    drivers: frozenset[str]
    store: Path

    @classmethod
    def of(cls, qemu: Qemu, devices: Iterable[str], cache: Path | None = None) -> Self:
        """Return the abilities of ``qemu``, from the cache where it holds them for this very binary.

        ``devices``: what it is asked about, beside what the host's root needs. ``cache`` is a directory, by
        default one in zonevm's own. A binary is the same while its path, size and time of modification are.
        Raises :class:`QemuError` for one that does not answer.
        """
        asked = (*devices, *_OF_ROOT)
        store = (cache or cache_dir() / "qemu") / f"{kept.key_of(qemu.path, asked, list(_DRIVERS))}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            answers = json.loads(store.read_text())
            properties = {name: frozenset(known) for name, known in answers["properties"].items()}
            return cls(qemu, asked, properties, frozenset(answers["drivers"]), store)
        return cls._ask(qemu, asked, store)

    def has_device(self, device: str, *properties: str) -> bool:
        """Whether this QEMU has ``device``, one of ``asked``, with all of ``properties``."""
        return device in self.properties and self.properties[device].issuperset(properties)

    def has_driver(self, driver: str) -> bool:
        """Whether this QEMU can load block ``driver``.

        A missing one is asked for again: a package may have brought it, without a change to the binary.
        """
        return driver in self.drivers or driver in self._ask(self.qemu, self.asked, self.store).drivers

    def require_device(self, device: str, *properties: str) -> None:
        """Raise :class:`QemuError` unless :meth:`has_device`."""
        if not self.has_device(device, *properties):
            lacking = [name for name in properties if name not in self.properties.get(device, ())]
            what = f"property {lacking[0]} of the device {device}" if device in self.properties else device
            raise QemuError(
                f"{self.qemu.path} has no {what}: it was built without it, or is too old",
                f"Install a QEMU that has it, on Debian and Ubuntu with: apt-get install {_MACHINE_PACKAGE}; "
                "get a newer one with `zonevm qemu pull`, or name another one with --qemu PATH.",
            )

    def require_driver(self, driver: str) -> None:
        """Raise :class:`QemuError` unless :meth:`has_driver`."""
        if not self.has_driver(driver):
            raise QemuError(
                f"{self.qemu.path} has no block driver {driver}",
                f"Install it, on Debian and Ubuntu with: apt-get install {_DRIVERS_PACKAGE}. "
                "A QEMU that was pulled comes without it.",
            )

    @classmethod
    def _ask(cls, qemu: Qemu, asked: tuple[str, ...], store: Path) -> Self:
        with _Monitor(qemu) as monitor:
            answers = {device: monitor.properties(device) for device in asked}
            drivers = [driver for driver, options in _DRIVERS.items() if monitor.loads(driver, options)]
        properties = {device: sorted(names) for device, names in answers.items() if names is not None}
        _save(store, {"qemu": str(qemu.path), "properties": properties, "drivers": drivers})
        frozen = {device: frozenset(names) for device, names in properties.items()}
        return cls(qemu, asked, frozen, frozenset(drivers), store)


class _Monitor:
    """A QEMU without a machine, asked over QMP (QEMU's docs/interop/qmp-spec) on its standard streams."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            self._keeper = stack.enter_context(Keeper())
            self._socket, theirs = socket.socketpair()
            stack.enter_context(self._socket)
            self._answers = stack.enter_context(self._socket.makefile("rb"))
            with theirs:
                self._process = self._keeper.start(
                    [self._qemu.path, *_QMP_ONLY], theirs, theirs, self._errors
                )
            self._undo = stack.pop_all()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="zonevm-abilities", daemon=True)
        self._watcher.start()
        try:
            self._answer("qmp_capabilities", {})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._watcher.join()
        self._undo.close()

    def properties(self, device: str) -> list[str] | None:
        """Return the names of the properties of ``device``; None where this QEMU has no such device."""
        answer = self._answer("device-list-properties", {"typename": device})
        return [each["name"] for each in answer["return"]] if "return" in answer else None

    def loads(self, driver: str, options: Mapping[str, Any]) -> bool:
        """Whether a block driver is there: ``options`` lead nowhere, and it then fails in its own way."""
        answer = self._answer("blockdev-add", {"driver": driver, "node-name": f"ask-{driver}", **options})
        return _UNKNOWN_DRIVER not in answer.get("error", {}).get("desc", "")

    def _answer(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        question = json.dumps({"execute": command, "arguments": arguments})
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(question.encode() + b"\n")
            for line in self._answers:
                with contextlib.suppress(ValueError):
                    answer = json.loads(line)
                    if "return" in answer or "error" in answer:
                        return cast(dict[str, Any], answer)
        raise QemuError(
            f"{self._qemu.path} ended, or said nothing for {_SECONDS} s, when asked what it can do: "
            f"{self._last_error()}",
            "Name a working QEMU with --qemu PATH.",
        )

    def _watch(self) -> None:
        """End a QEMU that does not answer: whoever waits for it then reads an end of file."""
        patience = Patience(_SECONDS, self._process.pid)
        while not self._over.wait(_POLL_SECONDS):
            if patience.is_over():
                self._process.kill()
                return

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def _save(store: Path, answers: Mapping[str, Any]) -> None:
    """Remember ``answers``; a cache that cannot be written costs time only."""
    with contextlib.suppress(HostError):
        kept.store(store, json.dumps(answers).encode())
