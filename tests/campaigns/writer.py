"""Writes files in a guest, and says of each what is on stable storage, as soon as fsync said so.

Usage: writer.py files|zones DIRECTORY SEED. Runs until it is killed. A line is NAME SIZE SHA256, or NAME - -
before the file is replaced or emptied: it may then be anything until the next line for it. That is done
only once a line came back, since the power cut may take a line on its way. `zones` appends to the files of a
zonefs. Standard library only.
"""

import hashlib
import mmap
import os
import random
import sys
from pathlib import Path

BLOCK = 4096
MOST = 64 * 1024


def unsay(name: str) -> None:
    print(name, "-", "-", flush=True)
    sys.stdin.readline()


def say(name: str, data: bytes) -> None:
    print(name, len(data), hashlib.sha256(data).hexdigest(), flush=True)


def write_files(directory: Path, chance: random.Random) -> None:
    """New files, files that replace others by rename, and files that grow."""
    parent = os.open(directory, os.O_RDONLY)
    contents: dict[str, bytes] = {}
    for number in range(10**6):
        name, data = f"f{chance.randrange(40)}", chance.randbytes(chance.randrange(1, MOST))
        grows = len(contents.get(name, b"")) in range(1, 4 * MOST) and chance.random() < 0.5
        path = directory / (name if grows else f"new{number}")
        with path.open("ab" if grows else "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not grows:
            unsay(name)
            path.rename(directory / name)
            os.fsync(parent)
        contents[name] = contents[name] + data if grows else data
        say(name, contents[name])


def write_zones(directory: Path, chance: random.Random) -> None:
    """Direct appends to the files that are zones, and truncations to nothing, which reset them."""
    files = sorted((directory / "seq").iterdir(), key=lambda path: int(path.name))[:6]
    contents = dict.fromkeys(files, b"")
    buffer = mmap.mmap(-1, MOST)  # aligned, as direct I/O wants it
    while True:
        path = chance.choice(files)
        size = BLOCK * chance.randrange(1, MOST // BLOCK)
        file = os.open(path, os.O_RDWR | os.O_DIRECT)
        if contents[path] and chance.random() < 0.1:
            unsay(path.name)
            os.truncate(path, 0)
            contents[path] = b""
        else:
            data = chance.randbytes(size)
            buffer[:size] = data
            os.pwrite(file, memoryview(buffer)[:size], len(contents[path]))
            contents[path] += data
        os.fsync(file)
        os.close(file)
        say(path.name, contents[path])


if __name__ == "__main__":
    kind, where, seed = sys.argv[1:]
    {"files": write_files, "zones": write_zones}[kind](Path(where), random.Random(int(seed)))
