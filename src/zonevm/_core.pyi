"""The emulated disks: their images, their SCSI and NVMe commands, their servers. Written in Rust."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self, TypedDict, final, type_check_only

from zonevm.disks import Shape

__all__ = [
    "CoreError",
    "Disk",
    "Entries",
    "FailedCommand",
    "Faults",
    "Medium",
    "Moment",
    "Record",
    "Recording",
    "RefusalError",
    "Response",
    "Server",
    "Trace",
    "Zone",
    "Zones",
    "check",
    "check_timing",
    "command_field",
    "command_name",
    "command_names",
    "export",
    "inspect",
    "repair",
    "resize",
    "restore",
    "run_load",
    "set_zones",
    "snapshot",
    "timing_parameters",
]

_Path = str | os.PathLike[str]

_Condition = Literal[
    "not write pointer",
    "empty",
    "implicitly open",
    "explicitly open",
    "closed",
    "full",
    "read-only",
    "offline",
]

_Cache = Literal["host", "volatile", "lying"]
_Loss = Literal["all", "none", "random"]

_Settable = Literal["not write pointer", "empty", "closed", "full", "read-only", "offline"]
_Progress = Callable[[int, int], object]

_ErrorKind = Literal[
    "in-use",
    "exists",
    "not-an-image",
    "version",
    "corrupt",
    "truncated",
    "no-space",
    "too-large",
    "permission",
    "not-found",
    "io",
    "invalid",
    "no-answer",
]

class CoreError(Exception):
    """An image or a server failed; ``message`` says what is wrong, ``hint`` what to do (or is empty).

    ``kind``: ``in-use`` (another process has the image), ``exists`` (nothing is overwritten),
    ``not-an-image``, ``version`` (made by a newer zonevm), ``corrupt``, ``truncated``, ``no-space`` (full
    file system or quota), ``too-large`` (for the file system), ``permission``, ``not-found``, ``io``,
    ``invalid`` (a disk or fault that cannot be, or a closed disk), ``no-answer`` (by a fault). A record is
    an image here: ``not-an-image``, ``corrupt``.
    """

    kind: _ErrorKind
    message: str
    hint: str

@type_check_only
class Info(TypedDict):
    """What an image's disk is. Only for annotations: import it under ``TYPE_CHECKING``."""

    size: int
    """Bytes."""
    block_size: int
    """Logical block in bytes: 512 or 4096."""
    zone_size: int
    """Bytes; the last zone may be smaller."""
    zone_capacity: int
    """Bytes of a sequential zone; a gap zone follows where it is less than the zone size."""
    zone_count: int
    """All zones, conventional ones included."""
    conventional: int
    """Conventional zones, which come first."""
    max_open: int | None
    """Most zones open at a time, of a host-aware disk the optimal number; ``None``: no limit."""
    max_active: int | None
    """Most zones active at a time, of a ZNS namespace; ``None``: no limit."""
    urswrz: bool
    """Reads of sequential zones are unrestricted; those of a ZNS namespace may cross zones."""
    descr_ext_size: int
    """Bytes of a zone descriptor extension, of a ZNS namespace; 0: there are none."""
    model: Literal["host-managed", "host-aware", "zns", "conventional"]
    """Whose rules it has: those of ZBC-2, of NVMe ZNS 1.1, or of no zones (NVMe)."""
    vendor: str
    product: str
    revision: str
    serial: str
    wwn: int
    """NAA world wide name, 64 bits."""
    uuid: str
    """The image's own name, drawn at its creation."""
    created: int
    """Seconds since 1970."""

@type_check_only
class User(TypedDict):
    """The process that has an image open."""

    pid: int
    program: str
    """The program's name, at most 15 characters."""

@type_check_only
class Inspection(Info):
    """What an image's disk is and holds. Only for annotations: import it under ``TYPE_CHECKING``."""

    zones: Zones
    allocated: int
    """Bytes that the image takes on its file system."""
    user: User | None
    """Who uses the image; ``None``: nobody, or a process that cannot be seen from here."""

@type_check_only
class Sums(TypedDict):
    """What some zones come to, in logical blocks."""

    conditions: dict[str, int]
    """How many there are of each condition."""
    written: int
    """Blocks below the write pointers of sequential zones; all of a full zone."""
    sequential: int
    """Blocks of sequential zones."""

