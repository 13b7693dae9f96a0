"""The forms of a matrix's report: valid, and whatever a guest has said does no harm."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm.matrix import Cell, Report, Result
from zonevm.matrix.forms import html, junit, ktap, write

PAGE = "{http://www.w3.org/1999/xhtml}"
CODES = [0, 1, 124, 125, -9, None]
LOOKS = ["passed", "failed", "failed", "error", "error", "left"]
REASONS = [
    "passed",
    "exit code 1",
    "timed out",
    "zonevm or the guest failed",
    "killed by signal 9",
    "not run",
]
EVIL = b"\x1b[2J<script>alert(1)</script> ]]> & \xff\xfe \x00 \r\nnot ok 1 # lies\nok 2\n"


def report(
    directory: Path, codes: list[int | None], said: bytes = b"one\ntwo\n", work: str = "true"
) -> Report:
    cells: list[tuple[Cell, Result | None]] = []
    for number, code in enumerate(codes):
        command = ("zonevm", "run", "--", "sh", "-c", work)
        cell = Cell("6.12", "smr" if number % 2 else "zns", f"w{number // 2}", command, 2**30)
        result = None if code is None else Result(cell.name, command, code, 1.5)
        cells.append((cell, result))
        if code is not None:
            log = directory / "cells" / cell.name / "log.txt"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(said)
    return Report(directory, cells)


def results_of_ktap(text: str) -> list[tuple[str, str, str]]:
    """Read KTAP by its specification: a version, a plan, results in their order, diagnostic lines."""
    version, plan, *lines = text.splitlines()
    assert version == "KTAP version 1"
    results: list[tuple[str, str, str]] = []
    for line in lines:
        if not line.startswith("# "):
            match = re.fullmatch(r"(ok|not ok) (\d+) ([^#]+?)(?: # (.+))?", line)
            assert match, line
            assert int(match[2]) == len(results) + 1
            results.append((match[1], match[3], match[4] or ""))
    assert plan == f"1..{len(results)}"
    return results


def test_ktap(tmp_path: Path) -> None:
    told = ktap(report(tmp_path, CODES))
    assert [(ok, directive) for ok, _, directive in results_of_ktap(told)] == [
        ("ok", ""),
        ("not ok", "exit code 1"),
        ("not ok", "TIMEOUT timed out"),
        ("not ok", "ERROR zonevm or the guest failed"),
        ("not ok", "ERROR killed by signal 9"),
        ("ok", "SKIP not run"),
    ]
    assert "# 6.12/smr/w0: one\n# 6.12/smr/w0: two\nnot ok 2 6.12/smr/w0 # exit code 1\n" in told
    assert ktap(report(tmp_path, [])) == "KTAP version 1\n1..0\n"


def test_junit(tmp_path: Path) -> None:
    (suite,) = ET.fromstring(junit(report(tmp_path, CODES)))
    assert suite.attrib == {
        "name": "zonevm matrix", "tests": "6", "failures": "2", "errors": "2", "skipped": "1"
    }  # fmt: skip
    kinds = [next((each.tag for each in case if each.tag != "system-out"), "") for case in suite]
    assert kinds == ["", "failure", "failure", "error", "error", "skipped"]
    assert [case.get("time") for case in suite] == ["1.500"] * 5 + [None]
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "exit code 1", "message": "6.12/smr/w0: exit code 1"}
    assert failure.text == "again: zonevm run -- sh -c true"
    assert suite[1].findtext("system-out") == "one\ntwo"


def test_the_table(tmp_path: Path) -> None:
    page = ET.fromstring(html(report(tmp_path, CODES)))
    assert page.findtext(f".//{PAGE}h1") == "5 of 6 cells run, 2 failed, 2 without a verdict"
    assert [cell.text for cell in page.iter(f"{PAGE}th")] == ["kernel", "disk", "w0", "w1", "w2"]
    found = [(cell.get("class"), "".join(cell.itertext())) for cell in page.iter(f"{PAGE}td")]
    in_order = [number for row in (0, 1) for number in (row, row + 2, row + 4)]
    times = ["" if code is None else ", 2 s" for code in CODES]
    assert [each for each in found if each[0]] == [
        (LOOKS[number], REASONS[number] + times[number]) for number in in_order
    ]
    links = {link.get("href") for link in page.iter(f"{PAGE}a")}
    assert len(links) == 5
    assert all((tmp_path / str(link)).exists() for link in links)


@given(st.binary(max_size=200) | st.just(EVIL), st.text(max_size=20))
def test_whatever_was_said_is_text(tmp_path_factory: pytest.TempPathFactory, said: bytes, work: str) -> None:
    directory = tmp_path_factory.getbasetemp() / "said"
    made = report(directory, [1, 0], said, work)
    page = ET.fromstring(html(made))
    assert {each.tag.removeprefix(PAGE) for each in page.iter()} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "p",
            "pre",
            "table",
            "tr",
            "th",
            "td",
            "a",
        )
    }
    ET.fromstring(junit(made))
    told = ktap(made)
    assert [ok for ok, _, _ in results_of_ktap(told)] == ["not ok", "ok"]
    for form in (html(made), junit(made), told):
        assert all(each.isprintable() or each in "\n\t" for each in form)


@pytest.mark.skipif(shutil.which("xmllint") is None, reason="there is no xmllint")
def test_files_are_valid(tmp_path: Path) -> None:
    write(report(tmp_path, CODES, EVIL, "a\nb < c"))
    schema = Path(__file__).parent / "junit.xsd"
    for options in (["--schema", schema, "report.xml"], ["report.html"]):
        done = subprocess.run(
            ["xmllint", "--noout", "--nonet", *options], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len(results_of_ktap((tmp_path / "report.ktap").read_text())) == len(CODES)
