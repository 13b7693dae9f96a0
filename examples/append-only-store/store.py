"""A key-value store in the sequential zones of a disk, SMR or ZNS: records are appended, nothing is changed.

A record is one or more whole blocks: a header with the lengths of key and value and a checksum, the key, the
value. It starts at the write pointer of the last zone that was written, or of the next one where it does not
fit. To open a store is to read all zones up to their write pointers. A power cut may have torn the last
record: what has not its checksum is skipped.

`bug` plants one: "no-fsync" says that a record is stored before it is flushed; "ignore-write-pointer" goes on
behind the last record that it could read, as it might on a disk without zones.
"""

import fcntl
import mmap
import os
import struct
import zlib

BLOCK = 4096
SECTOR = 512
SEQUENTIAL = 2
FULL = 14
HEADER = struct.Struct("<4sIII")
MAGIC = b"rec1"

# struct blk_zone_report and blk_zone of linux/blkzoned.h
BLKREPORTZONE = 0xC0101282
REPORT = struct.Struct("<QII")
ZONE = struct.Struct("<QQQBB6xQ24x")


class Store:
    """A store on a block device. Sizes and places are in bytes."""

    def __init__(self, device: str, bug: str = "") -> None:
        self.records: dict[str, bytes] = {}
        self._bug = bug
        self._file = os.open(device, os.O_RDWR | os.O_DIRECT)
        self._buffer = mmap.mmap(-1, 2**20)  # aligned, as direct I/O wants it
        self._zones = _sequential_zones(self._file)
        self._current = 0
        for number, (start, _, pointer) in enumerate(self._zones):
            if pointer > start:
                self._current = number
                end = self._load(start, pointer)
                if bug == "ignore-write-pointer":
                    self._zones[number][2] = end

    def put(self, key: str, value: bytes) -> None:
        """Store a value; it is stable afterwards."""
        body = key.encode() + value
        head = HEADER.pack(MAGIC, len(key.encode()), len(value), zlib.crc32(body))
        record = _padded(head + body)
        _, end, pointer = self._zones[self._current]
        if pointer + len(record) > end:
            self._current += 1
            pointer = self._zones[self._current][0]
        self._buffer[: len(record)] = record
        if os.pwrite(self._file, memoryview(self._buffer)[: len(record)], pointer) != len(record):
            raise OSError("a short write")
        self._zones[self._current][2] = pointer + len(record)
        if self._bug != "no-fsync":
            os.fsync(self._file)
        self.records[key] = value

    def _load(self, start: int, pointer: int) -> int:
        """Read the records between two places; return where the last one ends."""
        place = end = start
        while place < pointer:
            os.preadv(self._file, [memoryview(self._buffer)[: min(pointer - place, 2**20)]], place)
            magic, key_length, length, checksum = HEADER.unpack_from(self._buffer)
            body = self._buffer[HEADER.size : HEADER.size + key_length + length]
            if magic == MAGIC and place + HEADER.size + len(body) <= pointer and zlib.crc32(body) == checksum:
                self.records[body[:key_length].decode()] = body[key_length:]
                place += len(_padded(bytes(HEADER.size) + body))
                end = place
            else:
                place += BLOCK
        return end


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _sequential_zones(file: int) -> list[list[int]]:
    """The first place, the end and the write pointer of each zone that is written in sequence."""
    most = 4096
    report = bytearray(REPORT.pack(0, most, 0) + bytes(most * ZONE.size))
    fcntl.ioctl(file, BLKREPORTZONE, report)
    zones = []
    for number in range(REPORT.unpack_from(report)[1]):
        start, _, pointer, kind, condition, capacity = ZONE.unpack_from(
            report, REPORT.size + number * ZONE.size
        )
        if kind == SEQUENTIAL:
            end = start + capacity
            pointer = end if condition == FULL else pointer
            zones.append([start * SECTOR, end * SECTOR, pointer * SECTOR])
    return zones