@final
class Zones:
    """The zones of an image as they were at one time. Each is made when it is asked for, by its number."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Zone: ...
    def __iter__(self) -> Iterator[Zone]: ...
    def sums(self, first: int, count: int) -> Sums:
        """Sum up ``count`` zones from ``first`` on, or as many of them as there are."""

@type_check_only
class LostZone(TypedDict):
    """What a sequential zone lost: write pointers, in blocks from the zone's start.

    The blocks are physical ones; of a host-aware disk logical ones.
    """

    zone: int
    """The zone's number."""
    stable: int
    """Of the data that were stable."""
    before: int
    after: int

@type_check_only
class PowerCut(TypedDict):
    """What a power cut took. Only for annotations: import it under ``TYPE_CHECKING``."""

    zones: list[LostZone]
    """Sequential zones that lost data."""
    blocks: list[int]
    """Physical blocks of conventional zones, or of a host-aware disk, that are as they were, by number."""

@type_check_only
class Finding(TypedDict):
    """One thing that is wrong with an image. Only for annotations: import it under ``TYPE_CHECKING``."""

    part: str
    """The part of the file, as ``docs/image-format.md`` names it."""
    zone: int | None
    """The zone that it concerns, if it is one."""
    problem: str
    repair: str | None
    """What :func:`repair` does about it; ``None``: nothing can be done."""

@type_check_only
class Timing(Protocol):
    """The device whose time a disk takes. Only for annotations."""

    @property
    def kind(self) -> str:
        """``disk`` or ``ssd``."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """What :func:`timing_parameters` names."""

@type_check_only
class Lateness(TypedDict):
    """How late commands ended. Only for annotations."""

    commands: int
    late: int
    """Those that ended more than 0.1 ms after their time."""
    mean_ns: int
    max_ns: int
    time_ns: int
    """The virtual time of the last one."""

@final
class Zone:
    """One zone, as REPORT ZONES tells it. Lengths and addresses in logical blocks."""

    @property
    def start(self) -> int:
        """First LBA."""

    @property
    def length(self) -> int:
        """Logical blocks, without the gap zone after it."""

    @property
    def conventional(self) -> bool:
        """Whether it has no write pointer."""

    @property
    def non_sequential(self) -> bool:
        """NON_SEQ: written elsewhere than at its write pointer since its last reset."""

    @property
    def condition(self) -> _Condition:
        """The zone condition, in the standard's words."""

    @property
    def write_pointer(self) -> int | None:
        """LBA of the next write; ``None`` where there is none (conventional, full, read-only, offline)."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@type_check_only
class Geometry(Protocol):
    """What a :class:`Medium` looks like, in logical blocks. Only for annotations."""

    @property
    def kind(self) -> Literal["host-managed", "host-aware", "zns", "conventional"]:
        """Whose rules it has: those of ZBC-2, of NVMe ZNS 1.1, or of no zones."""

    @property
    def block_size(self) -> int:
        """Bytes: 512 or 4096."""

    @property
    def blocks(self) -> int: ...
    @property
    def zone_blocks(self) -> int: ...
    @property
    def zone_capacity(self) -> int | None:
        """Blocks of a sequential zone that can be written; ``None``: all."""

    @property
    def conventional_zones(self) -> int: ...
    @property
    def max_open(self) -> int | None: ...
    @property
    def max_active(self) -> int | None: ...
    @property
    def unrestricted_reads(self) -> bool:
        """Whether reads may cross zones, of a ZBC medium also write pointers."""

    @property
    def extension_bytes(self) -> int:
        """Bytes of a zone descriptor extension; 0: there are none."""

class RefusalError(Exception):
    """Why a :class:`Medium` did not do what was asked, and is as it was.

    ``reason`` and its ``facts``: ``out-of-range`` (lba), ``gap-zone`` (zone), ``not-zone-start`` (lba, zone),
    ``too-many-zones`` (count), ``read-boundary`` (zone), ``read-unwritten`` (zone, write_pointer),
    ``unaligned`` (zone, write_pointer), ``write-boundary`` (zone), ``full`` (zone), ``read-only`` (zone),
    ``offline`` (zone), ``too-many-open`` (limit), ``too-many-active`` (limit), ``transition`` (zone,
    condition), ``not-supported``, ``differs`` (lba). The others are of media that fail.
    """

    reason: str
    facts: dict[str, int | str]

@final
class Medium:
    """A zoned medium in memory: the rules that every disk goes by, without protocol and image. For tests.

    Zones are called by their numbers. Each method is one request, and raises RefusalError where the medium
    refuses it; CoreError ``invalid``: no medium has such a request.
    """

    def __new__(cls, geometry: Geometry) -> Self:
        """Return a new medium, all of it empty. CoreError ``invalid``: there can be none like this."""

    def read(self, lba: int, count: int) -> bytes: ...
    def verify(self, lba: int, count: int) -> None: ...
    def compare(self, lba: int, data: bytes) -> None: ...
    def write(self, lba: int, data: bytes) -> None: ...
    def append(self, zone: int, data: bytes) -> int | None:
        """Write at the zone's write pointer; return the first LBA, or ``None`` of no data."""

    def fill(self, lba: int, count: int, block: bytes = b"") -> None:
        """Write ``block`` again and again; without one, zeroes."""

    def flush(self) -> None: ...
    def manage(
        self,
        action: Literal["open", "close", "finish", "reset", "offline", "set-extension"],
        first: int | None = None,
        count: int = 1,
        extension: bytes = b"",
    ) -> None:
        """Act on ``count`` zones, at least 1, from ``first`` on, or on all. ``extension``: what is set."""

    def report(self, lba: int) -> list[Zone]:
        """Return the zones from the one of ``lba`` on."""

    def extension(self, zone: int) -> bytes | None:
        """Return the zone's descriptor extension, if it is valid."""

    def degrade(self, to: Literal["read-only", "offline"], first: int | None = None, count: int = 1) -> None:
        """Have zones fail."""

    def power_cycle(self) -> None:
        """Take power away, and nothing of what was written, and give it back."""

