"""fio's tests of zoned block devices: ``t/zbd/test-zbd-support`` in its source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, plain
from zonevm.suites.words import divided, matching

_PLACE = "t/zbd"
_PROGRAM = "test-zbd-support"
_LINE = re.compile(
    r"Running test (?P<test>\d+) \.\.\.(?: .*?(?P<status>PASS|SKIP|FAIL)(?:\s+(?P<why>\S.*))?)?"
)
_STATUS = {"PASS": Status.PASSED, "SKIP": Status.NOT_RUN, "FAIL": Status.FAILED}


def _choose(source: Path, words: Sequence[str], settings: Mapping[str, str]) -> Chosen:
    asked = divided(words, ("-t",), ("-o", "-s"))
    text = (source / _PLACE / _PROGRAM).read_text()
    numbers = sorted(int(number) for number in re.findall(r"^test(\d+)\(\)", text, re.MULTILINE))
    tests = [_name(number) for number in numbers]
    wanted = [_name(each) for each in (*asked.values("-t"), *asked.names)]
    return Chosen(tuple(matching(wanted, tests, "fio-zbd") if wanted else tests), tuple(asked.options))


def _name(number: int | str) -> str:
    """Return a test's name as the program prints it."""
    return str(number).zfill(2)


def _command(part: Part) -> str:
    tests = [word for test in part.tests for word in ("-t", str(int(test)))]
    run = shlex.join([f"./{_PROGRAM}", *part.options, *tests, part.nodes[0]])
    copy = f"cp {_PROGRAM}.log.* {shlex.quote(str(part.results))}"
    return f"cd {_PLACE} || exit\nrm -f {_PROGRAM}.log.*\n{run}\ncode=$?\n{copy}\nexit $code"


def _read(output: str, results: Path) -> Iterator[Result]:
    for line in plain(output):
        if told := _LINE.match(line):
            yield Result(told["test"], _STATUS.get(told["status"], Status.BEGUN), told["why"] or "")


SUITE = Suite(
    name="fio-zbd",
    title="fio's tests of zoned block devices (t/zbd)",
    choose=_choose,
    command=_command,
    read=_read,
    needs=(f"{_PLACE}/{_PROGRAM}", "fio"),
    programs=("bash", "blkzone"),
    uses="the first is tested",
    example="--disk smr,size=4G,zone-size=16M,conv=16 -- -t 1 -t 2",
)
