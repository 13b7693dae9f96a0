"""Cells run: here, interrupted, killed and resumed, in shards, on executors. A script plays zonevm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]
FAKE = """\
#!/bin/sh
# The work is the last word of `zonevm run`; it is run here, in no guest.
for work; do :; done
echo "$*" | grep -o 'kernel [^ ]*'
[ "$1" = run ] || { mkdir "$work" && echo kept >"$work/report.txt"; exit; }
exec sh -c "$work"
"""
MATRIX = """
[kernels]
new = "6.12"
old = "6.1"
[disks]
smr = "smr,size=1G"
zns = "zns,size=1G"
[workloads]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a zonevm that is none first in PATH."""
    fake = tmp_path / "bin" / "zonevm"
    fake.parent.mkdir()
    fake.write_text(FAKE)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PLACE", str(tmp_path))
    return tmp_path


def write(place: Path, **workloads: str) -> None:
    lines = "".join(f"{name} = '''{work}'''\n" for name, work in workloads.items())
    (place / "m.toml").write_text(MATRIX + lines)


def run(place: Path, *words: str, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*ZONEVM, "matrix", *words], cwd=place, capture_output=True, text=True, timeout=240)
    assert done.returncode == code, done.stderr
    return done


def told(place: Path, *words: str, code: int) -> dict[str, int | None]:
    """Run it, and return the exit codes by the names of the cells."""
    rows = json.loads(run(place, *words, "--json", code=code).stdout)
    return {row["cell"]: row["exit_code"] for row in rows}


def lines(place: Path, directory: str) -> list[dict[str, Any]]:
    file = place / directory / "results.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_cell_has_a_result_and_a_log(place: Path) -> None:
    write(place, good="echo here", bad="echo there >&2; exit 3", none="exit 125", late="exit 124")
    done = run(place, "m.toml", code=1)
    assert done.stdout.splitlines()[0].split() == ["kernel", "disk", "workload", "result", "seconds"]
    assert done.stdout.splitlines()[-1] == "16 of 16 cells run, 8 failed, 4 without a verdict"
    assert "zonevm: old/zns/bad: exit code 3" in done.stderr
    assert "zonevm: old/zns/none: zonevm or the guest failed" in done.stderr
    assert "zonevm: new/smr/late: timed out" in done.stderr
    assert "reports: zonevm-matrix-1/report.html" in done.stderr
    directory = place / "zonevm-matrix-1"
    log = (directory / "cells/new/zns/bad/log.txt").read_text().splitlines()
    assert log[0].startswith("$ zonevm run --kernel 6.12 --memory 1G --disk zns,size=1G -- sh -c")
    assert log[1:] == ["kernel 6.12", "there"]
    assert len(list(directory.glob("cells/*/*/*/log.txt"))) == len(lines(place, "zonevm-matrix-1")) == 16
    assert {each.name for each in directory.glob("report.*")} == {"report.html", "report.ktap", "report.xml"}


def test_only_what_has_no_verdict_is_run_again(place: Path) -> None:
    work = 'echo x >>"$PLACE/runs"; exit '
    write(place, good=f"{work} 0", bad=f"{work} 1", none=f"{work} $(cat $PLACE/code)")
    (place / "code").write_text("125")
    cells = (word for name in ("good", "bad", "none") for word in ("--cell", f"new/smr/{name}"))
    words = ("m.toml", "--dir", "d", *cells)
    assert told(place, *words, code=1) == {"new/smr/good": 0, "new/smr/bad": 1, "new/smr/none": 125}
    with (place / "d/results.jsonl").open("a") as file:
        file.write('{"cell": "new/smr/go')  # as a kill leaves it
    (place / "code").write_text("0")
    assert told(place, *words, code=1) == {"new/smr/good": 0, "new/smr/bad": 1, "new/smr/none": 0}
    assert told(place, *words, code=1) == {"new/smr/good": 0, "new/smr/bad": 1, "new/smr/none": 0}
    assert (place / "runs").read_text() == "x\n" * 4
    write(place, good="exit 9", bad=f"{work} 1", none="exit 0")  # another command is another cell
    assert told(place, *words, code=1) == {"new/smr/good": 9, "new/smr/bad": 1, "new/smr/none": 0}


def test_only_where_none_failed_no_verdict_is_the_exit_code(place: Path) -> None:
    write(place, work="kill -9 $$")
    done = run(place, "m.toml", "--cell", "new/smr/work", code=125)
    assert "new/smr/work: killed by signal 9" in done.stderr


def test_a_crash_test_leaves_its_directory(place: Path) -> None:
    (place / "m.toml").write_text(MATRIX + "a.crash = { work = 'w', check = 'c' }\na.timeout = 60\n")
    for _ in range(2):
        run(place, "m.toml", "--dir", "d", "--cell", "new/smr/a", code=0)
        assert (place / "d/cells/new/smr/a/crash/report.txt").read_text() == "kept\n"
        (place / "d/results.jsonl").unlink()  # what an earlier try has left is not in the way


def alive(place: Path) -> list[int]:
    """The processes that cells have told of, as far as they run."""
    pids = [int(line) for line in (place / "pids").read_text().split()] if (place / "pids").exists() else []
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


SLEEPS = 'echo $$ >>"$PLACE/pids"; [ -e "$PLACE/go" ] || { sleep 600 & echo $! >>"$PLACE/pids"; wait; }'


def started(place: Path, *before: str) -> subprocess.Popen[str]:
    """Start a run of which the cells of workload `quick` end, and two others are there."""
    process = subprocess.Popen(
        [*before, *ZONEVM, "matrix", "m.toml", "--dir", "d", "--guests", "6"],
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    until(lambda: len(alive(place)) == 8 and len(lines(place, "d")) == 4)
    return process


def goes_on(place: Path) -> None:
    """The rest is run, and no more."""
    (place / "go").touch()
    before = lines(place, "d")
    assert set(told(place, "m.toml", "--dir", "d", code=0).values()) == {0}
    after = lines(place, "d")
    assert after[:4] == before
    assert len({each["cell"] for each in after}) == len(after) == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_cells(place: Path, number: signal.Signals) -> None:
    write(place, quick="exit 0", sleeps=f"trap 'echo told; exit 130' INT; {SLEEPS}")
    ignored = () if number == signal.SIGINT else ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
    process = started(place, *ignored)  # as a background job of a script, which ignores Ctrl-C
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said
    assert "hint: Go on: the same command with --dir d" in said
    until(lambda: not alive(place))
    logs = [path.read_text() for path in (place / "d").glob("cells/*/*/sleeps/log.txt")]
    assert [log.splitlines()[-1] for log in logs] == ["told"] * 4  # a SIGINT, as of Ctrl-C, and no SIGKILL
    assert 'skipped="4"' in (place / "d/report.xml").read_text()
    goes_on(place)


def test_kill_9_leaves_no_cell(place: Path) -> None:
    write(place, quick="exit 0", sleeps=SLEEPS)
    process = started(place)
    process.kill()
    process.communicate(timeout=120)
    until(lambda: not alive(place))
    goes_on(place)


def test_a_directory_has_one_run_at_a_time(place: Path) -> None:
    write(place, quick="exit 0", sleeps=SLEEPS)
    process = started(place)
    try:
        assert "d is in use by another zonevm matrix" in run(place, "m.toml", "--dir", "d", code=2).stderr
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


def test_shards_are_merged(place: Path) -> None:
    write(place, good="echo $$", bad="exit 3", none="exit $(cat $PLACE/code)")
    (place / "code").write_text("125")
    for number in "123":
        run(place, "m.toml", "--dir", f"s{number}", "--shard", f"{number}/3", code=1)
    part = told(place, "merge", "s1", "s2", "--dir", "part", code=1)
    assert list(part.values()).count(None) == 4
    assert {code for name, code in part.items() if code is not None and name.endswith("none")} == {125}
    (place / "code").write_text("0")
    whole = told(place, "m.toml", "--dir", "whole", code=1)
    shards = told(place, "merge", "s1", "s2", "s3", "--dir", "out", code=1)
    assert {cell: code for cell, code in shards.items() if code != 125} == {
        cell: code for cell, code in whole.items() if not cell.endswith("none")
    }
    assert told(place, "merge", "whole", "s1", "s2", "s3", "--dir", "both", code=1) == whole
    logs = {log.relative_to(place / "out"): log.read_bytes() for log in (place / "out").rglob("log.txt")}
    assert logs == {
        log.relative_to(place / shard): log.read_bytes()
        for shard in ("s1", "s2", "s3")
        for log in (place / shard).rglob("log.txt")
    }

    write(place, other="exit 0")
    run(place, "m.toml", "--dir", "other", "--shard", "1/2", code=0)
    run(place, "merge", "other", "--dir", "half", code=125)  # a shard is missing
    said = run(place, "merge", "s1", "other", "--dir", "x", code=2).stderr
    assert "other and s1 are not of the same matrix" in said
    assert not (place / "x").exists()
    assert "out exists already" in run(place, "merge", "s1", "--dir", "out", code=2).stderr
    assert "bin is not the directory of a matrix" in run(place, "merge", "bin", "--dir", "x", code=2).stderr


def test_what_is_not_the_directory_of_a_matrix_stays(place: Path) -> None:
    write(place, work="exit 0")
    assert "bin has files, and is not the directory" in run(place, "m.toml", "--dir", "bin", code=2).stderr
    assert [each.name for each in (place / "bin").iterdir()] == ["zonevm"]
    assert "m.toml is not a directory" in run(place, "m.toml", "--dir", "m.toml", code=2).stderr
    assert "cannot make the directory a/b" in run(place, "m.toml", "--dir", "a/b", code=125).stderr


EXECUTORS = """
    from concurrent.futures import Executor, Future, ProcessPoolExecutor
    from contextlib import contextmanager

    def pool():
        return ProcessPoolExecutor(2)

    @contextmanager
    def dask():
        from distributed import Client, LocalCluster
        with LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster, Client(cluster) as client:
            yield client.get_executor()

    class Broken(Executor):
        def submit(self, *arguments):
            future = Future()
            future.set_exception(RuntimeError("a worker was lost"))
            return future

    def fails():
        raise OSError("no scheduler")

    def nothing():
        return open("/dev/null")

    number = 3
