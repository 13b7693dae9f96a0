"""Tells by a kernel's own bytes that a driver is not built in, where no ``modules.builtin`` says what is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zonevm.errors import KernelError
from zonevm.kernel.kernel import Kernel

_DRIVERS = {
    **{name: name for name in ("9pnet_virtio", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng")},
    **{"virtio_pci": "virtio-pci", "virtio_scsi": "virtio_scsi", "virtiofs": "virtiofs", "nvme": "nvme"},
}
"""Modules, and the name that the driver in each is registered by: a string of the kernel that has it."""


def require_builtin(kernel: Kernel, image: Path, wanted: Iterable[tuple[str, str]]) -> None:
    """Raise :class:`KernelError` if ``kernel``, which has no modules, cannot have all that is ``wanted``.

    ``wanted`` are ``(module, what needs it)`` pairs; ``image`` is the kernel unpacked, or else as it was:
    then nothing can be told, and nothing is.
    """
    if image == kernel.image:
        return
    code = image.read_bytes()
    lacking = [
        (module, reason)
        for module, reason in wanted
        if module in _DRIVERS and code.find(_DRIVERS[module].encode() + b"\0") < 0
    ]
    if lacking:
        names = ", ".join(dict.fromkeys(f"{module} ({reason})" for module, reason in lacking))
        places = ", ".join(kernel.sought)
        raise KernelError(
            f"the kernel {kernel.image} has not built in: {names}; "
            f"no modules of {kernel.version} are in {places}",
            "Build them in, or name a directory with kernel and modules; `zonevm kernel pull` gets both.",
        )