@final
class Response:
    """How a command ended."""

    @property
    def status(self) -> int:
        """SCSI status: 0 GOOD, 2 CHECK CONDITION, 8 BUSY, 24 RESERVATION CONFLICT; or NVMe status field."""

    @property
    def result(self) -> int:
        """The LBA of a zone append (NVMe); 0 of any other."""

    @property
    def sense(self) -> bytes:
        """Sense data, of SCSI; empty with GOOD."""

    @property
    def data(self) -> bytes:
        """The data-in bytes that the disk sent."""

    @property
    def overrun(self) -> bool:
        """The buffers were smaller than the command's transfer: nothing was done."""

@final
class FailedCommand:
    """A command that failed, and what the disk was like then: plain facts. LBAs and logical blocks.

    The zone was read right after the command: another queue's command may have changed it since.
    """

    @property
    def time(self) -> int:
        """When it ended, in nanoseconds since 1970."""

    @property
    def protocol(self) -> Literal["SCSI", "NVMe"]: ...
    @property
    def raw(self) -> bytes:
        """The CDB, without what follows it in its buffer; of NVMe, the submission queue entry."""

    @property
    def name(self) -> str | None:
        """The command, as the standards name it; ``None`` for one that the disk does not have."""

    @property
    def lba(self) -> int | None:
        """Its LBA or ZONE ID; ``None`` where it has none, or is for all zones."""

    @property
    def blocks(self) -> int | None:
        """How many blocks it asks for; ``None`` where it has no such field."""

    @property
    def status(self) -> int:
        """SCSI status: 2 CHECK CONDITION, 24 RESERVATION CONFLICT; 0 GOOD with :attr:`overrun`.

        Of NVMe the status field without the phase tag: status code, type from bit 8 on, DNR in bit 14.
        """

    @property
    def sense(self) -> bytes:
        """Sense data; empty without CHECK CONDITION."""

    @property
    def overrun(self) -> bool:
        """The initiator's buffers were smaller than the command's transfer: nothing was done."""

    @property
    def zone_number(self) -> int | None:
        """The number of the zone of :attr:`lba`; ``None`` where there is no such block."""

    @property
    def zone(self) -> Zone | None: ...
    @property
    def explicitly_open(self) -> int | None:
        """How many zones were explicitly open, for a command that failed for lack of zone resources only."""

    @property
    def implicitly_open(self) -> int | None:
        """How many zones were implicitly open, likewise."""

    @property
    def closed(self) -> int | None:
        """How many zones were closed, likewise."""

    @property
    def block_size(self) -> int:
        """The disk's logical block in bytes."""

    @property
    def disk_blocks(self) -> int:
        """The disk's capacity."""

    @property
    def conventional_blocks(self) -> int:
        """The first LBA after the conventional zones."""

    @property
    def max_open(self) -> int | None:
        """Most zones open at a time; ``None``: no limit."""

    @property
    def max_active(self) -> int | None:
        """Most zones active at a time; ``None``: no limit."""

