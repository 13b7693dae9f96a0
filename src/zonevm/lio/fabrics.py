"""Fabrics of LIO: puts a storage object behind a target, and takes it away. Keeps no list.

Both fabrics need a nexus, the session of the only initiator that there is: the guest for ``vhost``, this
host for ``loopback``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from zonevm.errors import HostError
from zonevm.lio.backstores import handle
from zonevm.lio.library import rtslib
from zonevm.lio.modules import TARGET
from zonevm.patience import Patience

_SCSI = Path("/sys/class/scsi_device")
_APPEAR_SECONDS = 60
_LET_GO_SECONDS = 5
_POLL_SECONDS = 0.05


def create(fabric: str, wwn: str, storage_object: Path) -> None:
    """Make the target ``wwn`` with group 1, its nexus, and LUN 0: the storage object. Raises
    :class:`HostError`.

    What was made when a step fails stays: :func:`remove` takes it away.
    """
    with rtslib(f"make the {fabric} target {wwn}") as lio:
        target = lio.Target(lio.FabricModule(fabric), wwn, "create")
    with rtslib(f"make the target portal group of {wwn} and its nexus") as lio:
        group = lio.TPG(target, 1, "create")
    with rtslib(f"make LUN 0 of {wwn}") as lio:
        lio.LUN(group, 0, handle(lio, storage_object))


def exists(fabric: str, wwn: str) -> bool:
    """Whether there is such a target, of ours or not."""
    return _path(fabric, wwn).is_dir()


def remove(fabric: str, wwn: str, storage_object: Path | None) -> None:
    """Remove the target ``wwn`` if it is there and has no LUN but ``storage_object``; else it is not ours.

    Raises :class:`HostError`, and changes nothing, for a target that is in use.
    """
    if not exists(fabric, wwn) or _luns(fabric, wwn) - {storage_object}:
        return
    _wait_until_unused(fabric, wwn)
    with rtslib(f"remove the {fabric} target {wwn}") as lio:
        lio.Target(lio.FabricModule(fabric), wwn, "lookup").delete()
    # The kernel's own directory for the fabric; it stays where there are other targets.
    with contextlib.suppress(OSError):
        _path(fabric, wwn).parent.rmdir()


def device(wwn: str) -> Path | None:
    """Return the node of the disk that a loopback target is on this host, or None if there is none yet."""
    try:
        # tcm_loop.c: host and channel of the SCSI host, and the target's number, which is that of the group.
        address = (_path("loopback", wwn) / "tpgt_1/address").read_text().strip()
    except OSError:
        return None
    for disk in _SCSI.glob(f"{address}:0/device/block/*"):
        node = Path("/dev") / disk.name
        if node.exists():
            return node
    return None


def wait_for_device(wwn: str) -> Path:
    """Return the node of a loopback target's disk, once it is there; :class:`HostError` after a minute."""
    patience = Patience(_APPEAR_SECONDS)
    while (node := device(wwn)) is None:
        if patience.is_over():
            raise HostError(
                f"the loopback target {wwn} is set up, but no disk appeared in {_APPEAR_SECONDS} seconds",
                "See why the kernel did not take it: dmesg | grep -E 'tcm_loop|scsi|sd '",
            )
        time.sleep(_POLL_SECONDS)
    return node


def _wait_until_unused(fabric: str, wwn: str) -> None:
    patience = Patience(_LET_GO_SECONDS)
    while user := _user(fabric, wwn):
        if patience.is_over():
            raise HostError(
                f"the {fabric} target {wwn} is in use: {user}", "End what uses it, then try again."
            )
        time.sleep(_POLL_SECONDS)


def _user(fabric: str, wwn: str) -> str:
    """Return what keeps the target from being removed, or ''."""
    if fabric == "loopback":
        node = device(wwn)
        try:
            # Exclusively: a mount, a holder such as device mapper, or swap is in the way (open(2), O_EXCL).
            if node is not None:
                os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            return f"{node} is mounted, or part of another device" if error.errno == errno.EBUSY else ""
        return ""
    try:
        # A group with a LUN cannot be removed. But the kernel looks first at whether vhost-scsi has an
        # endpoint there (configfs_rmdir: s_dependent_count).
        (_path(fabric, wwn) / "tpgt_1").rmdir()
    except OSError as error:
        return "a QEMU has it open" if error.errno == errno.EBUSY else ""
    return ""


def _luns(fabric: str, wwn: str) -> set[Path]:
    links = _path(fabric, wwn).glob("tpgt_*/lun/lun_*/*")
    return {link.resolve() for link in links if link.is_symlink()}


def _path(fabric: str, wwn: str) -> Path:
    return TARGET / fabric / wwn
