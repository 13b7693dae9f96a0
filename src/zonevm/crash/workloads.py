"""Sequences of operations on files, drawn at random: what does them in a guest, and checks what a cut left.

They are what CrashMonkey's ACE makes (Mohan et al., OSDI 2018): few files in few directories, so that
operations meet. Needs no other package; only :func:`workloads` does, hypothesis.
"""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zonevm.crash import file_program
from zonevm.crash.file_program import ROOT, Tree, applied, parent
from zonevm.crash.file_systems import MOUNTED, FileSystem
from zonevm.errors import UsageError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

DIRECTORIES = ("d", "e")
FILES = ("a", "b", *(f"{directory}/{name}" for directory in DIRECTORIES for name in "ab"))
ZONES = tuple(f"seq/{number}" for number in range(4))
_PROGRAM = Path(file_program.__file__)
_LENGTHS = (100, 4096, 5000, 20000)
_MOST = 2**17
"""Bytes of a file, about."""

Draw = tuple[int, int, int, int]
"""What is drawn for an operation: its kind, and numbers that choose among what it can be done to."""
DRAWN = (2**16,) * 4


@dataclass(frozen=True)
class Workload:
    """``operations``: their text, as :mod:`zonevm.crash.file_program` reads it. Commands are of a guest."""

    operations: str

    @classmethod
    def seeded(cls, seed: int, length: int, zones: bool = False) -> Workload:
        """Return that of a seed, always the same; ``zones``: for a file system whose files are zones."""
        chance = random.Random(seed)
        return cls.drawn(((*map(chance.randrange, DRAWN),) for _ in range(length)), zones)  # type: ignore[misc]

    @classmethod
    def drawn(cls, draws: Iterable[Draw], zones: bool = False) -> Workload:
        """Return one that has for each draw an operation which succeeds, or none where none can."""
        kinds = _ON_ZONES if zones else _ON_FILES
        found = [f"zone {name}" for name in ZONES] if zones else []
        tree = Tree({}, {})
        for number, each in enumerate(found, 1):
            tree = applied(tree, number, each.split())
        for draw in draws:
            operation = _Choice(tree, draw).operation(kinds)
            if operation:
                found.append(operation)
                tree = applied(tree, len(found), operation.split())
        return cls("; ".join(found))

    def setup(self, system: FileSystem) -> str:
        """Return the shell commands that make and mount the file system."""
        return f"{system.make} && {{ {system.mount}; }}"

    def work(self) -> list[str]:
        """Return the command that does the operations where it is mounted, with a mark for each promise."""
        return [*self._run("work"), MOUNTED, self.operations]

    def check(self, system: FileSystem) -> list[str]:
        """Return the command that fails if not all is there that the last mark promises."""
        compare = shlex.join([*self._run("compare"), MOUNTED, self.operations])
        return ["sh", "-c", f"{{ {system.mount}; }} && {compare} && {{ {system.check}; }}"]

    def _run(self, verb: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(_PROGRAM), verb]


