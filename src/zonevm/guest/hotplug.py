"""Lets a user add disks to a guest that runs: a QMP socket for them, and spare PCIe root ports."""

from __future__ import annotations

import contextlib
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm.attach import vhost_user_scsi
from zonevm.attach.pci import spare_ports
from zonevm.attach.qemu_options import option_string
from zonevm.errors import UsageError

METHOD = vhost_user_scsi.METHOD
"""How disks are added later; the guest needs the drivers from the start, since nothing loads them then."""

_SOCKET_PATH_BYTES = 107
_CONNECT_SECONDS = 5


def arguments(path: Path) -> list[str]:
    """Return QEMU's arguments for a QMP socket at ``path``, and for places where devices can be added."""
    monitor = option_string("socket,id=qmp,server=on,wait=off", path=path.absolute())
    return ["-chardev", monitor, "-mon", "chardev=qmp,mode=control", *spare_ports()]


@contextmanager
def claimed(path: Path | None) -> Iterator[None]:
    """Remove the socket that a QEMU makes at ``path``, once left; one that a killed QEMU left is replaced.

    Raises :class:`UsageError` where something else is, or QEMU cannot make one.
    """
    if path is None:
        yield
        return
    _check(path)
    path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _check(path: Path) -> None:
    if len(bytes(path.absolute())) > _SOCKET_PATH_BYTES:
        raise UsageError(
            f"{path} is too long for a socket: its path has at most {_SOCKET_PATH_BYTES} bytes",
            "Give --qmp a shorter one, below /tmp for example.",
        )
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        if path.absolute().parent.is_dir():
            return
        raise UsageError(
            f"there is no directory {path.absolute().parent} for the QMP socket",
            "Make it first, or give --qmp another place.",
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Give --qmp another place.") from error
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is there already, and is not a socket", "Give --qmp a new name.")
    if _is_served(path):
        raise UsageError(f"the socket {path} is in use by another process", "Give --qmp another name.")


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(ConnectionRefusedError):
        client.settimeout(_CONNECT_SECONDS)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            client.connect(str(path))
        return True
    return False