@final
class Trace:
    """A raw trace of commands: chunks of columns, which :mod:`zonevm.trace` makes a Parquet file of."""

    def __new__(cls, path: _Path) -> Self:
        """Start a new file; CoreError ``exists`` if there is one."""

    def close(self) -> None:
        """Write out what waits, and take no more. CoreError: the trace ended early, for this reason."""

_Lost = tuple[int, Literal["zone", "block"], int, int, int]
"""Disk, what of it, its number, how many of its last changes are lost, and write units of the first kept."""

@final
class Recording:
    """A record that is being written: of all that a power cut could take from the disks that share it."""

    def __new__(cls, path: _Path) -> Self:
        """Start a new file; CoreError ``exists`` if there is one."""

    def mark(self, text: str) -> None:
        """Record a text, of at most 65535 bytes, behind all that has completed.

        CoreError: the record ended early, for this reason.
        """

    def check(self) -> None:
        """CoreError: the record ended early, for this reason."""

@type_check_only
class RecordedDisk(TypedDict):
    """A disk of a record. Only for annotations, as all entries: import it under ``TYPE_CHECKING``."""

    kind: Literal["disk"]
    disk: int
    lying: bool
    """Its flushes, and its stable writes, mean nothing."""
    shape: dict[str, int | str | bool | None]
    """What it is, by the names of :class:`Info`."""

_Operation = Literal[
    "read",
    "write",
    "append",
    "fill",
    "flush",
    "open",
    "close",
    "finish",
    "reset",
    "offline",
    "set-extension",
    "fail-read-only",
    "fail-offline",
    "save",
]

@type_check_only
class Submitted(TypedDict):
    """A request that a disk was given."""

    kind: Literal["submitted"]
    disk: int
    command: str
    """As the standard spells it; empty for no command."""
    operation: _Operation
    stable: bool
    """It makes its blocks stable before the answer."""
    place: int | None
    """An LBA; of an append, and of what acts on zones, the first zone. ``None``: all zones, or none."""
    count: int
    """Blocks, or zones."""

@type_check_only
class Completed(TypedDict):
    """The end of a request. ``failed``: it is not known what was done of it."""

    kind: Literal["completed"]
    of: int
    """The number of its submission."""
    outcome: Literal["done", "refused", "not stable", "failed", "withdrawn"]
    lba: int | None
    """The first LBA that an append wrote."""
    refusal: str

@type_check_only
class Marked(TypedDict):
    """A text: all that whoever wrote it had seen the end of is before it."""

    kind: Literal["mark"]
    text: str

@type_check_only
class LostCommand(TypedDict):
    """A command of which something is lost. Only for annotations."""

    entry: int
    """Of its submission."""
    disk: int
    command: str
    """As the standard spells it; empty for no command."""
    operation: _Operation
    zone: int | None
    """Where it begins; of what acts on zones the first that it changed. ``None``: the disk has none."""
    lba: int
    """The first that it writes, of an append too; of what acts on zones the start of that zone."""
    count: int
    """How many blocks it writes; of what acts on zones how many of them it changed."""
    lost: int
    """How many of these are lost."""
    lost_from: int
    """The first LBA of what is lost."""
    in_flight: bool
    """It had not completed."""

@final
class Entries(Iterator[RecordedDisk | Submitted | Completed | Marked]):
    """The entries of a record, one after the other."""

    def __next__(self) -> RecordedDisk | Submitted | Completed | Marked:
        """Return the next one. CoreError: ``corrupt``, ``io``."""

@final
class Record:
    """A record that is read, up to the last entry that was whole when it was opened."""

    def __new__(cls, path: _Path) -> Self:
        """Open a record, also one that is being written. CoreError ``not-an-image``: it is none."""

    def __len__(self) -> int:
        """Return how many entries there are."""

    def entries(self) -> Entries:
        """Return all entries; the place of each is its number. Few are in memory at a time."""

    def disks(self) -> list[RecordedDisk]:
        """Return the disks."""

    def marks(self) -> list[tuple[int, str]]:
        """Return the marks, in their order, each with the point just behind it."""

    def flush_points(self) -> bytes:
        """Return the points just behind the end of a flush or a stable write: 8 bytes each, of this host."""

    def moment(self, point: int) -> Moment:
        """Return the disks as they were after ``point`` entries. CoreError ``invalid``: there are fewer."""

