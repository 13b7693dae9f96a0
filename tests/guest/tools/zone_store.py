"""A store on the zones of a block device, as ZenFS is one: files are extents in zones by their lifetime.

Usage: zone_store.py work DEVICE SEED COUNT makes, replaces and removes files, from what a store has or on an
empty device, and says what is stable: NAME - before a file changes, then NAME SIZE SHA256, or NAME gone.
zone_store.py list DEVICE says the same of what is there. Two zones have a log, in turn: a snapshot, then what
changed. Zones without live extents are reset, sparse ones are moved where none is empty, and what is left of
a nearly full one is finished. Reads and writes are direct. Standard library only.
"""

import fcntl
import hashlib
import json
import mmap
import os
import random
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BLOCK = 4096
MOST = 64 * 1024
SECTOR = 512
LOGS = 2
LIFETIMES = 3
NEARLY_FULL = 16 * BLOCK
HEADER = struct.Struct("<4sII")
MAGIC = b"zsto"
RANGE = struct.Struct("<QQ")
REPORT = struct.Struct("<QII")
DESCRIPTOR = struct.Struct("<QQQBB6xQ24x")
BLKREPORTZONE = 0xC0101282
BLKRESETZONE = 0x40101283
BLKFINISHZONE = 0x40101288


@dataclass
class Zone:
    """Places and lengths in bytes."""

    start: int
    size: int
    capacity: int
    pointer: int

    @property
    def left(self) -> int:
        return self.capacity - self.pointer


