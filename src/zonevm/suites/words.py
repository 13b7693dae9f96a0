"""Command lines of suites, and the names of tests in them. Knows no suite."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from zonevm.errors import UsageError


@dataclass
class Words:
    """A command line: ``chosen``, options that choose tests, with their values; ``options``; ``names``."""

    chosen: list[tuple[str, str]] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def values(self, *options: str) -> list[str]:
        """Return what options that choose were given, split at commas."""
        return [part for name, value in self.chosen if name in options for part in value.split(",") if part]


def divided(words: Sequence[str], choosing: Collection[str], valued: Collection[str] = ()) -> Words:
    """Return ``words`` in their parts. ``choosing`` and ``valued``: options that are followed by a value.

    Raises :class:`UsageError` for one without.
    """
    found = Words()
    left = iter(words)
    for word in left:
        if not word.startswith("-"):
            found.names.append(word)
            continue
        name, equals, joined = word.partition("=")
        if name not in choosing and name not in valued:
            found.options.append(word)
            continue
        value = joined if equals else next(left, None)
        if value is None:
            raise UsageError(f"{word} of the suite has no value", f"Write it behind it: {word} VALUE.")
        if name in choosing:
            found.chosen.append((name, value))
        else:
            found.options += [word] if equals else [word, value]
    return found


def matching(names: Iterable[str], tests: Sequence[str], what: str) -> list[str]:
    """Return the ``tests`` that any of ``names`` means: a test's name, a group before its slash, a pattern.

    Raises :class:`UsageError` for a name that means none of them. ``what`` is the suite's.
    """
    found = set()
    for name in names:
        pattern = name.strip("/").removeprefix("tests/")
        meant = {test for test in tests if fnmatchcase(test, pattern) or test.startswith(f"{pattern}/")}
        if not meant:
            few = ", ".join(tests[:5]) or "none"
            raise UsageError(f"{what} has no test {name!r}", f"It has {len(tests)}: {few}, ...")
        found |= meant
    return [test for test in tests if test in found]


def listed(file: Path) -> set[str]:
    """Return the names in a file with one a line; a # begins a comment. Raises :class:`UsageError`."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the list of tests {file}: {error}", "Give a text file.") from error
    return {name for line in lines if (name := named(line))}


def named(line: str) -> str:
    """Return the test that a line of such a file names, or ""."""
    return line.partition("#")[0].strip()