"""


@pytest.fixture
def executors(place: Path) -> Path:
    (place / "executors.py").write_text(textwrap.dedent(EXECUTORS))
    return place


@pytest.mark.parametrize("name", ["pool", "dask"])
def test_an_executor_finds_the_same(executors: Path, name: str) -> None:
    write(executors, good="echo $PPID; pwd", bad="exit 3")
    here = told(executors, "m.toml", "--dir", "here", code=1)
    there = told(executors, "m.toml", "--dir", "there", "--executor", f"executors:{name}", code=1)
    assert there == here
    assert len(there) == 8
    logs = [path.read_text().splitlines() for path in (executors / "there").glob("cells/*/*/good/log.txt")]
    assert {log[-1] for log in logs} == {str(executors)}
    assert len(logs) == 4


def test_where_an_executor_fails_there_is_no_verdict(executors: Path) -> None:
    write(executors, good="exit 0")
    done = run(executors, "m.toml", "--dir", "d", "--executor", "executors:Broken", code=125)
    assert "4 of 4 cells run, 0 failed, 4 without a verdict" in done.stdout
    assert "RuntimeError: a worker was lost" in (executors / "d/cells/new/smr/good/log.txt").read_text()
    assert set(told(executors, "m.toml", "--dir", "d", code=0).values()) == {0}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("executors", 2, "'executors' does not name a function"),
        ("none:f", 2, "--executor none:f: ModuleNotFoundError: No module named 'none'"),
        ("executors:none", 2, "AttributeError: module 'executors' has no attribute 'none'"),
        ("executors:number", 2, "--executor executors:number cannot be called"),
        ("executors:fails", 125, "cannot make the executor: OSError: no scheduler"),
        ("executors:nothing", 2, "is not an executor: it has no submit"),
    ],
)
def test_an_executor_that_is_none(executors: Path, name: str, code: int, message: str) -> None:
    write(executors, good="exit 0")
    said = run(executors, "m.toml", "--dir", "d", "--executor", name, code=code).stderr
    assert message in said
    assert "Traceback" not in said


def test_cells_run_at_the_same_time(place: Path) -> None:
    meets = 'touch "$PLACE/at-$$"; until [ "$(ls "$PLACE" | grep -c at-)" -ge 4 ]; do sleep 0.1; done'
    write(place, meets=meets)
    begun = time.monotonic()
    run(place, "m.toml", "--guests", "4", code=0)
    assert time.monotonic() - begun < 200