class Device:
    """A zoned block device, whose zones are written at their write pointers."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_DIRECT)
        self._buffer = mmap.mmap(-1, MOST)
        self.zones = self._report()

    def append(self, zone: Zone, data: bytes) -> int:
        """Write whole blocks; return their place."""
        place = zone.start + zone.pointer
        for at in range(0, len(data), MOST):
            piece = data[at : at + MOST]
            self._buffer[: len(piece)] = piece
            assert os.pwrite(self._file, memoryview(self._buffer)[: len(piece)], place + at) == len(piece)
        zone.pointer += len(data)
        return place

    def read(self, place: int, length: int) -> bytes:
        data = b""
        while len(data) < length:
            wanted = min(MOST, -(-(length - len(data)) // BLOCK) * BLOCK)
            got = os.preadv(self._file, [memoryview(self._buffer)[:wanted]], place + len(data))
            assert got == wanted
            data += self._buffer[:wanted]
        return data[:length]

    def flush(self) -> None:
        os.fsync(self._file)

    def reset(self, zone: Zone) -> None:
        self._manage(BLKRESETZONE, zone)
        zone.pointer = 0

    def finish(self, zone: Zone) -> None:
        self._manage(BLKFINISHZONE, zone)
        zone.pointer = zone.capacity

    def _manage(self, what: int, zone: Zone) -> None:
        fcntl.ioctl(self._file, what, RANGE.pack(zone.start // SECTOR, zone.size // SECTOR))

    def _report(self) -> list[Zone]:
        most = 4096
        answer = bytearray(REPORT.pack(0, most, 0) + bytes(most * DESCRIPTOR.size))
        fcntl.ioctl(self._file, BLKREPORTZONE, answer)
        _, count, _ = REPORT.unpack_from(answer)
        found = []
        for number in range(count):
            at = REPORT.size + number * DESCRIPTOR.size
            start, size, pointer, _, condition, capacity = DESCRIPTOR.unpack_from(answer, at)
            used = capacity if condition == 14 else pointer - start
            found.append(Zone(start * SECTOR, size * SECTOR, capacity * SECTOR, used * SECTOR))
        return found


Extent = tuple[int, int]
"""A place and a length."""


class Store:
    """Files on a device."""

    def __init__(self, path: str) -> None:
        self._device = Device(path)
        self._logs = self._device.zones[:LOGS]
        self._data = self._device.zones[LOGS:]
        self._open: list[Zone | None] = [None] * LIFETIMES
        self.files: dict[str, list[Extent]] = {}
        self._unnoted: list[Zone] = []
        self._epoch = 0
        self._log = self._recover()

    def put(self, name: str, data: bytes) -> None:
        """Make or replace a file; it is stable afterwards."""
        extents = self._write(data, sum(name.encode()) % LIFETIMES)
        self._device.flush()
        self._note({name: extents})
        self._unnoted.clear()
        self._reclaim()

    def remove(self, name: str) -> None:
        """Remove a file; that is stable afterwards."""
        self._note({name: None})
        self._reclaim()

    def get(self, name: str) -> bytes:
        return b"".join(self._device.read(*extent) for extent in self.files[name])

    def _write(self, data: bytes, lifetime: int) -> list[Extent]:
        extents = []
        while data:
            zone = self._zone(lifetime)
            self._unnoted.append(zone)
            piece, data = data[: zone.left], data[zone.left :]
            place = self._device.append(zone, piece.ljust(-(-len(piece) // BLOCK) * BLOCK, b"\0"))
            extents.append((place, len(piece)))
            if zone.left < NEARLY_FULL:
                if zone.left:
                    self._device.finish(zone)
                self._open[lifetime] = None
        return extents

    def _zone(self, lifetime: int) -> Zone:
        zone = self._open[lifetime]
        if zone is None:
            # Those that an end without notice left open come first: only so many may be active.
            free = [each for each in self._data if each.left and each not in self._open]
            if sum(not each.pointer for each in free) < 2 and all(not each.pointer for each in free):
                self._move()
                free = [each for each in self._data if each.left and each not in self._open]
            zone = self._open[lifetime] = max(free, key=lambda each: each.pointer)
        return zone

    def _live(self, zone: Zone) -> list[tuple[str, int]]:
        """Return the extents in a zone: their file, and which of it."""
        return [
            (name, number)
            for name, extents in self.files.items()
            for number, (place, _) in enumerate(extents)
            if zone.start <= place < zone.start + zone.size
        ]

    def _move(self) -> None:
        """Empty the full zone that has least in it."""
        kept = [*self._open, *self._unnoted]
        full = [zone for zone in self._data if zone.pointer and zone not in kept]
        sparse = min(full, key=lambda zone: sum(self.files[name][at][1] for name, at in self._live(zone)))
        empty = next(zone for zone in self._data if not zone.pointer)
        moved: dict[str, list[Extent]] = {}
        for name, number in self._live(sparse):
            place, length = self.files[name][number]
            data = self._device.read(place, length).ljust(-(-length // BLOCK) * BLOCK, b"\0")
            moved.setdefault(name, list(self.files[name]))[number] = (
                self._device.append(empty, data),
                length,
            )
        self._device.flush()
        self._note(dict(moved))
        self._device.reset(sparse)

    def _reclaim(self) -> None:
        for zone in self._data:
            if zone.pointer and zone not in self._open and not self._live(zone):
                self._device.reset(zone)

    def _note(self, changes: dict[str, list[Extent] | None]) -> None:
        for name, extents in changes.items():
            if extents is None:
                self.files.pop(name, None)
            else:
                self.files[name] = extents
        record = _record(changes)
        if len(record) <= self._log.left:
            self._device.append(self._log, record)
            self._device.flush()
        else:
            self._log = self._begin(self._logs[self._logs.index(self._log) - 1])

    def _begin(self, log: Zone) -> Zone:
        """Start a log with all that there is. The other one counts until that is stable."""
        if log.pointer:
            self._device.reset(log)
        self._epoch += 1
        self._device.append(log, _record({"": self._epoch, **self.files}))
        self._device.flush()
        for other in self._logs:
            if other is not log and other.pointer:
                self._device.reset(other)
        return log

    def _recover(self) -> Zone:
        found = []
        for log in self._logs:
            records = list(self._records(log))
            if records:
                found.append((records[0].pop(""), records, log))
        if not found:
            return self._begin(self._logs[0])
        self._epoch, records, log = max(found, key=lambda each: each[0])
        for record in records:
            for name, extents in record.items():
                if extents is None:
                    self.files.pop(name, None)
                else:
                    self.files[name] = [(place, length) for place, length in extents]
        # Behind a torn record nothing can be noted.
        return self._begin(next(each for each in self._logs if each is not log))

    def _records(self, log: Zone) -> Iterator[dict[str, Any]]:
        at = 0
        while at < log.pointer:
            magic, crc, length = HEADER.unpack(self._device.read(log.start + at, HEADER.size))
            if magic != MAGIC or length > log.pointer - at:
                return
            text = self._device.read(log.start + at, HEADER.size + length)[HEADER.size :]
            if zlib.crc32(text) != crc:
                return
            yield json.loads(text)
            at += -(-(HEADER.size + length) // BLOCK) * BLOCK


def _record(content: Mapping[str, object]) -> bytes:
    text = json.dumps(content).encode()
    record = HEADER.pack(MAGIC, zlib.crc32(text), len(text)) + text
    return record.ljust(-(-len(record) // BLOCK) * BLOCK, b"\0")


def say(store: Store, name: str) -> None:
    data = store.get(name)
    print(name, len(data), hashlib.sha256(data).hexdigest(), flush=True)


def work(store: Store, chance: random.Random, count: int) -> None:
    for _ in range(count):
        name = f"f{chance.randrange(40)}"
        print(name, "-", flush=True)
        if name in store.files and chance.random() < 0.3:
            store.remove(name)
            print(name, "gone", flush=True)
        else:
            store.put(name, chance.randbytes(chance.randrange(1, 12 * MOST)))
            say(store, name)


if __name__ == "__main__":
    verb, device, *rest = sys.argv[1:]
    opened = Store(device)
    if verb == "work":
        work(opened, random.Random(int(rest[0])), int(rest[1]))
    else:
        for each in sorted(opened.files):
            say(opened, each)
