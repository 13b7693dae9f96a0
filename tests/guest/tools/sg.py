"""SCSI commands by SG_IO, and how they ended. For programs in a guest; knows Python's own library only."""

import ctypes
import fcntl
import os
from dataclasses import asdict, dataclass

SG_IO = 0x2285
NO_DATA, TO_DEVICE, FROM_DEVICE = -1, -2, -3
SENSE_ROOM = 96
DATA_ROOM = 4 << 20
TIMEOUT_MS = 60_000


class Header(ctypes.Structure):
    """struct sg_io_hdr of include/scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("cdb_len", ctypes.c_ubyte),
        ("sense_room", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("data_len", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("cdb", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sense_len", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residual", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


@dataclass
class Answer:
    """How a command ended. ``sense`` is key, code and qualifier; ``pointer`` the sense key specific bytes.

    A command that failed has no data: what the residual count says then is the transport's business.
    """

    status: int
    host: int
    sense: list[int] | None
    pointer: str | None
    information: int | None
    data: bytes

    @property
    def outcome(self) -> tuple[int, int, list[int] | None]:
        """What two disks have to agree on."""
        return self.status, self.host, self.sense

    def plain(self) -> dict[str, object]:
        """For JSON, without the data."""
        return {name: value for name, value in asdict(self).items() if name != "data"}


class Disk:
    """A disk, by its SG node."""

    def __init__(self, node: str) -> None:
        self.file = os.open(node, os.O_RDWR)
        self.data = ctypes.create_string_buffer(DATA_ROOM)
        self.sense = ctypes.create_string_buffer(SENSE_ROOM)

    def run(self, cdb: bytes, *, send: bytes = b"", receive: int = 0) -> Answer:
        """One command, with ``send`` to the disk or up to ``receive`` bytes from it."""
        raw, data = ctypes.create_string_buffer(cdb, len(cdb)), ctypes.addressof(self.data)
        ctypes.memmove(data, send, len(send))
        header = Header(
            interface_id=ord("S"),
            direction=TO_DEVICE if send else FROM_DEVICE if receive else NO_DATA,
            cdb_len=len(cdb),
            sense_room=SENSE_ROOM,
            data_len=len(send) or receive,
            data=data,
            cdb=ctypes.addressof(raw),
            sense=ctypes.addressof(self.sense),
            timeout=TIMEOUT_MS,
        )
        fcntl.ioctl(self.file, SG_IO, header)
        came = b"" if send or header.status else ctypes.string_at(data, receive - header.residual)
        said = ctypes.string_at(self.sense, header.sense_len)
        return Answer(header.status, header.host_status, *_sense(said), data=came)


def _sense(raw: bytes) -> tuple[list[int] | None, str | None, int | None]:
    """Key, code and qualifier; the field pointer; the INFORMATION field (SPC-5, 4.4)."""
    if not raw:
        return None, None, None
    pointer = information = None
    if raw[0] & 0x7F in (0x70, 0x71):
        raw = raw.ljust(18, b"\0")
        if raw[15] & 0x80:
            pointer = raw[15:18].hex()
        if raw[0] & 0x80:
            information = int.from_bytes(raw[3:7], "big")
        return [raw[2] & 15, raw[12], raw[13]], pointer, information
    at = 8
    while at + 1 < len(raw):
        kind, body = raw[at], raw[at + 2 : at + 2 + raw[at + 1]]
        if kind == 0x02 and body[2] & 0x80:
            pointer = body[2:5].hex()
        if kind == 0x00 and body[0] & 0x80:
            information = int.from_bytes(body[2:10], "big")
        at += 2 + len(body)
    return [raw[1] & 15, raw[2], raw[3]], pointer, information