@final
class Moment:
    """The disks of a record after some of its entries, and what they may be after a power cut then.

    A state is the list of what is lost, in order: empty where nothing is.
    """

    @property
    def point(self) -> int:
        """After how many entries it is."""

    def advance(self, point: int) -> None:
        """Go on to the moment after ``point`` entries. CoreError ``invalid``: it is over, or none."""

    def count(self) -> int | None:
        """Return how many states there are, with those that a limit forbids; ``None``: more than 2**64."""

    def state(self, number: int) -> list[_Lost] | None:
        """Return state ``number`` of so many; 0: nothing is lost. ``None``: a limit forbids it."""

    def least(self) -> list[_Lost] | None:
        """Return the state in which all is lost that may be; ``None``: a limit forbids it."""

    def draw(self, seed: int) -> list[_Lost] | None:
        """Return the state that a seed, 0 to 2**64 - 1, draws; ``None``: the limits allow none."""

    def lost(self, lost: Sequence[_Lost]) -> list[LostCommand]:
        """Return the commands of which a state has lost something, in the order of their submissions.

        CoreError ``invalid``: that cannot be lost.
        """

    def open(self, lost: Sequence[_Lost], disk: int, directory: _Path) -> Disk:
        """Return disk ``disk`` in a state. It has no image; what is written to it is in ``directory``.

        It is gone when it is closed. CoreError ``invalid``: there is no such disk, or it cannot have lost
        that.
        """

    def show(self, lost: Sequence[_Lost], disk: int, directory: _Path, place: Disk) -> None:
        """Make ``place``, a disk that :meth:`open` has returned, what it would return now, also while served.

        Nobody may use it: whoever does has to look at it anew. CoreError ``invalid``: as for :meth:`open`,
        and for a disk that looks different.
        """

