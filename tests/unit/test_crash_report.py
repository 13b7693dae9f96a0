"""The forms of a crash test's report: findings told once, whatever a guest has said, and small drawings."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm import HostError, UsageError
from zonevm.crash import Loss, Report, Result, State
from zonevm.crash.forms import facts, html, junit, text, write

PAGE = "{http://www.w3.org/1999/xhtml}"
ELEMENTS = {
    f"{PAGE}{name}"
    for name in (
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "pre", "section"),
        *("ul", "li", "a", "table", "tr", "th", "td", "span"),
    )
}
SVG = "{http://www.w3.org/2000/svg}"
MARKS = ((8, "one is stored"), (11, "two is stored"))
WRITE = ("disk 0: WRITE(16), zone 1",)


def state(point: int, *changes: int) -> State:
    return State(point, tuple(Loss(0, "zone", number, each) for number, each in enumerate(changes)))


def failing(
    point: int, *changes: int, code: int | None = 1, lost: Sequence[str] = WRITE, output: str = "1 of 2\n"
) -> Result:
    mark = next((mark for at, mark in reversed(MARKS) if at <= point), "")
    return Result(state(point, *changes), code, output, mark, state(point, 1), tuple(lost))


def report(*results: Result, wanted: int = 0, points: int = 14) -> Report:
    check = ["sh", "check.sh"]
    return Report(Path("store.record"), check, wanted or len(results), points, MARKS, results)


SMALL = report(
    Result(state(3, 1), 0, "0 of 0\n"),
    Result(state(12), 0, "2 of 2\n", "two is stored"),
    Result(state(12, 2), 1, "looking\n1 of 2\n", "two is stored", state(12, 1), WRITE, "failed/3"),
    failing(13, 2, 1),
    failing(13, 4, code=None, output="the guest panicked\nOops: 0000\n"),
    wanted=6,
)

SMALL_TEXT = """\
5 of 6 states tried, 3 failed: 2 findings

failed (exit code 1) at point 12, last mark 'two is stored'
  2 states failed like this, at points 12 to 13
  disk 0: WRITE(16), zone 1
again: zonevm crash replay store.record --state '{"point":12,"lost":[[0,"zone",0,1,0]]}' -- sh check.sh
  | looking
  | 1 of 2
kept: store.record/failed/3

failed (the guest failed: the guest panicked) at point 13, last mark 'two is stored'
  disk 0: WRITE(16), zone 1
again: zonevm crash replay store.record --state '{"point":13,"lost":[[0,"zone",0,1,0]]}' -- sh check.sh
  | the guest panicked
  | Oops: 0000
