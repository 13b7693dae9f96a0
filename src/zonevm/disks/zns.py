"""A zoned namespace (NVMe ZNS): zonevm's own, kept in an image, or one that QEMU itself emulates.

The limits of QEMU's are those that its ``hw/nvme/ns.c`` and ``hw/nvme/ctrl.c`` check.
"""

from __future__ import annotations

import uuid as uuids
from dataclasses import KW_ONLY
from typing import ClassVar

from zonevm.disks.emulated import Emulated
from zonevm.disks.option import Option, described
from zonevm.disks.value import Count, Flag, Maybe, Size, Uuid, Word
from zonevm.disks.zns_shape import ZnsShape
from zonevm.units import format_size

_ZRWA_BLOCKS = 2**16 - 1
_OF_QEMU = ("zasl", "auto-transition", "numzrwa", "zrwas", "zrwafg", "uuid")
_OURS = ("queues", "controller", "cache", "timing", "wwn")


@described
class ZnsDisk(Emulated, ZnsShape):
    """An NVMe namespace with zones.

    zonevm's own keeps data and zone state in ``file``, an image that is created with ``size`` or ``profile``
    where there is none; options that are given have to agree with one that exists. QEMU's (``via="qemu"``)
    keeps data in a raw file but no zone state: every zone is empty again when a guest starts. Without
    ``file`` either is gone when the guest is.
    """

    kind: ClassVar[str] = "zns"
    summary: ClassVar[str] = "an NVMe namespace with zones (ZNS), emulated by zonevm or by QEMU"
    if_raw: ClassVar[str] = "If it is a raw file of QEMU's own namespace: add via=qemu."

    _: KW_ONLY
    via: Option[str | None, str | None] = Option(
        Maybe(Word("vfio-user", "qemu")),
        None,
        "vfio-user: zonevm's own; qemu: QEMU's, without zone state; default: vfio-user, if QEMU has it",
    )
    zasl: Option[int | str, int] = Option(
        Count(0, 7),
        0,
        "via=qemu: largest zone append is 4 KiB << zasl; 0: as large as any transfer",
        qemu="nvme.zoned.zasl",
    )
    auto_transition: Option[bool | str, bool] = Option(
        Flag(),
        True,
        "via=qemu: close an implicitly open zone when a resource is needed for another",
        qemu="nvme.zoned.auto_transition",
    )
    numzrwa: Option[int | str, int] = Option(
        Count(0, 2**32 - 1),
        0,
        "via=qemu: zones that may have a random write area at a time; 0: all",
        qemu="nvme-ns.zoned.numzrwa",
    )
    zrwas: Option[int | str, int] = Option(
        Size(0),
        0,
        "via=qemu: size of a zone's random write area (ZRWA); 0: none",
        qemu="nvme-ns.zoned.zrwas",
    )
    zrwafg: Option[int | str | None, int | None] = Option(
        Maybe(Size()),
        None,
        "via=qemu: ZRWA flush granularity; default: block-size",
        qemu="nvme-ns.zoned.zrwafg",
    )
    uuid: Option[str | uuids.UUID | None, uuids.UUID | None] = Option(
        Maybe(Uuid()),
        None,
        "via=qemu: the namespace's UUID; default: a random one at every start",
        qemu="nvme-ns.uuid",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.via == "qemu":
            self._refuse(_OURS, "QEMU's namespaces have none", "Leave it out, or leave via=qemu out.")
            self._check_random_write_area()
            if self.file is not None:
                self.note(
                    f"zns: QEMU keeps no zone state: every zone of {self.file} is empty when the guest starts"
                )
        else:
            self._refuse(_OF_QEMU, "only QEMU's namespaces have it", "Add via=qemu, or leave it out.")
            self._check_block("zone-size", self.zone_size)
            self._check_block("zone-capacity", self.capacity_of_zone)

    @property
    def fails(self) -> bool:
        """Whether it can fail on purpose: zonevm itself serves it."""
        return self.via != "qemu"

    @property
    def needs_zonevm(self) -> str:
        """Why QEMU's own namespace cannot take its place, in words; empty: it can."""
        if self.file is not None:
            return f"file={self.file} keeps its zones"
        return next((f"{name} is given" for name in _OURS if name in self.given), "")

    def _refuse(self, names: tuple[str, ...], why: str, hint: str) -> None:
        for name in names:
            if name in self.given:
                raise self.wrong(name, why, hint)

    def _check_random_write_area(self) -> None:
        block = self.block_size
        if not self.zrwas:
            for name, value in (("numzrwa", self.numzrwa), ("zrwafg", self.zrwafg)):
                if value:
                    raise self.wrong(
                        name, "there is no random write area without zrwas", "Add zrwas=64K, for example."
                    )
            return
        granularity = block if self.zrwafg is None else self.zrwafg
        for name, size in (("zrwas", self.zrwas), ("zrwafg", granularity)):
            if size % block or size // block > _ZRWA_BLOCKS:
                raise self.wrong(
                    name,
                    f"not 1 to {_ZRWA_BLOCKS} blocks of block-size={block}",
                    f"{name} is a multiple of {block}, at most {format_size(_ZRWA_BLOCKS * block)} bytes.",
                )
        if self.zrwas % granularity:
            raise self.wrong(
                "zrwas",
                f"not a multiple of the flush granularity, zrwafg={format_size(granularity)}",
                f"Use a multiple of {format_size(granularity)}.",
            )
        if self.max_active and self.numzrwa > self.max_active:
            raise self.wrong(
                "numzrwa",
                f"more than max-active={self.max_active}, and such a zone is an active one",
                f"numzrwa is at most {self.max_active} here.",
            )
