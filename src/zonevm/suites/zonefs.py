"""The tests of zonefs-tools: ``tests/zonefs-tests.sh`` in its source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, plain
from zonevm.suites.words import divided, matching

_LINE = re.compile(r"\s*Test (?P<test>\d+): .*?\.\.\.(?:\s+(?P<status>PASS|FAIL|skip))?\s*$")
_STATUS = {"PASS": Status.PASSED, "skip": Status.NOT_RUN, "FAIL": Status.FAILED}


def _choose(source: Path, words: Sequence[str], settings: Mapping[str, str]) -> Chosen:
    asked = divided(words, ("-t",), ("-r",))
    tests = sorted(file.stem for file in source.glob("tests/scripts/*.sh"))
    wanted = []
    for name in (*asked.values("-t"), *asked.names):
        first, _, last = name.partition("-")
        ends = matching([first, last or first], tests, "zonefs")
        wanted += tests[tests.index(ends[0]) : tests.index(ends[-1]) + 1]
    return Chosen(tuple(dict.fromkeys(wanted or tests)), tuple(asked.options))


def _command(part: Part) -> str:
    tests = [word for test in part.tests for word in ("-t", test)]
    words = ["./tests/zonefs-tests.sh", *part.options, *tests, "-g", str(part.results), part.nodes[0]]
    return f"exec {shlex.join(words)}"


def _read(output: str, results: Path) -> Iterator[Result]:
    for line in plain(output):
        if told := _LINE.match(line):
            status = _STATUS.get(told["status"], Status.BEGUN)
            why = status in (Status.NOT_RUN, Status.FAILED)
            yield Result(told["test"], status, _last_words(results / f"{told['test']}.log") if why else "")


def _last_words(log: Path) -> str:
    """Return what a test said last: the line before its verdict, which is the end of its log."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-2] if len(lines) > 2 else ""


SUITE = Suite(
    name="zonefs",
    title="the tests of zonefs-tools",
    choose=_choose,
    command=_command,
    read=_read,
    needs=("tests/zonefs-tests.sh", "tests/scripts/test_lib"),
    programs=("bash", "fio", "blkzone"),
    path=("src",),
    uses="the first is tested",
    example="--disk smr,size=4G,zone-size=64M,conv=8 -- -s",
)