class _Choice:
    """What a draw chooses, in a file system as it is."""

    def __init__(self, tree: Tree, draw: Draw) -> None:
        self._tree = tree
        self._kind, *self._numbers = draw

    def operation(self, kinds: list[_Kind]) -> str | None:
        """Return the operation; None where that cannot succeed now."""
        kind, choose = kinds[self._kind % len(kinds)]
        words = choose(self)
        return None if words is None else " ".join((kind, *words))

    def _pick(self, among: Iterable[str], number: int = 0) -> str | None:
        found = sorted(among)
        return found[self._numbers[number] % len(found)] if found else None

    @property
    def _files(self) -> list[str]:
        return [name for name, inode in self._tree.names.items() if self._tree.contents[inode] is not None]

    @property
    def _free(self) -> list[str]:
        return [name for name in FILES if name not in self._tree.names and self._has(parent(name))]

    def _has(self, directory: str) -> bool:
        return directory == ROOT or directory in self._tree.names

    def new(self) -> tuple[str, ...] | None:
        """A name that is free."""
        return _told(self._pick(self._free))

    def directory(self) -> tuple[str, ...] | None:
        """A directory that is not there."""
        return _told(self._pick(set(DIRECTORIES) - self._tree.names.keys()))

    def old(self) -> tuple[str, ...] | None:
        """A file."""
        return _told(self._pick(self._files))

    def synced(self) -> tuple[str, ...] | None:
        """A file or a directory; files more often."""
        return _told(self._pick([*self._files, *self._files, ROOT, *self._tree.names]))

    def linked(self) -> tuple[str, ...] | None:
        """A file, and a free name for it."""
        return _told(self._pick(self._files), self._pick(self._free, 1))

    def renamed(self) -> tuple[str, ...] | None:
        """A file, and a name that is free or another file's: with one of its own, rename(2) does nothing."""
        old = self._pick(self._files)
        names = self._tree.names
        others = [name for name in self._files if old and names[name] != names[old]]
        return _told(old, self._pick([*self._free, *others], 1))

    def longer(self) -> tuple[str, ...] | None:
        """A file, and how many bytes are added."""
        return _told(self._pick(self._small()), str(_LENGTHS[self._numbers[1] % len(_LENGTHS)]))

    def blocks(self) -> tuple[str, ...] | None:
        """A zone, and how many bytes, in blocks, are added."""
        return _told(self._pick(self._small()), str(4096 * (1 + self._numbers[1] % 8)))

    def part(self) -> tuple[str, ...] | None:
        """A file, a place in or a little behind it, and a length."""
        name = self._pick(self._small())
        size = len(self._content(name)) if name else 0
        length = _LENGTHS[self._numbers[1] % len(_LENGTHS)]
        return _told(name, str(self._numbers[2] % (size + 5000)), str(length))

    def shorter(self) -> tuple[str, ...] | None:
        """A file, and a size, which may be larger than its own too."""
        return _told(self._pick(self._files), str((0, 100, 4096, 12000)[self._numbers[1] % 4]))

    def emptied(self) -> tuple[str, ...] | None:
        """A zone, and 0: its reset."""
        return _told(self._pick(self._files), "0")

    def nothing(self) -> tuple[str, ...]:
        """No words."""
        return ()

    def _small(self) -> list[str]:
        return [name for name in self._files if len(self._content(name)) < _MOST]

    def _content(self, name: str) -> bytes:
        return self._tree.contents[self._tree.names[name]] or b""


def _told(*words: str | None) -> tuple[str, ...] | None:
    found = tuple(word for word in words if word is not None)
    return found if len(found) == len(words) else None


_Kind = tuple[str, Callable[[_Choice], tuple[str, ...] | None]]


def _often(*rows: tuple[int, str, Callable[[_Choice], tuple[str, ...] | None]]) -> list[_Kind]:
    """Each as often as it is to be drawn; the first are the simplest."""
    return [(kind, words) for often, kind, words in rows for _ in range(often)]


_ON_FILES = _often(
    (3, "create", _Choice.new),
    (1, "mkdir", _Choice.directory),
    (2, "write", _Choice.part),
    (3, "append", _Choice.longer),
    (1, "truncate", _Choice.shorter),
    (2, "rename", _Choice.renamed),
    (1, "link", _Choice.linked),
    (1, "unlink", _Choice.old),
    (4, "fsync", _Choice.synced),
    (1, "sync", _Choice.nothing),
)
_ON_ZONES = _often(
    (4, "direct", _Choice.blocks),
    (3, "fsync", _Choice.old),
    (1, "truncate", _Choice.emptied),
)
"""Without sync: that of zonefs does not flush the disk."""


def workloads(max_operations: int = 12, zones: bool = False) -> SearchStrategy[Workload]:
    """Return a strategy of hypothesis, which shrinks what it draws: fewer operations, smaller ones.

    Raises :class:`UsageError` where hypothesis is not installed.
    """
    try:
        from hypothesis import strategies as st  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "hypothesis is not installed", "Install it: pip install 'zonevm[hypothesis]'."
        ) from error
    draw = st.tuples(*(st.integers(0, most - 1) for most in DRAWN))
    return st.lists(draw, min_size=1, max_size=max_operations).map(lambda draws: Workload.drawn(draws, zones))
