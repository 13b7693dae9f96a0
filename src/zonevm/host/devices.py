"""Lists the host's block devices, zoned or not, as sysfs tells of them: no root, nothing is opened.

Who may use one is for ``usable`` to say.
"""

from __future__ import annotations

import stat
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from zonevm.errors import HostError
from zonevm.host import sysfs
from zonevm.host.identity import Identity, identity, scsi_identity, scsi_transport, transport
from zonevm.host.usage import Usage, Use, partitions

ZonedModel = Literal["none", "host-aware", "host-managed"]

_SECTOR = 512  # The unit of sysfs, whatever the device's block size (Documentation/ABI/stable/sysfs-block).
_TYPE_ZBC = 0x14


@dataclass(frozen=True)
class Zones:
    """The zones of a zoned device.

    ``size`` in bytes; the last zone may be smaller. ``max_open`` and ``max_active``: None where the device
    has no limit, or the kernel does not tell (before 5.9).
    """

    count: int
    size: int
    max_open: int | None
    max_active: int | None


@dataclass(frozen=True)
class Device:
    """One whole block device of the host, or a zoned SCSI disk that has an SG node only.

    ``name`` is the kernel's. ``node`` is None for a zoned SCSI disk under a kernel without
    CONFIG_BLK_DEV_ZONED: its capacity, block sizes and zones are then unknown (0, None). ``number`` is
    ``major:minor``. ``links`` are the names in /dev/disk/by-id and /dev/mapper. ``capacity`` and block sizes
    are in bytes. ``uses`` are those of the device itself, its SG node, its partitions and all that is
    stacked on them.
    """

    name: str
    node: Path | None
    sg_node: Path | None
    number: str
    links: tuple[Path, ...]
    transport: str
    zoned: ZonedModel
    zones: Zones | None
    capacity: int
    logical_block_size: int
    physical_block_size: int
    identity: Identity
    partitions: tuple[str, ...]
    uses: tuple[Use, ...]

    @property
    def scsi(self) -> bool:
        """Whether it takes SCSI commands: without an SG node, INQUIRY's vendor tells."""
        return self.sg_node is not None or self.identity.vendor != ""

    @property
    def system(self) -> bool:
        """Whether the running system is on it."""
        return any(use.system for use in self.uses)

    def __str__(self) -> str:
        return str(self.node or self.sg_node)


def block_devices(root: Path = Path("/")) -> list[Device]:
    """Return the devices below ``root`` (a root file system with dev, proc and sys), by their numbers."""
    usage, links = Usage(root), _links(root)
    blocks = [root / "sys/block" / name for name in sysfs.names(root / "sys/block")]
    # A path of a multipath NVMe namespace is hidden: only the namespace itself can be used.
    shown = [block for block in blocks if sysfs.text(block / "hidden") != "1"]
    devices = [_block_device(root, block, usage, links) for block in shown]
    devices.sort(key=lambda device: [int(part) for part in device.number.split(":") if part])
    return [*devices, *_without_node(root, usage)]


def find_device(path: Path, root: Path = Path("/")) -> Device:
    """Return the device that ``path`` names: its block node, its SG node or a link to one.

    Raises :class:`HostError` where nothing is there, for a partition, and for anything else that is no
    block device.
    """
    place = _place(path, root)
    try:
        mode = place.stat().st_mode
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", "`zonevm devices --all` lists all devices.") from error
    node = named_node(path, root)
    for device in block_devices(root):
        if node in (device.node, device.sg_node):
            return device
        if node.parent == Path("/dev") and node.name in device.partitions:
            raise HostError(f"{path} is a partition of {device}", f"A guest gets whole disks: name {device}.")
    if stat.S_ISREG(mode):
        hint = f"For a disk whose data is in a file: smr,file={path} or zns,file={path}."
    else:
        hint = "`zonevm devices --all` lists the block devices of this host."
    raise HostError(f"{path} is {_what(mode)}, not a block device or its SG node", hint)


def named_node(path: Path, root: Path = Path("/")) -> Path:
    """Return the node that ``path`` is, or is a link to."""
    return _under(root, _place(path, root).resolve())


def scsi_address(device: Device, root: Path = Path("/")) -> tuple[int, int, int, int] | None:
    """Return host, channel, target and LUN of a SCSI device; None for one without an SG node."""
    if device.sg_node is None:
        return None
    name = Path(sysfs.link(root / "sys/class/scsi_generic" / device.sg_node.name / "device")).name
    host, channel, target, lun = map(int, name.split(":"))
    return host, channel, target, lun


def _block_device(root: Path, block: Path, usage: Usage, links: dict[str, list[Path]]) -> Device:
    queue, name = block / "queue", block.name
    sg = next(iter(sysfs.names(block / "device/scsi_generic")), None)
    capacity = sysfs.number(block / "size") * _SECTOR
    zoned = cast(ZonedModel, sysfs.text(queue / "zoned") or "none")
    return Device(
        name=name,
        node=Path("/dev", name.replace("!", "/")),
        sg_node=Path("/dev", sg) if sg else None,
        number=sysfs.text(block / "dev"),
        links=tuple(links[name]),
        transport=transport(block),
        zoned=zoned,
        zones=None if zoned == "none" else _zones(queue, capacity),
        capacity=capacity,
        logical_block_size=sysfs.number(queue / "logical_block_size"),
        physical_block_size=sysfs.number(queue / "physical_block_size"),
        identity=identity(block),
        partitions=tuple(partitions(root, name)),
        uses=usage.of(name, *([sg] if sg else [])),
    )


def _zones(queue: Path, capacity: int) -> Zones:
    size = sysfs.number(queue / "chunk_sectors") * _SECTOR
    count = sysfs.number(queue / "nr_zones") or (-(-capacity // size) if size else 0)
    limits = (sysfs.number(queue / name) or None for name in ("max_open_zones", "max_active_zones"))
    return Zones(count, size, *limits)


def _without_node(root: Path, usage: Usage) -> list[Device]:
    generic = root / "sys/class/scsi_generic"
    return [
        Device(
            name=name,
            node=None,
            sg_node=Path("/dev", name),
            number="",
            links=(),
            transport=scsi_transport(generic / name / "device"),
            zoned="host-managed",
            zones=None,
            capacity=0,
            logical_block_size=0,
            physical_block_size=0,
            identity=scsi_identity(generic / name / "device"),
            partitions=(),
            uses=usage.of(name),
        )
        for name in sysfs.names(generic)
        if sysfs.number(generic / name / "device/type") == _TYPE_ZBC
        and not sysfs.names(generic / name / "device/block")
    ]


def _links(root: Path) -> defaultdict[str, list[Path]]:
    """Return the stable names of each device, by the kernel's name."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for directory in ("dev/disk/by-id", "dev/mapper"):
        for name in sysfs.names(root / directory):
            if target := sysfs.link(root / directory / name):
                found[Path(target).name].append(Path("/", directory, name))
    return found


def _place(path: Path, root: Path) -> Path:
    return root / str(path).lstrip("/") if path.is_absolute() else path.absolute()


def _under(root: Path, place: Path) -> Path:
    base = root.resolve()
    return Path("/") / place.relative_to(base) if place.is_relative_to(base) else place


def _what(mode: int) -> str:
    kinds = {stat.S_IFREG: "a regular file", stat.S_IFDIR: "a directory", stat.S_IFCHR: "a character device"}
    return kinds.get(stat.S_IFMT(mode), "a special file")
