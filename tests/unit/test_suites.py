"""Suites: which tests are chosen, what their output says, and what came of it beside what was expected."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm import UsageError
from zonevm.cli import execute
from zonevm.suites import SUITES, Expected, Plan, Report, Result, Runner, Status
from zonevm.suites.suite import Part, so_far

SMALL = Path(__file__).parents[1] / "guest/suites"
NOWHERE = Path("/nonexistent")

FSTESTS = """FSTYP         -- btrfs
PLATFORM      -- Linux/x86_64 guest 6.12.0

generic/001 5s ...  5s
generic/002\t 3s
generic/003       [not run] atime related mount options have no effect on btrfs
generic/004 4s ...ino168268480 fh-1: Truncate on released file
 4s
generic/005       [expunged]
generic/006 2s ... [failed, exit status 1]- output mismatch (see /results/generic/006.out.bad)
    --- tests/generic/006.out\t2025-01-01 00:00:00
    +took 3s
    ...
    (Run 'diff -u tests/generic/006.out /results/generic/006.out.bad'  to see the entire diff)
generic/007 1s ... - output mismatch (see /results/generic/007.out.bad)
generic/008 1s ...  1s
_check_btrfs_filesystem: filesystem on /dev/sdb is inconsistent
(see /results/generic/008.full for details)
generic/009 1s ... _check_dmesg: something found in dmesg (see /results/generic/009.dmesg)

generic/010 7s ... \
"""

BLKTESTS = """zbd/001 => sda (sysfs and ioctl (consistency))
    runtime  0.512s  ...
zbd/001 => sda (sysfs and ioctl (consistency))               [passed]
    runtime  0.512s  ...  0.498s
zbd/002 => sda (report zone)                                 [failed]
    runtime    ...  0.498s
    --- tests/zbd/002.out\t2025-01-01 00:00:00
    +++ /run/zonevm-suite/sda/zbd/002.out.bad
zbd/003 => sda (reset sequential zones)                      [failed]
    exited with status 1
zbd/004 (zoned) (write split across zones)                   [passed]
zbd/005 => sda (write ordering)                              [failed]
    something found in dmesg:
    [   12.3] WARNING: CPU: 0
zbd/006 => sda (revalidate)                                  [not run]
    /dev/sda is not a logical device