"""


def test_a_report_as_text() -> None:
    assert text(SMALL) == SMALL_TEXT
    assert text(report(Result(state(3), 0))) == "1 of 1 states tried, 0 failed\n"


def test_a_report_as_json() -> None:
    told = json.loads(json.dumps(facts(SMALL)))
    assert [told[each] for each in ("record", "check", "points", "wanted", "tried", "failed")] == [
        "store.record", ["sh", "check.sh"], 14, 6, 5, 3
    ]  # fmt: skip
    assert told["marks"] == [{"point": 8, "text": "one is stored"}, {"point": 11, "text": "two is stored"}]
    assert [(each["example"], each["results"], each["lost"]) for each in told["findings"]] == [
        (2, [2, 3], list(WRITE)),
        (4, [4], list(WRITE)),
    ]
    assert told["findings"][0]["again"] == SMALL.again(SMALL.results[2])
    assert [State.of(each["state"]) for each in told["results"]] == [each.state for each in SMALL.results]


def test_a_report_as_junit() -> None:
    (suite,) = ET.fromstring(junit(SMALL))
    assert suite.attrib == {
        "name": "crash states of store.record", "tests": "4", "failures": "2", "errors": "0", "skipped": "1"
    }  # fmt: skip
    assert [case.get("name") for case in suite] == [
        "point 3, before any mark",
        "point 12, last mark 'two is stored'",
        "point 13, last mark 'two is stored'",
        "states that were not tried",
    ]
    assert [case.find("failure") is not None for case in suite] == [False, True, True, False]
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.attrib == {
        "type": "exit code 1", "message": "1 of 2 states failed; lost: disk 0: WRITE(16), zone 1"
    }  # fmt: skip
    assert SMALL.again(SMALL.results[2]) in (failure.text or "")
    assert suite[1].findtext("system-out") == "looking\n1 of 2"
    assert suite[2].findtext("system-out") == "1 of 2\n\nthe guest panicked\nOops: 0000"
    skipped = suite[3].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "1 of 6 states were not tried"


def test_a_report_as_a_page() -> None:
    page = ET.fromstring(html(SMALL))
    assert page.findtext(f".//{PAGE}h1") == text(SMALL).splitlines()[0]
    commands = ["".join(each.itertext()) for each in page.iterfind(f".//{PAGE}pre[@class='command']")]
    assert commands == ["sh check.sh", *(SMALL.again(SMALL.results[number]) for number in (2, 4))]
    assert [each.get("href") for each in page.iter(f"{PAGE}a")] == ["./failed/3"]
    rows = [[cell.text for cell in row] for row in page.iter(f"{PAGE}tr")][1:]
    assert rows == [[None, "0", "1", "0"], ["two is stored", "11", "4", "3"]]
    looks = Counter(
        each.get("class") for each in page.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None
    )
    assert looks == {"passed": 2, "failed": 3}
    assert [each.findtext(f"{SVG}title") for each in page.iter(f"{SVG}line")] == [mark for _, mark in MARKS]


def test_what_is_the_same_thing_is_told_once() -> None:
    same = [failing(point, *[1] * (40 - point)) for point in range(1, 38)]
    other = failing(20, 5, lost=("disk 0: WRITE(16), zone 2",))
    told = text(report(*same, other))
    assert told.startswith("38 of 38 states tried, 38 failed: 2 findings\n")
    assert "37 states failed like this, at points 1 to 37" in told
    assert told.count("again: ") == 2


def test_what_was_not_made_smaller_is_told_by_its_mark() -> None:
    results = [Result(state(point, 2), 1, "", mark) for point, mark in ((1, ""), (2, ""), (9, "a"))]
    told = text(report(*results, Result(state(12), 1, "", "b", state(12))))
    assert told.count("disk 0: zone 0, its last 2 changes") == 2
    assert told.count("nothing is lost") == 1
    assert "2 states failed like this, at points 1 to 2" in told


def test_an_example_has_lost_the_least() -> None:
    words = tuple(f"command {number}" for number in range(30))
    many = Result(state(1, *[1] * 30), 1, "", "", state(1, *[1] * 30), words)
    few = Result(state(5, 1), 1, "", "", state(5, 1), words)
    assert facts(report(many, few))["findings"][0]["example"] == 1  # type: ignore[index]
    told = text(report(many, few))
    assert "command 19\n  and 10 more\n" in told
    assert html(report(many, few)).count("<li>") == 21


HOSTILE = st.text(st.characters(), max_size=60) | st.sampled_from(
    [
        "\x1b[2J",
        "]]>",
        "</pre><script>alert(1)</script>",
        "\ud800",
        "\ufffe",
        "\r\n",
        "javascript:x",
        "//x",
        "'\">&\0",
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.sampled_from([None, 1]))
def test_whatever_is_said_does_no_harm(
    output: str, mark: str, lost: str, kept: str, code: int | None
) -> None:
    results = [
        Result(state(9, 1), code, output, mark, state(9, 1), (lost,), kept),
        Result(state(3), 0, output),
    ]
    hostile = Report(Path("a.record"), ["sh", "-c", "one\ntwo"], 2, 14, [(2, mark)], results)
    assert json.loads(json.dumps(facts(hostile)))["results"][0]["output"] == output
    seen = text(hostile)
    assert all(each.isprintable() or each in "\n\t" for each in seen)
    ET.fromstring(junit(hostile).encode())
    page = ET.fromstring(html(hostile).encode())
    assert {each.tag for each in page.iter()} <= ELEMENTS | {
        f"{SVG}{name}" for name in ("svg", "title", "rect", "text", "line")
    }
    for link in page.iter(f"{PAGE}a"):
        assert (link.get("href") or "").startswith("./")
        assert unquote(link.get("href") or "")[2:] == kept.encode(errors="replace").decode()


@pytest.mark.parametrize("count", [0, 1, 50_000])
def test_a_drawing_is_small_however_many_results_there_are(count: int) -> None:
    results = [
        failing(number, number % 100) if number % 7 == 0 else Result(state(number, number % 100), 0)
        for number in range(count)
    ]
    marks = [(number, f"mark {number}") for number in range(0, count, 5)]
    page = ET.fromstring(html(Report(Path("a"), ["true"], count, count, marks, results)))
    (drawing,) = page.iter(f"{SVG}svg")
    titles = [each.findtext(f"{SVG}title") or "" for each in drawing.iter(f"{SVG}rect")]
    cells = [each.split() for each in titles if each]
    assert sum(int(each[-4]) + int(each[-2]) for each in cells) == count
    assert sum(1 for _ in drawing.iter()) < 5000
    assert len(ET.tostring(drawing)) < 500_000


def test_a_drawing_reaches_from_its_first_point_to_its_last() -> None:
    page = ET.fromstring(html(report(*(Result(state(point), 0) for point in range(15)))))
    frame = next(each for each in page.iter(f"{SVG}rect") if each.get("class") == "frame")
    places = [
        int(each.get("x", "")) for each in page.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None
    ]
    assert len(set(places)) == 15
    left, width = int(frame.get("x", "")), int(frame.get("width", ""))
    assert left <= min(places) <= left + 8
    assert left + width * 13 // 14 <= max(places) <= left + width


def test_all_forms_are_written(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("of an earlier run")
    write(SMALL, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["report.html", "report.json", "report.txt", "report.xml"]
    assert [stat.S_ISREG(file.stat().st_mode) for file in files] == [True] * 4
    assert (tmp_path / "report.txt").read_text() == SMALL_TEXT
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(facts(SMALL)))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot write .*/none/report\.txt"):
        write(SMALL, tmp_path / "none")
    (tmp_path / "report.xml").write_bytes(b"\0 something else")
    with pytest.raises(UsageError, match="it is not overwritten"):
        write(SMALL, tmp_path)
    assert (tmp_path / "report.xml").read_bytes() == b"\0 something else"


@pytest.mark.skipif(shutil.which("xmllint") is None, reason="there is no xmllint")
def test_files_are_valid(tmp_path: Path) -> None:
    write(SMALL, tmp_path)
    schema = Path(__file__).parent / "junit.xsd"
    for options in (["--schema", schema, "report.xml"], ["report.html"]):
        done = subprocess.run(
            ["xmllint", "--noout", "--nonet", *options], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_one_lost_command_is_one_finding_however_much_is_lost_with_it() -> None:
    write = "disk 0: WRITE(16) of 8 blocks at LBA 8, zone 1, {} (entry 7, after mark 'a')"
    later = "disk 0: WRITE(16) of 8 blocks at LBA 16, zone 1, is lost (entry 9, in flight)"
    one = (write.format("is lost"),)
    torn = (write.format("is lost but for its first block"),)
    both = (*one, later)
    alone = (later,)
    results = [failing(point, 1, lost=lost) for point, lost in enumerate((one, torn, both, alone), 1)]
    told = text(report(*results))
    assert told.startswith("4 of 4 states tried, 4 failed: 2 findings\n")
