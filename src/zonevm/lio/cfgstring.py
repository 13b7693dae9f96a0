"""The configuration string of tcmu-runner's ``zbc`` handler: ``[option/option...@]/path``. Pure: no I/O.

The grammar and the limits are those of tcmu-runner's ``file_zbc.c`` (``zbc_parse_config``,
``zbc_format_meta``), and of what carries the string there: Linux's ``target_core_user.c`` and rtslib.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from zonevm.errors import UsageError
from zonevm.inputs import check_path, shown
from zonevm.units import format_size

MIB = 2**20
DEFAULT_BLOCK = 512
DEFAULT_ZONE_SIZE = 256 * MIB

_FORM = "A cfgstring is /path, or options and a path such as model-HM/zsize-256/conv-10@/path."
_OPTIONS = "model-HM|HA, lba-512|4096, zsize-MiB, conv-N, open-N"
_UNSIGNED = 2**32
# TCMU_CONFIG_LEN is 256 with the closing NUL, and the handler's name stands in front: "zbc/".
_LONGEST = 256 - 1 - len("zbc/")


@dataclass(frozen=True)
class ZbcConfig:
    """What a configuration string says; ``None`` is an option that is not in it.

    ``zone_size`` is in bytes. With any option tcmu-runner empties all zones whenever it opens the image;
    with a path alone an image keeps its zones (:attr:`formats`).
    """

    path: Path
    model: str | None = None
    block_size: int | None = None
    zone_size: int | None = None
    conventional: int | None = None
    max_open: int | None = None

    def __post_init__(self) -> None:
        if not self.path.is_absolute():
            raise UsageError(f"cfgstring: the path '{shown(self.path)}' does not start with /", _FORM)
        try:
            str(check_path(self.path)).encode()
        except ValueError:
            raise UsageError(
                f"cfgstring: the path '{shown(self.path)}' is not UTF-8, as LIO has its texts",
                "Use a link or another directory.",
            ) from None
        if bad := re.search(r"[,:\s\0]", str(self.path)):
            raise UsageError(
                f"cfgstring: {bad[0]!r} in the path {str(self.path)!r}",
                "LIO takes no comma, colon or white space in it; use a link or another directory.",
            )
        self._check_options()
        if len(str(self).encode()) > _LONGEST:
            raise UsageError(
                f"cfgstring: {len(str(self).encode())} bytes are more than the {_LONGEST} that LIO takes",
                "Use a shorter path.",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``text`` says. Raises :class:`UsageError` for what tcmu-runner would refuse."""
        if text.startswith("/"):
            return cls(Path(text))
        options, at, path = text.partition("@")
        if not at:
            raise UsageError(f"cfgstring: '{shown(text)}' has no path", _FORM)
        given: dict[str, str | int] = {}
        for option in options.split("/"):
            field, value = _parse_option(option)
            if field in given:
                raise UsageError(
                    f"cfgstring: {option.partition('-')[0]} is given twice", "Keep one of the two."
                )
            given[field] = value
        return cls(Path(path), **given)  # type: ignore[arg-type]

    def __str__(self) -> str:
        options = [
            f"{name}-{value}"
            for name, value in (
                ("model", self.model),
                ("lba", self.block_size),
                ("zsize", None if self.zone_size is None else self.zone_size // MIB),
                ("conv", self.conventional),
                ("open", self.max_open),
            )
            if value is not None
        ]
        return f"{'/'.join(options)}@{self.path}" if options else str(self.path)

    @property
    def formats(self) -> bool:
        """Whether opening an image by this string empties its zones, whatever they hold."""
        return self != self.path_only()

    def path_only(self) -> ZbcConfig:
        """Return the string that opens the same image as it is."""
        return ZbcConfig(self.path)

    def explicit(self) -> ZbcConfig:
        """Return the same disk with a model in the string, so that opening the image does format it."""
        return self if self.formats else replace(self, model="HM")

    def check_size(self, size: int) -> None:
        """Raise :class:`UsageError` unless a disk of ``size`` bytes can be formatted by this string."""
        block = self.block_size or DEFAULT_BLOCK
        zone_size = self.zone_size or DEFAULT_ZONE_SIZE
        if size < block or size % block:
            raise UsageError(
                f"size={size} bytes is not a multiple of the block size, {block}",
                f"Write size={-(-size // block) * block or block}.",
            )
        zones = -(-size // zone_size)
        conventional = 1 if self.conventional is None else self.conventional
        if conventional >= zones:
            raise UsageError(
                f"cfgstring: {conventional} conventional zones, but size={format_size(size)} with "
                f"zones of {format_size(zone_size)} is {zones} zones, and at least one has to be sequential",
                f"conv is at most {zones - 1} here."
                if self.conventional
                else "Use a larger size or a smaller zsize.",
            )

    def _check_options(self) -> None:
        if self.model not in (None, "HM", "HA"):
            raise UsageError(f"cfgstring: model-{shown(self.model)} is not a model", "The model is HM or HA.")
        if self.block_size not in (None, 512, 4096):
            raise UsageError(f"cfgstring: lba-{self.block_size} is not a block size", "lba is 512 or 4096.")
        most = (_UNSIGNED >> 1) * (self.block_size or DEFAULT_BLOCK)
        size = self.zone_size
        if size is not None and (size < MIB or size & (size - 1) or size > most):
            raise UsageError(
                f"cfgstring: a zone of {format_size(size)} is not possible",
                f"zsize is a power of two, in MiB, from 1 to {most // MIB}.",
            )
        for name, value, least in (("conv", self.conventional, 0), ("open", self.max_open, 1)):
            # The greatest 32-bit number stands for "not given" in tcmu-runner.
            if value is not None and not least <= value < _UNSIGNED - 1:
                raise UsageError(
                    f"cfgstring: {name}-{value} is out of range",
                    f"{name} is from {least} to {_UNSIGNED - 2}.",
                )


def _parse_option(option: str) -> tuple[str, str | int]:
    name, _, value = option.partition("-")
    if name == "model":
        return "model", value
    field = {"lba": "block_size", "zsize": "zone_size", "conv": "conventional", "open": "max_open"}.get(name)
    if field is None:
        raise UsageError(
            f"cfgstring: '{shown(option)}' is not an option of the zbc handler", f"Options: {_OPTIONS}."
        )
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise UsageError(
            f"cfgstring: '{shown(option)}' is not {name}- and a whole number", f"Options: {_OPTIONS}."
        )
    return field, int(value) * (MIB if name == "zsize" else 1)