nvme/***                                                     [not run]
    nvme is not available
zbd/007 => nvme0n1 sda (zone mapping between logical and container devices) [passed]
zbd/008 => sda (check no stale page cache after BLKRESETZONE)
"""

FIO = """First sequential zone starts at sector 8192; zone size: 4 MB
Running test 01 ... PASS
Running test 02 ... SKIP    /dev/sda is not a regular block device
Running test 03 ... cat: write error: Invalid argument FAIL
Running test 04 ... \
"""

ZONEFS = """Gathering information on /dev/sda...
  Test 0010: mkzonefs                                                     ... \x1b[92mPASS\x1b[0m
  Test 0011: mkzonefs (force format)                                      ... \x1b[31mFAIL\x1b[0m
  Test 0012: mkzonefs (invalid device)                                    ... skip
  Test 0013: mkzonefs (super block zone state)                            ... \
"""

LIBZBC = """Executing section 00 - ZBC command completion tests...
    00.010: REPORT ZONES command completion...\r\x1b[90C[\x1b[1;32mPassed\x1b[m]
    00.015: ZONE ACTIVATE...\r\x1b[90C[N/A Zone Domains are not supported by the device\x1b[m]
    01.021: READ access [sense]...\r\x1b[90C[\x1b[1;31mFailed\x1b[m] log/sg0/urswrz_y/01/021.log
FAIL        => Expected Illegal-request / Read-boundary-violation
    01.022: WRITE unaligned...\
"""

OUTPUTS = {
    "fstests": (
        FSTESTS,
        {
            "generic/001": ("passed", ""),
            "generic/002": ("passed", ""),
            "generic/003": ("not run", "atime related mount options have no effect on btrfs"),
            "generic/004": ("passed", ""),
            "generic/005": ("not run", "expunged"),
            "generic/006": ("failed", "failed, exit status 1"),
            "generic/007": ("failed", "output mismatch"),
            "generic/008": ("failed", "_check_btrfs_filesystem: filesystem on /dev/sdb is inconsistent"),
            "generic/009": ("failed", "_check_dmesg: something found in dmesg"),
            "generic/010": ("begun", ""),
        },
    ),
    "blktests": (
        BLKTESTS,
        {
            "zbd/001": ("passed", ""),
            "zbd/002": ("failed", "sda: output"),
            "zbd/003": ("failed", "sda: exited with status 1"),
            "zbd/004": ("passed", ""),
            "zbd/005": ("failed", "sda: something found in dmesg"),
            "zbd/006": ("not run", "sda: /dev/sda is not a logical device"),
            "nvme/***": ("not run", "nvme is not available"),
            "zbd/007": ("passed", ""),
            "zbd/008": ("begun", ""),
        },
    ),
    "fio-zbd": (
        FIO,
        {
            "01": ("passed", ""),
            "02": ("not run", "/dev/sda is not a regular block device"),
            "03": ("failed", ""),
            "04": ("begun", ""),
        },
    ),
    "zonefs": (
        ZONEFS,
        {
            "0010": ("passed", ""),
            "0011": ("failed", ""),
            "0012": ("not run", ""),
            "0013": ("begun", ""),
        },
    ),
    "libzbc": (
        LIBZBC,
        {
            "00.010": ("passed", ""),
            "00.015": ("not run", "Zone Domains are not supported by the device"),
            "01.021": ("failed", ""),
            "01.022": ("begun", ""),
        },
    ),
}


def told(name: str, output: str) -> dict[str, tuple[str, str]]:
    return {
        test: (str(result.status), result.reason)
        for test, result in so_far(SUITES[name], output, NOWHERE).items()
    }


@pytest.mark.parametrize("name", SUITES)
def test_what_the_output_of_a_suite_says(name: str) -> None:
    output, results = OUTPUTS[name]
    assert told(name, output) == results


@given(st.sampled_from(sorted(SUITES)), st.data())
def test_a_verdict_that_is_told_stays_or_gets_worse(name: str, data: st.DataObject) -> None:
    output, whole = OUTPUTS[name]
    statuses = list(Status)
    for test, (status, _) in told(name, output[: data.draw(st.integers(0, len(output)))]).items():
        assert statuses.index(Status(status)) <= statuses.index(Status(whole[test][0]))


def test_a_file_system_that_a_test_left_broken_is_a_failure_of_it() -> None:
    assert told("fstests", "generic/001 5s ...  5s\nFailures: generic/001\n")["generic/001"][0] == "failed"


def test_the_worst_of_several_runs_counts() -> None:
    twice = "zbd/001 => sda (a)  [passed]\nzbd/001 => sdb (a)  [failed]\n    exited with status 1\n"
    assert told("blktests", twice) == {"zbd/001": ("failed", "sdb: exited with status 1")}
    assert told("blktests", twice.replace("sdb", "sdx"))["zbd/001"] == (
        "failed",
        "sdx: exited with status 1",
    )


def chosen(name: str, *words: str, **settings: str) -> tuple[str, ...]:
    return SUITES[name].choose(SMALL / name, words, settings).tests


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ([], "1 2 3 4 5 6"),
        (["-g", "quick"], "1 2 3 4 5"),
        (["-g", "rw,dangerous", "-x", "auto"], ""),
        (["-g", "quick", "-x", "dangerous"], "1 2 3 5"),
        (["-g", "generic/rw"], "1 5"),
        (["-g", "all", "-e", "generic/001,generic/002"], "3 4 5 6"),
        (["generic/006", "tests/generic/001"], "1 6"),
        (["*/00[12]", "-g", "dangerous", "-s", "section"], "1 2 4"),
    ],
)
def test_tests_of_fstests_are_chosen_as_its_check_does(words: list[str], numbers: str) -> None:
    tests = tuple(f"generic/00{number}" for number in numbers.split())
    if tests:
        assert chosen("fstests", *words, FSTYP="btrfs") == tests
    else:
        with pytest.raises(UsageError, match="has no test that"):
            chosen("fstests", *words, FSTYP="btrfs")