@final
class Disk:
    """An emulated disk on its image, of which it is the only user until it is closed."""

    @staticmethod
    def create(path: _Path, shape: Shape) -> None:
        """Make the image of a new disk: sparse, all zones empty.

        A serial number or WWN that the shape lacks is drawn at random. Never overwrites; leaves nothing
        behind when it raises CoreError: ``invalid`` for a shape that no disk can have.
        """

    @staticmethod
    def temporary(
        directory: _Path, shape: Shape, cache: _Cache = "host", timing: Timing | None = None
    ) -> Disk:
        """Return a new disk in a file without a name in ``directory``, gone when the disk is closed."""

    @staticmethod
    def open(path: _Path, cache: _Cache = "host", timing: Timing | None = None) -> Disk:
        """Open an image, which for the disk is power on. CoreError ``in-use`` names the other user.

        ``cache``: what becomes of what was written and not made stable. ``host``: it survives all but a crash
        of the host. ``volatile``: :meth:`power_cut` can take it. ``lying``: likewise, and SYNCHRONIZE CACHE
        and FUA are answered and do nothing. ``timing``: the device whose time the disk takes.
        """

    def info(self) -> Info:
        """Return what the disk is."""

    def zones(self) -> list[Zone]:
        """Return the state of all zones."""

    @property
    def lost(self) -> bool:
        """Whether the image was cut short while in use, or its file system lost a part of the zone state.

        Every command fails with HARDWARE ERROR (4/44/00) since; nothing more is written to the image.
        """

    def execute(
        self, cdb: bytes, data_out: bytes = b"", data_in_length: int = 0, *, initiator: int = 0
    ) -> Response:
        """Run one command with these data-out bytes and room for ``data_in_length`` bytes of data-in.

        It is a CDB or, of an NVMe namespace, the 64 bytes of a submission queue entry.

        ``initiator``: the I_T nexus that it comes by, 0 to 63, for reservations and unit attentions; that of
        guests is 0. CoreError ``invalid`` for another one.
        The disk's faults fire at it as they would at a guest's. Raises CoreError ``no-answer`` for one that
        they never let end.
        """

    def errors(self) -> list[FailedCommand]:
        """Return the last 64 commands that failed, the oldest first; also once the disk is closed."""

    def trace_to(self, trace: Trace, number: int) -> None:
        """Have every command from now on traced, as those of disk ``number`` (0 to 65535).

        Servers of the disk that were started before do not trace.
        """

    def record_to(self, recording: Recording, number: int) -> None:
        """Have all that a power cut could take recorded from now on, as of disk ``number`` (0 to 65535).

        CoreError ``invalid``: something was written to it already, it is host-aware, or it is recorded.
        """

    def reset(self) -> None:
        """LOGICAL UNIT RESET: unit attention, mode pages back to their defaults, no RESERVE in force."""

    def sync(self) -> None:
        """Make everything written so far survive a crash of the host."""

    def power_cut(self, loss: _Loss = "random", seed: int = 0) -> PowerCut:
        """Take from the disk what a power cut may take, and power it on again.

        What was not made stable is lost in part (``random``, by ``seed``, 0 to 2**64 - 1), wholly (``all``)
        or not (``none``). In a sequential zone that is the end of what was written, down to a physical
        block; in conventional zones, and on a host-aware disk, it is any physical block. CoreError
        ``invalid``: there is no such cache.
        """

    def power_off(self) -> None:
        """Have no command end any more that takes a device's time, nor any that comes, until power is on.

        What had not ended by the device's time is not stable. Does nothing to a disk without ``timing``.
        """

    def power_on(self) -> None:
        """Have commands end again."""

    def lateness(self) -> Lateness | None:
        """Return how late commands ended, as the device's time has it; None for a disk without ``timing``."""

    def close(self) -> None:
        """Give the image back, once the servers of the disk have stopped too. Closing twice is fine."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Server:
    """Disks on a Unix socket: SCSI disks by vhost-user-scsi, as the LUNs of target 0, from 0 on; NVMe
    namespaces by vfio-user, as those of one controller, from 1 on.

    It serves in threads of its own, from the constructor until :meth:`stop`.
    """

    def __new__(cls, socket_path: _Path, disks: Sequence[Disk], queues: int = 1) -> Self:
        """Listen on ``socket_path`` with ``queues`` request queues.

        CoreError ``invalid`` for disks of both kinds.
        """

    @property
    def last_error(self) -> str | None:
        """Why the last session with QEMU broke, in words; ``None`` if none did."""

    @property
    def clients_gone(self) -> int:
        """How many clients (QEMU processes) have come and gone."""

    @property
    def clients_refused(self) -> int:
        """How many clients were refused since there was one already."""

    @property
    def connected(self) -> bool:
        """Whether a client is there."""

    def stop(self) -> None:
        """Wait for the commands in flight, then end and remove the socket. Stopping twice is fine."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Faults:
    """The rules by which a disk fails on purpose; a view, of which a disk may have several."""

    def __new__(cls, disk: Disk) -> Self:
        """Look at the rules of an open disk."""

    def add(
        self,
        label: str,
        kind: str,
        *,
        zone: int | None = None,
        lba: int | None = None,
        blocks: int = 1,
        command: str | None = None,
        count: int | None = None,
        after: int = 0,
        probability: float = 1.0,
        seed: int = 0,
        milliseconds: int = 0,
        code: int | None = None,
    ) -> int:
        """Put a rule in force behind the others; return its number. ``label``: what :meth:`list` tells of it.

        The rest is as for :class:`zonevm.Fault`; ``code`` is a unit attention's additional sense code and
        qualifier. Raises CoreError ``invalid`` for a rule that cannot be on this disk, and another kind where
        zones failed and that could not be made stable.
        """

    def remove(self, number: int) -> bool:
        """End a rule; return whether it was in force."""

    def clear(self) -> None: ...
    def list(self) -> list[tuple[int, str, int, int]]:
        """Return the rules in force: number, label, commands that matched, times it fired."""

def command_names() -> list[str]:
    """Return the names of the SCSI and NVMe commands that disks have, as the standards spell them."""

def inspect(path: _Path) -> Inspection:
    """Look at an image without locking or changing it, also while a guest uses it."""

def check(path: _Path) -> list[Finding]:
    """Look for all that is wrong with an image; changes nothing. Nobody can open the image meanwhile."""

def repair(path: _Path, dry_run: bool = False) -> list[Finding]:
    """Repair all that :func:`check` finds, or only say what would be done.

    CoreError ``corrupt``: some of it cannot be repaired, and nothing was changed.
    """

