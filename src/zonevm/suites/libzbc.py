"""libzbc's tests of ZBC disks: ``test/zbc_test.sh`` in its source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, plain
from zonevm.suites.words import divided, matching

_PLAIN_DISK = ("00", "01", "02", "08")
"""The sections for disks without zone domains; 08 is for SCSI, and only asked for."""

_LINE = re.compile(
    r"\s*(?P<test>\d\d\.\d{3}): .*?(?:\[\s*(?P<status>Passed|Failed|N/A)\s*(?P<why>[^\]]*)\].*)?$"
)
_STATUS = {"Passed": Status.PASSED, "N/A": Status.NOT_RUN, "Failed": Status.FAILED}


def _choose(source: Path, words: Sequence[str], settings: Mapping[str, str]) -> Chosen:
    asked = divided(words, ("-e", "--exec", "-s", "--skip", "-S", "--section"))
    tests = sorted(
        f"{file.parent.name[:2]}.{file.stem}"
        for file in source.glob("test/scripts/[0-9][0-9]*/[0-9][0-9][0-9].sh")
    )
    sections = [each for value in asked.values("-S", "--section") for each in value.split()]
    usual = [test for test in tests if test[:2] in _PLAIN_DISK[:3]]
    names = [*asked.values("-e", "--exec"), *asked.names, *(f"{section}.*" for section in sections)]
    wanted = matching(names, tests, "libzbc") if names else usual
    left_out = set(matching(asked.values("-s", "--skip"), tests, "libzbc"))
    return Chosen(tuple(test for test in wanted if test not in left_out), tuple(asked.options))


def _command(part: Part) -> str:
    tests = [word for test in part.tests for word in ("-e", test)]
    results = shlex.quote(str(part.results))
    generic = f"/dev/$(ls /sys/block/{Path(part.nodes[0]).name}/device/scsi_generic)"
    return (
        f"export ZBC_TEST_LOG_PATH_BASE={results}\n"
        f'exec {shlex.join(["./test/zbc_test.sh", *part.options, *tests])} "{generic}"'
    )


def _read(output: str, results: Path) -> Iterator[Result]:
    for line in plain(output):
        if told := _LINE.match(line):
            why = (told["why"] or "").strip()
            yield Result(told["test"], _STATUS.get(told["status"], Status.BEGUN), why)


SUITE = Suite(
    name="libzbc",
    title="libzbc's tests of ZBC disks",
    choose=_choose,
    command=_command,
    read=_read,
    needs=("test/zbc_test.sh", "test/programs", "test/scripts"),
    programs=("bash", "lsscsi", "tput"),
    uses="the first, an SMR disk, is tested",
    example="--disk smr,size=8G,zone-size=64M,conv=16",
)
