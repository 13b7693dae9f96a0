"""fstests, also called xfstests: tests of file systems. Its options and output are those of its ``check``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from zonevm.errors import UsageError
from zonevm.suites.suite import Chosen, Part, Result, Status, Suite, plain
from zonevm.suites.words import divided, listed, matching

_CHOOSING = ("-g", "-x", "-X", "-e", "-E")
_VALUED = ("-R", "-i", "-I", "-L", "-s", "-S", "-c")
_OWN = "/run/zonevm-suite"
_USERS = ("fsgqa", "fsgqa2", "123456-fsgqa")
"""Users of the tests; each has a group of its name."""

_BEGUN = re.compile(r"(?P<test>\w+/\d{3,})(?:\s+(?P<rest>.*))?$")
_NOT_RUN = re.compile(r"\[not run\]\s*(?:\S+ -- )?(?P<reason>.*)")
_PASSED = re.compile(r"(?:^|\s)\d+s$")
_FAILED = re.compile(
    r"\[failed, exit status \d+\]|output mismatch|\[dumped core\]|no qualified output|no such test\?"
    r"|_check_\w+: something found in dmesg|_check_\w+: .* is inconsistent|_check_\w+: .*leak"
)
_FAILURES = "Failures:"


def _choose(source: Path, words: Sequence[str], settings: Mapping[str, str]) -> Chosen:
    if "FSTYP" not in settings:
        raise UsageError("fstests has to know the file system", "Say which: --set FSTYP=btrfs.")
    asked = divided(words, _CHOOSING, _VALUED)
    groups = _groups(source)
    usual = [test for test in groups if _directory(test) in ("generic", "shared", settings["FSTYP"])]
    wanted = set(matching(asked.names, list(groups), "fstests")) if asked.names else set()
    for group in asked.values("-g"):
        wanted |= _in_group(group, groups, usual)
    if not asked.names and not asked.values("-g"):
        wanted = set(usual)
    for group in asked.values("-x"):
        wanted -= _in_group(group, groups, usual)
    wanted -= set(asked.values("-e"))
    for option, value in asked.chosen:
        if option == "-E":
            wanted -= listed(Path(value))
        if option == "-X":
            for file in source.glob(f"tests/*/{value}"):
                wanted -= {f"{file.parent.name}/{name}" for name in listed(file)}
    tests = tuple(sorted(wanted))
    if not tests:
        raise UsageError(f"fstests has no test that {shlex.join(words)} asks for", "Ask for fewer limits.")
    return Chosen(tests, tuple(asked.options))


def _groups(source: Path) -> dict[str, set[str]]:
    """Return the groups of each test: `make` lists them in group.list, in older versions group."""
    found = {}
    for directory in sorted(source.glob("tests/*/")):
        file = next((each for name in ("group.list", "group") if (each := directory / name).is_file()), None)
        for line in file.read_text().splitlines() if file else ():
            words = line.partition("#")[0].split()
            if words and (directory / words[0]).is_file():
                found[f"{directory.name}/{words[0]}"] = set(words[1:])
    if not found:
        raise UsageError(f"{source}/tests lists no tests", "Build fstests there first: make.")
    return found


def _in_group(group: str, groups: Mapping[str, set[str]], usual: Sequence[str]) -> set[str]:
    directory, _, name = group.rpartition("/")
    among = [test for test in groups if _directory(test) == directory] if directory else usual
    return {test for test in among if name == "all" or name in groups[test]}


def _directory(test: str) -> str:
    return test.partition("/")[0]


def _configuration(part: Part) -> tuple[str, str]:
    first, second, *more = (*part.nodes, "", "")
    settings = {
        "TEST_DEV": first,
        "TEST_DIR": f"{_OWN}/test",
        "SCRATCH_MNT": f"{_OWN}/scratch",
        "RECREATE_TEST_DEV": "true",
        "RESULT_BASE": str(part.results),
    }
    pool = [node for node in (second, *more) if node]
    if len(pool) > 1:
        settings["SCRATCH_DEV_POOL"] = " ".join(pool)
    elif pool:
        settings["SCRATCH_DEV"] = second
    settings |= part.settings
    return "local.config", "".join(f"export {name}={shlex.quote(each)}\n" for name, each in settings.items())


def _command(part: Part) -> str:
    users = "\n".join(
        f"grep -q '^{user}:' /etc/passwd || {{"
        f" echo {user}:x:{uid}:{uid}::/tmp:/bin/bash >>/etc/passwd; echo {user}:x:{uid}: >>/etc/group; }}"
        for uid, user in enumerate(_USERS, 60001)
    )
    check = shlex.join(["./check", *part.options, *part.tests])
    return f"mkdir -p {_OWN}/test {_OWN}/scratch\n{users}\nexec {check}"


def _read(output: str, results: Path) -> Iterator[Result]:
    test = ""
    for line in plain(output):
        begun = _BEGUN.match(line)
        if line.startswith(_FAILURES):
            for name in line.removeprefix(_FAILURES).split():
                yield Result(name, Status.FAILED)
        if begun:
            test = begun["test"]
            yield Result(test, Status.BEGUN)
        if not test:
            continue
        said = begun["rest"] or "" if begun else line
        if not_run := _NOT_RUN.search(said):
            yield Result(test, Status.NOT_RUN, not_run["reason"].strip())
        elif "[expunged]" in said:
            yield Result(test, Status.NOT_RUN, "expunged")
        elif failed := _FAILED.search(said):
            yield Result(test, Status.FAILED, failed[0].strip("[]"))
        elif _PASSED.search(said.split("...")[-1].strip()):
            yield Result(test, Status.PASSED)


SUITE = Suite(
    name="fstests",
    title="fstests (xfstests), tests of file systems",
    choose=_choose,
    configuration=_configuration,
    command=_command,
    read=_read,
    needs=("check", "common/rc", "tests/generic"),
    programs=("bash", "awk", "perl"),
    disks=1,
    uses="the first is TEST_DEV, the second SCRATCH_DEV, three and more are a SCRATCH_DEV_POOL",
    example="--disk smr,size=8G --disk smr,size=8G --set FSTYP=btrfs -- -g quick",
)