def snapshot(path: _Path, copy: _Path, new_identity: bool, progress: _Progress) -> bool:
    """Copy an image to a new file; ``progress`` is called with the bytes done and those in all.

    What ``progress`` raises ends the copying, and nothing is left. Return whether the copy has the image's
    owner.
    """

def restore(snapshot: _Path, path: _Path, progress: _Progress) -> bool:
    """Put a copy of ``snapshot`` in the place of the image ``path``, once it is complete.

    Return whether a new file has the snapshot's owner; one that takes another's place has that one's.
    """

def export(path: _Path, raw: _Path, progress: _Progress) -> None:
    """Write what a guest would read from the disk to a new, sparse file."""

def resize(path: _Path, size: int, progress: _Progress) -> None:
    """Make an image's disk ``size`` bytes long, in a new file that then takes the image's place."""

def set_zones(path: _Path, first: int, last: int, condition: _Settable, written: int | None = None) -> None:
    """Bring zones ``first`` to ``last`` into a condition, with ``written`` bytes, or what they hold now."""

def command_field(cdb: bytes, byte: int) -> str | None:
    """Return what the standards call the field at ``byte`` of a CDB (SPC-5, SBC-4, ZBC-2), if there is one.

    ``None`` also for an operation code that the disk does not have.
    """

def command_name(command: bytes, protocol: str = "SCSI") -> str | None:
    """Return what the standards call the command of a CDB, or of a submission queue entry (``"NVMe"``).

    ``None`` for one that no disk has.
    """

@type_check_only
class LoadShape(Protocol):
    """The medium that a load is put on, in bytes. Only for annotations."""

    @property
    def size(self) -> int: ...
    @property
    def zone_size(self) -> int: ...
    @property
    def zone_capacity(self) -> int: ...

@type_check_only
class LoadJob(Protocol):
    """What some clients of a load send. Only for annotations."""

    @property
    def kind(self) -> str:
        """``read``, ``randread``, ``write``, ``randwrite``, ``append``, or what is done to zones."""

    @property
    def block(self) -> int:
        """Bytes of a command."""

    @property
    def streams(self) -> int: ...
    @property
    def depth(self) -> int:
        """Commands in flight of each stream."""

    @property
    def first(self) -> int:
        """The first zone that it is for."""

    @property
    def count(self) -> int:
        """How many zones it is for."""

    @property
    def shuffled(self) -> bool:
        """Whether a stream goes to any zone of its own next, not to the one that follows."""

    @property
    def unwritten(self) -> bool:
        """Whether what is not written is read, too."""

    @property
    def stable(self) -> bool:
        """Whether writes are on the medium before they end."""

    @property
    def fill(self) -> float:
        """How full, from 0 to 1, zones are made before they are finished or reset."""

    @property
    def rate(self) -> float | None:
        """What a stream sends at most, in MB/s."""

@type_check_only
class LoadOutcome(TypedDict):
    """What came of a job of a load, in virtual time. Only for annotations."""

    commands: int
    bytes: int
    resets: int
    """Zones that were reset so that they could be written again; they are not among ``commands``."""
    time_ns: int
    """The virtual time that counted."""
    mean_ns: int
    """How long a command took on average."""
    queued_ns: int
    """What of that was before the device began with it."""
    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int

def timing_parameters(kind: str) -> list[str]:
    """Return the parameters that the timing of a device of a kind, ``disk`` or ``ssd``, has."""

def check_timing(kind: str, parameters: Mapping[str, float]) -> None:
    """Check the timing of a device: CoreError ``invalid`` where one is missing, unknown or out of range."""

def run_load(
    kind: str,
    parameters: Mapping[str, float],
    shape: LoadShape,
    written: Sequence[int],
    jobs: Sequence[LoadJob],
    time: int,
    ramp: int,
    seed: int,
    commands: Callable[[int, str, int, int, int, int, int], object] | None = None,
) -> list[LoadOutcome]:
    """Run jobs on the model of a device, for ``time`` nanoseconds of virtual time.

    ``written``: bytes of each zone that are written at the start. ``commands`` is called, in the end, with
    every command: its job's place, what it is, its place and length in bytes, when it came, was begun and
    ended. CoreError ``invalid``: a job cannot be run on the medium.
    """
