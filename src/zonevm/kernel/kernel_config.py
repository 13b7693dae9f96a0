"""Finds the configuration that a kernel was built with: test suites look for it in the guest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zonevm.kernel.build_tree import is_build_tree
from zonevm.kernel.kernel import Kernel


def find_config(kernel: Kernel) -> Path | None:
    """Return the configuration of ``kernel``, where a package or a build tree has it; None: nowhere."""
    return next((path for path in _places(kernel) if path.is_file() and os.access(path, os.R_OK)), None)


def _places(kernel: Kernel) -> Iterator[Path]:
    image = kernel.image.absolute()
    if image.match("arch/*/boot/bzImage") and is_build_tree(image.parents[3]):
        yield image.parents[3] / ".config"
    yield image.parent / f"config-{kernel.version}"
    if image.name == "vmlinuz" and image.parent.name == kernel.version:
        yield image.parent / "config"
    if kernel.modules is not None:
        yield kernel.modules / "config"