def test_an_expunge_list_leaves_tests_out(tmp_path: Path) -> None:
    (tmp_path / "expunge").write_text("# known\ngeneric/001  # slow\n\ngeneric/004\n")
    tests = chosen("fstests", "-E", str(tmp_path / "expunge"), "-g", "quick", FSTYP="xfs")
    assert tests == ("generic/002", "generic/003", "generic/005")


def test_tests_of_the_other_suites_are_chosen() -> None:
    assert chosen("blktests", "zbd", "-x", "zbd/002") == ("zbd/001", "zbd/003")
    assert chosen("blktests", "-d") == ("block/001", "zbd/001", "zbd/002", "zbd/003")
    assert SUITES["blktests"].choose(SMALL / "blktests", ["-d", "-c", "x", "zbd"], {}).options == (
        "-d",
        "-c",
        "x",
    )
    assert chosen("zonefs", "-s", "-t", "0010-0030") == ("0010", "0020", "0030")
    assert chosen("libzbc", "-S", "00") == ("00.010", "00.015")
    assert chosen("libzbc", "-s", "00.*", "-e", "*") == ("01.020", "01.030")


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("fstests", [], "fstests has to know the file system"),
        ("blktests", ["zdb"], "blktests has no test 'zdb'"),
        ("blktests", ["-x"], "-x of the suite has no value"),
        ("zonefs", ["-t", "9999"], "zonefs has no test '9999'"),
        ("libzbc", ["-e", "07.001"], "libzbc has no test '07.001'"),
    ],
)
def test_what_no_suite_has_is_refused(name: str, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(name, *words)


def part(name: str, *nodes: str, **settings: str) -> Part:
    return Part(SMALL / name, Path("/results"), nodes, ["zbd/001"], (), settings)


def test_a_suite_owes_a_word_on_what_it_was_asked_for() -> None:
    asked = part("blktests", "/dev/sda")
    assert SUITES["fstests"].owes(asked, ["zbd/001"]) == []
    assert SUITES["fstests"].owes(asked, []) == ["zbd/001"]
    owes = SUITES["blktests"].owes
    assert owes(asked, ["zbd/002"]) == ["zbd/001"]
    assert owes(asked, ["zbd/***"]) == []
    assert owes(part("blktests"), []) == []
    assert owes(replace(asked, options=["-q30"]), []) == []


def test_disks_of_fstests_have_roles() -> None:
    configuration = SUITES["fstests"].configuration
    assert configuration
    _, text = configuration(part("fstests", "/dev/sda", FSTYP="btrfs", MKFS_OPTIONS="-d single"))
    assert "export TEST_DEV=/dev/sda\n" in text and "SCRATCH_DEV" not in text
    assert "export MKFS_OPTIONS='-d single'\n" in text
    _, text = configuration(part("fstests", "/dev/sda", "/dev/sdb", FSTYP="btrfs"))
    assert "export SCRATCH_DEV=/dev/sdb\n" in text
    _, text = configuration(part("fstests", "/dev/sda", "/dev/sdb", "/dev/sdc", FSTYP="btrfs"))
    assert "export SCRATCH_DEV_POOL='/dev/sdb /dev/sdc'\n" in text and "SCRATCH_DEV=" not in text


def report(*results: tuple[str, str], expected: tuple[str, ...] = ()) -> Report:
    return Report(
        "small", {test: Result(test, Status(status), "why\x07") for test, status in results}, expected
    )


def test_what_is_expected_to_fail_may_and_what_passes_is_told() -> None:
    found = report(
        ("a", "failed"), ("b", "failed"), ("c", "passed"), ("d", "not run"), expected=("b", "c", "d")
    )
    assert [each.test for each in found.unexpected] == ["a"]
    assert [each.test for each in found.fixed] == ["c"]
    (suite,) = ET.fromstring(found.junit())
    assert {case.get("name"): [each.tag for each in case] for case in suite} == {
        "a": ["failure"],
        "b": ["skipped"],
        "c": ["failure"],
        "d": ["skipped"],
    }
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "2")


