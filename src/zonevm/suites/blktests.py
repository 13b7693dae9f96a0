"""blktests: tests of the kernel's block layer. Its options and output are those of its ``check``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from zonevm.errors import UsageError
from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, plain, untold
from zonevm.suites.words import divided, matching

_CHOOSING = ("-x", "--exclude")
_VALUED = ("-c", "--config")
_OUTPUT = "/run/zonevm-suite"
"""In the guest's memory: tests make loop devices of files there, which a shared directory is not for."""

_LINE = re.compile(
    r"(?P<test>[\w-]+/(?:\d{3}|\*\*\*))(?: => (?P<devices>[^()\[]*?))?(?: \(.*\))?\s*"
    r"(?:\[(?P<status>passed|failed|not run)\])?\s*$"
)
_REASON = re.compile(r"    (?P<reason>\S.*)")
_STATUS = {"passed": Status.PASSED, "failed": Status.FAILED, "not run": Status.NOT_RUN}


def _choose(source: Path, words: Sequence[str], settings: Mapping[str, str]) -> Chosen:
    asked = divided(words, _CHOOSING, _VALUED)
    tests = sorted(
        str(file.relative_to(source / "tests"))
        for file in source.glob("tests/*/[0-9][0-9][0-9]")
        if file.parent.name != "meta" or any(name.strip("/").endswith("meta") for name in asked.names)
    )
    wanted = matching(asked.names, tests, "blktests") if asked.names else tests
    left_out = set(matching(asked.values(*_CHOOSING), tests, "blktests"))
    chosen = tuple(test for test in wanted if test not in left_out)
    if not chosen:
        raise UsageError(f"blktests has no test that {shlex.join(words)} asks for", "Leave fewer out.")
    return Chosen(chosen, tuple(asked.options))


def _configuration(part: Part) -> tuple[str, str]:
    left_out = sorted(
        test
        for group in _groups(part)
        for file in part.source.glob(f"tests/{group}/[0-9][0-9][0-9]")
        if (test := f"{group}/{file.name}") not in part.tests
    )
    settings = "".join(f"{name}={shlex.quote(value)}\n" for name, value in part.settings.items())
    return "config", f"TEST_DEVS=({shlex.join(part.nodes)})\nEXCLUDE=({shlex.join(left_out)})\n{settings}"


def _groups(part: Part) -> list[str]:
    """Return the groups of the tests: to name a test would override -d, -q and what else leaves it out."""
    return list(dict.fromkeys(test.partition("/")[0] for test in part.tests))


def _command(part: Part) -> str:
    options = list(part.options)
    if any(each.split("=")[0] in _VALUED for each in options):
        options = ["-c", "config", *options]  # which is not read by itself beside another
    check = shlex.join(["./check", "-o", _OUTPUT, *options, *_groups(part)])
    return f"{check}\ncode=$?\ncp -r {_OUTPUT}/. {shlex.quote(str(part.results))}\nexit $code"


def _read(output: str, results: Path) -> Iterator[Result]:
    test, status, device = "", Status.BEGUN, ""
    for line in plain(output):
        if told := _LINE.match(line):
            test, device = told["test"], told["devices"] or ""
            status = _STATUS.get(told["status"], Status.BEGUN)
            yield Result(test, status)
        elif test and status in (Status.FAILED, Status.NOT_RUN) and (why := _REASON.match(line)):
            if re.match(r"    \S+  .*\.\.\.", line):
                continue  # what is told of its time
            reason = "output" if why["reason"].startswith("---") else why["reason"].rstrip(":")
            yield Result(test, status, f"{device}: {reason}" if device else reason)
            test = ""


def _owes(part: Part, told: Collection[str]) -> Sequence[str]:
    """Return what it should have told: all, but for groups and tests that it leaves out without a word."""
    if not part.nodes or any(re.match("-[dq]|--(device|quick)", option) for option in part.options):
        return []
    return [test for test in untold(part, told) if f"{test.partition('/')[0]}/***" not in told]


SUITE = Suite(
    name="blktests",
    title="blktests, tests of the block layer",
    choose=_choose,
    configuration=_configuration,
    command=_command,
    read=_read,
    needs=("check", "common/rc", "tests"),
    programs=("bash", "awk"),
    disks=0,
    uses="all are TEST_DEVS",
    example="--disk smr,size=4G,zone-size=64M,conv=4 -- zbd",
    owes=_owes,
)
