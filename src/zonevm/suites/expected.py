"""The tests that are expected to fail: a file of names that may only shrink. Knows no suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from zonevm import outputs
from zonevm.suites.words import listed, named


class Expected:
    """The names in ``file``, one a line, behind which a # begins a comment; without a file, none.

    Raises :class:`UsageError` for a file that cannot be read, unless ``new`` is allowed and it is not there.
    """

    def __init__(self, file: Path | None = None, new: bool = False) -> None:
        self.file = file
        self.new = new and file is not None and not file.exists()
        self.tests: Collection[str] = listed(file) if file is not None and not self.new else frozenset()

    def begin(self, tests: Iterable[str]) -> None:
        """Make the file, with these tests."""
        self._write("".join(f"{test}\n" for test in tests))

    def shrink(self, tests: Collection[str]) -> None:
        """Take tests out of the file; all else in it stays as it is."""
        assert self.file is not None
        lines = self.file.read_text().splitlines(keepends=True)
        self._write("".join(line for line in lines if named(line) not in tests))

    def _write(self, text: str) -> None:
        assert self.file is not None
        outputs.write(self.file, text)
