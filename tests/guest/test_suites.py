"""Suites in guests: fio's own tests, and small ones in ``suites/`` that talk as real ones do."""

from __future__ import annotations

import json
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from zonevm.host import cache_dir

pytestmark = pytest.mark.guest

SOURCES = Path(__file__).with_name("suites")
TOOLS = Path(__file__).parents[2] / "tools"
SMR = "smr,size=1G,zone-size=64M,conv=1"


def words(zonevm: list[str], kernel: str, suite: str, source: Path, *more: str) -> list[str]:
    return [*zonevm, "suite", suite, "--source", str(source), "--kernel", kernel, *more]


def run(command: list[str], cwd: Path, code: int) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def told(facts: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["test"]: (each["status"], each["reason"]) for each in facts["tests"]}


def test_a_panic_is_a_finding_and_a_new_guest_goes_on(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    expected = tmp_path / "expected"
    expected.write_text("generic/002  # wrong\ngeneric/005\n")
    options = ["--disk", SMR, "--disk", SMR, "--set", "FSTYP=btrfs", "--expect", str(expected)]
    options += ["--set", "MKFS_OPTIONS=-O zoned -d single -m single", "--junit", "junit.xml", "--json"]
    command = words(zonevm, kernel, "fstests", SOURCES / "fstests", *options, "--", "-g", "quick")
    facts = json.loads(run(command, tmp_path, code=1))
    results = told(facts)
    assert {test: status for test, (status, _) in results.items()} == {
        "generic/001": "passed",
        "generic/002": "failed",
        "generic/003": "not run",
        "generic/004": "failed",
        "generic/005": "passed",
    }
    assert (facts["unexpected"], facts["fixed"]) == (["generic/004"], ["generic/005"])
    assert results["generic/002"][1] == "output mismatch"
    assert results["generic/003"][1] == "this test needs what no disk has"
    assert "panic" in results["generic/004"][1]
    kept = tmp_path / "fstests-results"
    assert json.loads((kept / "results.json").read_text()) == facts
    assert "sysrq" in (kept / "guest-1/console").read_text()
    assert (kept / "guest-1/generic/002.out.bad").read_text().endswith("wrong\n")
    assert "export SCRATCH_DEV=/dev/sdb\n" in (kept / "guest-2/local.config").read_text()
    assert not (SOURCES / "fstests/local.config").exists()
    failures = [
        case.get("name")
        for case in ET.parse(tmp_path / "junit.xml").iter("testcase")
        if case.find("failure") is not None
    ]
    assert failures == ["generic/004", "generic/005"]


def test_tests_are_divided_among_guests(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    options = ["--disk", SMR, "--guests", "2", "--results", "kept"]
    out = run(words(zonevm, kernel, "blktests", SOURCES / "blktests", *options), tmp_path, code=1)
    assert out.splitlines() == [
        "zbd/003  not run: sda: /dev/sda is not an NVMe namespace",
        "block/001  failed: sda: output",
        "2 passed, 1 failed, 1 not run",
    ]
    kept = tmp_path / "kept"
    assert "status\tpass" in (kept / "guest-1/sda/zbd/002").read_text()
    assert "status\tpass" in (kept / "guest-2/sda/zbd/001").read_text()
    assert (kept / "guest-2/config").read_text() == "TEST_DEVS=(/dev/sda)\nEXCLUDE=(zbd/002)\n"


def test_fios_own_tests(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    source = cache_dir() / "tests/fio"
    subprocess.run([TOOLS / "fio-source", source], check=True)
    disk = ["--disk", "smr,size=256M,zone-size=4M,conv=4"]
    chosen = ["--json", "--", *(word for number in (1, 4, 23, 34, 46) for word in ("-t", str(number)))]
    facts = json.loads(run(words(zonevm, kernel, "fio-zbd", source, *disk, *chosen), tmp_path, code=0))
    assert told(facts) == {
        "01": ("passed", ""),
        "04": ("not run", "/dev/sda does not have 130 sequential zones"),
        "23": ("passed", ""),
        "34": ("passed", ""),
        "46": ("passed", ""),
    }
    assert (tmp_path / "fio-zbd-results/guest-1/test-zbd-support.log.1").exists()


def test_one_that_hangs_is_given_up(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    options = ["--disk", SMR, "--timeout", "20"]
    out = run(words(zonevm, kernel, "zonefs", SOURCES / "zonefs", *options), tmp_path, code=1)
    assert out.splitlines() == [
        "0020  not run: Not enough conventional zones",
        "0030  failed: --> Invalid number of files",
        "0040  failed: zonefs said nothing for 20 s",
        "1 passed, 2 failed, 1 not run",
    ]


def test_what_was_found_is_kept_at_ctrl_c(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    command = words(zonevm, kernel, "libzbc", SOURCES / "libzbc", "--disk", SMR)
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr and process.stdout
        for line in process.stderr:
            if "01.020" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().splitlines() == [
            "00.015  not run: Zone Domains are not supported by the device",
            "01.020  failed",
            "1 passed, 1 failed, 1 not run",
        ]
        assert "stopped before its end" in process.stderr.read()
    assert process.returncode == 130
    facts = json.loads((tmp_path / "libzbc-results/results.json").read_text())
    assert (facts["whole"], len(facts["tests"])) == (False, 3)
    assert list((tmp_path / "libzbc-results/guest-1").rglob("010.log"))
