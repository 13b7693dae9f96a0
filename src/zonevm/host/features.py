"""Tells which features the host's running kernel has: built in, loaded, loadable, or not at all.

Loads nothing. It reads /sys/module, the indexes of depmod(8) in /lib/modules, the kernel's configuration.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from zonevm.host import sysfs


class State(Enum):
    """Where a feature of the kernel is."""

    BUILT_IN = "built into the kernel"
    LOADED = "module loaded"
    LOADABLE = "module there, not loaded"
    NOT_INSTALLED = "built as a module, whose file is not installed"
    NOT_BUILT = "not built for this kernel"
    UNKNOWN = "not found, and the kernel's configuration cannot be read"

    @property
    def works(self) -> bool:
        """Whether the feature can be used right now."""
        return self in (State.BUILT_IN, State.LOADED)


@dataclass(frozen=True)
class KernelFeatures:
    """The features of kernel ``release``, which runs, below ``root``."""

    root: Path
    release: str

    def state(self, module: str, option: str) -> State:
        """Return the state of ``module``, which the kernel's configuration calls CONFIG_``option``."""
        configured = self._config.get(option)
        if module in self._builtin or configured == "y":
            return State.BUILT_IN
        if (self.root / "sys/module" / module).exists():
            return State.LOADED
        if module in self._loadable:
            return State.LOADABLE
        if configured == "m":
            return State.NOT_INSTALLED
        return State.NOT_BUILT if self._config or self._loadable else State.UNKNOWN

    def lacks(self, option: str) -> bool:
        """Whether the kernel's configuration can be read and does not have CONFIG_``option``."""
        return bool(self._config) and option not in self._config

    @cached_property
    def _config(self) -> dict[str, str]:
        """The options that are set; none where no configuration can be read."""
        return dict(re.findall(r"^CONFIG_(\w+)=([ym])$", self._config_text(), re.MULTILINE))

    def _config_text(self) -> str:
        if packed := sysfs.raw(self.root / "proc/config.gz"):
            return gzip.decompress(packed).decode(errors="replace")
        places = (self.root / "boot" / f"config-{self.release}", self._modules / "config")
        return next((text for place in places if (text := sysfs.text(place))), "")

    @cached_property
    def _loadable(self) -> frozenset[str]:
        lines = sysfs.text(self._modules / "modules.dep").splitlines()
        return frozenset(_module(line.partition(":")[0]) for line in lines)

    @cached_property
    def _builtin(self) -> frozenset[str]:
        return frozenset(map(_module, sysfs.text(self._modules / "modules.builtin").splitlines()))

    @property
    def _modules(self) -> Path:
        return self.root / "lib/modules" / self.release


def _module(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