def test_a_list_of_expected_failures_shrinks_and_keeps_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "expected"
    with pytest.raises(UsageError, match="cannot read the list of tests"):
        Expected(file)
    fresh = Expected(file, new=True)
    assert fresh.new and not fresh.tests
    fresh.begin(["zbd/001", "zbd/002"])
    assert file.read_text() == "zbd/001\nzbd/002\n"
    file.write_text("# since 6.12\nzbd/001  # a bug\n\nzbd/002 # another\nzbd/003\n")
    Expected(file).shrink({"zbd/001", "zbd/003"})
    assert file.read_text() == "# since 6.12\n\nzbd/002 # another\n"


class Outcome:
    """What takes the place of guests: the statuses of tests of blktests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.statuses: dict[str, str] = {}
        monkeypatch.setattr(Runner, "run", lambda runner, _: runner.results.update(self._results()))
        monkeypatch.chdir(directory)
        (directory / "blktests-results").mkdir()

    def _results(self) -> dict[str, Result]:
        return {test: Result(test, Status(status)) for test, status in self.statuses.items()}

    def verb(self, *options: str, **statuses: str) -> int:
        self.statuses = {f"zbd/{name[1:]}": status for name, status in statuses.items()}
        return execute(["suite", "blktests", "--source", str(SMALL / "blktests"), *options])


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Outcome:
    return Outcome(monkeypatch, tmp_path)


def test_exit_codes(outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "expected"
    expect = ["--expect", str(file)]
    assert outcome.verb(t1="passed", t2="not run") == 0
    assert outcome.verb(t1="passed", t2="failed") == 1
    assert outcome.verb(*expect, "--update", t1="passed", t2="failed") == 0
    assert file.read_text() == "zbd/2\n"
    assert outcome.verb(*expect, t1="passed", t2="failed") == 0
    assert outcome.verb(*expect, t1="failed", t2="failed") == 1
    assert outcome.verb(*expect, "--update", t1="failed", t2="failed") == 1
    assert file.read_text() == "zbd/2\n", "it may only shrink"
    capsys.readouterr()
    assert outcome.verb(*expect, t2="passed") == 1
    assert (
        capsys.readouterr().out == "zbd/2  passed, and was expected to fail\n1 passed, 0 failed, 0 not run\n"
    )
    assert outcome.verb(*expect, "--update", "--json", t2="passed") == 0
    assert json.loads(capsys.readouterr().out)["fixed"] == ["zbd/2"]
    assert file.read_text() == ""
    assert outcome.verb("--update") == 2


def test_disks_that_guests_cannot_share_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ["suite", "zonefs", "--source", str(SMALL / "zonefs")]
    assert execute(source) == 2
    assert "zonefs needs a disk: the first is tested" in capsys.readouterr().err
    assert execute([*source, "--disk", "smr,file=a.img,size=1G", "--guests", "2"]) == 2
    assert "2 guests cannot share the disk smr,size=1G,file=a.img" in capsys.readouterr().err
    assert execute([*source, "--disk", "smr,size=1G", "--set", "a b=c"]) == 2
    assert "--set a b=c is not a setting" in capsys.readouterr().err


def test_results_of_an_earlier_run_are_replaced_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("guest-1/output", "guest-2/precious", "other"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    runner = Runner(Plan(SUITES["blktests"], SMALL / "blktests", tmp_path))
    monkeypatch.setattr(Runner, "_begin", lambda *_: pytest.skip("begun"))
    with pytest.raises(pytest.skip.Exception):
        runner.run()
    assert {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()} == {
        "guest-2/precious",
        "other",
    }
