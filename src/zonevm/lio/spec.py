"""WHAT a target is: a backstore, a fabric, names. Pure but for a look at an image; makes nothing.

Also spells the commands that make the same by hand with targetcli.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from zonevm.errors import ImageError, UsageError
from zonevm.lio.cfgstring import ZbcConfig
from zonevm.lio.zbc_image import inspect
from zonevm.units import format_size

PREFIX = "zonevm-"
"""What the name of every storage object of ours begins with."""

FABRICS = {"vhost": ("vhost_scsi",), "loopback": ("tcm_loop", "sd_mod", "sg")}
"""The fabrics by their names in configfs, and the kernel modules of each."""

_OUI = "naa.5001405"


@dataclass(frozen=True)
class Pscsi:
    """A SCSI disk of this host, handed through: ``device`` is its block or SG node. Made by :meth:`plan`."""

    device: Path

    plugin: ClassVar[str] = "pscsi"
    kind: ClassVar[str] = "pscsi"
    modules: ClassVar[tuple[str, ...]] = ("target_core_pscsi",)

    @classmethod
    def plan(cls, device: Path) -> Pscsi:
        """Return the backstore of a device. Raises :class:`UsageError` if it is not there or not SCSI."""
        try:
            number = device.stat()
        except OSError as error:
            raise UsageError(
                f"{device}: {error.strerror}", "See the disks of this host: zonevm devices"
            ) from error
        kind = {stat.S_IFBLK: "block", stat.S_IFCHR: "char"}.get(stat.S_IFMT(number.st_mode))
        # Of an SG node and of a whole disk, "device" is the SCSI device itself.
        subsystem = Path(
            f"/sys/dev/{kind}/{os.major(number.st_rdev)}:{os.minor(number.st_rdev)}/device/subsystem"
        )
        if kind is None or subsystem.resolve().name != "scsi":
            raise UsageError(
                f"{device} is not the node of a SCSI disk, which a pscsi backstore needs",
                "Give a whole disk such as /dev/sdb, or its SG node. See: zonevm devices --all",
            )
        return cls(device)

    @property
    def source(self) -> str:
        """What the backstore is made of, in a word."""
        return str(self.device)

    def by_hand(self, name: str) -> list[str]:
        """Return the targetcli commands that make the backstore."""
        return [_targetcli("/backstores/pscsi", "create", f"name={name}", f"dev={self.device}")]


@dataclass(frozen=True)
class UserZbc:
    """A zoned disk emulated by tcmu-runner, in ``config.path``, of ``size`` bytes.

    ``config`` with options formats the image once, when the target is made; the target itself always opens
    it by its path alone, so that the zones keep their state when tcmu-runner opens it again. Made by
    :meth:`plan`.
    """

    config: ZbcConfig
    size: int

    plugin: ClassVar[str] = "user"
    kind: ClassVar[str] = "user:zbc"
    modules: ClassVar[tuple[str, ...]] = ("target_core_user",)

    @classmethod
    def plan(cls, config: ZbcConfig, size: int | None = None, *, reinitialise: bool = False) -> UserZbc:
        """Return the backstore of an image that exists, or that is created with ``size`` bytes.

        An existing image keeps its zones, and opening it with options is refused unless ``reinitialise``,
        which empties all of them; options that are not given are then as the image has them. Raises
        :class:`UsageError` and :class:`ImageError`.
        """
        path = config.path
        if not path.exists():
            return cls._new(config, size)
        image = inspect(path)
        if size not in (None, image.size):
            raise ImageError(
                f"{path} holds a disk of {format_size(image.size)}, not of {format_size(size or 0)}",
                "Leave the size out, or give another file.",
            )
        if not reinitialise:
            if config.formats:
                raise ImageError(
                    f"{path} exists, and opening it with options in the cfgstring would empty all its zones",
                    f"Use cfgstring {path} to open it as it is, or reinitialise it explicitly.",
                )
            return cls(config, image.size)
        kept = {
            name: getattr(image, name)
            for name in ("model", "block_size", "zone_size", "conventional", "max_open")
        }
        given = {name: value for name, value in vars(config).items() if value is not None}
        config = ZbcConfig(**(kept | given))
        config.check_size(image.size)
        return cls(config, image.size)

    @classmethod
    def _new(cls, config: ZbcConfig, size: int | None) -> UserZbc:
        if size is None:
            raise ImageError(f"{config.path} does not exist", "Give a size too, and it is created.")
        if not config.path.parent.is_dir():
            raise ImageError(f"{config.path.parent} is not a directory", "Create it, or give another path.")
        config.check_size(size)
        return cls(config.explicit(), size)

    @property
    def source(self) -> str:
        """What the backstore is made of, in a word."""
        return str(self.config.path)

    def opened(self) -> UserZbc:
        """Return the backstore that the target has: the image as it is."""
        return replace(self, config=self.config.path_only())

    def by_hand(self, name: str) -> list[str]:
        """Return the targetcli commands that make the backstore; tcmu-runner has to run."""
        where = "/backstores/user:zbc"
        create = (where, "create", f"name={name}", f"size={self.size}")
        opened = _targetcli(*create, f"cfgstring={self.config.path_only()}")
        if not self.config.formats:
            return [opened]
        # With options in its cfgstring the image would be formatted again at every restart of tcmu-runner.
        formatted = _targetcli(*create, f"cfgstring={self.config}")
        return [formatted, _targetcli(where, "delete", name), opened]


Backstore = Pscsi | UserZbc


@dataclass(frozen=True)
class TargetSpec:
    """A target with one LUN, 0, in target portal group 1.

    ``name`` is the user's name for it; ``wwn`` is its world wide name, ``naa.`` and 16 hexadecimal digits, by
    which QEMU finds it (the WWPN). Checked at construction: :class:`UsageError`.
    """

    name: str
    backstore: Backstore
    fabric: str
    wwn: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", self.name):
            raise UsageError(
                f"{self.name!r} cannot be a target's name",
                "A name has at most 64 letters, digits and -_., and starts with a letter or digit.",
            )
        if self.fabric not in FABRICS:
            raise UsageError(f"unknown fabric {self.fabric!r}", f"Fabrics: {', '.join(FABRICS)}.")
        # rtslib makes other names of NAA 6, and refuses NAA 3.
        if not re.fullmatch(r"naa\.5[0-9a-f]{15}", self.wwn):
            raise UsageError(
                f"{self.wwn!r} is not a world wide name for a target",
                f"It is naa.5 and 15 more hexadecimal digits in lower case, such as {_OUI}0a1b2c3d4.",
            )

    @property
    def object_name(self) -> str:
        """The name of the storage object in configfs."""
        return PREFIX + self.name

    @property
    def modules(self) -> tuple[str, ...]:
        """The kernel modules that the target needs beside LIO's core."""
        return (*self.backstore.modules, *FABRICS[self.fabric])

    def by_hand(self) -> list[str]:
        """Return the commands that make the same target by hand, as root."""
        # targetcli shows the one group of a fabric that cannot have several as the target itself.
        group = f"/{self.fabric}/{self.wwn}" + ("/tpg1" if self.fabric == "vhost" else "")
        source = f"/backstores/{self.backstore.kind}/{self.object_name}"
        return [
            shlex.join(("modprobe", "-a", "target_core_mod", *self.modules)),
            *self.backstore.by_hand(self.object_name),
            _targetcli(f"/{self.fabric}", "create", self.wwn),
            _targetcli(f"{group}/luns", "create", source),
        ]

    def undo_by_hand(self) -> list[str]:
        """Return the commands that undo :meth:`by_hand`."""
        return [
            _targetcli(f"/{self.fabric}", "delete", self.wwn),
            _targetcli(f"/backstores/{self.backstore.kind}", "delete", self.object_name),
        ]


def random_wwn() -> str:
    """Return a world wide name of the form that LIO's own tools choose: NAA 5, OpenFabrics' OUI, random."""
    return _OUI + secrets.token_hex(5)[1:]


def _targetcli(*words: str) -> str:
    return shlex.join(("targetcli", *words))
