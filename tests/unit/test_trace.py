"""Traces: what is recorded, that others can read it, what is left after a kill, and what it sums up to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm import HostError, UsageError
from zonevm._core import Disk
from zonevm.cli import execute
from zonevm.disks import SmrShape
from zonevm.trace import parquet, raw_file, recording, recover, summarize
from zonevm.trace.latencies import Latencies

from .cdbs import TEST_UNIT_READY, report_zones, rw16, zone_out

ZONE = 256  # blocks of 4096 bytes
READ, WRITE, UNMAP = 0x88, 0x8A, 0x42


def new_disk(directory: Path) -> Disk:
    return Disk.temporary(directory, SmrShape("16M", "1M", 1, 4096))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The trace of two disks: 3 writes and a wrong one, 2 reads, and so on."""
    file = tmp_path / "trace.parquet"
    with new_disk(tmp_path) as first, new_disk(tmp_path) as second, recording(file) as recorder:
        first.trace_to(recorder, 0)
        second.trace_to(recorder, 1)
        first.execute(TEST_UNIT_READY)
        for block in range(3):
            first.execute(rw16(WRITE, 2 * ZONE + block, 1), bytes(4096))
        first.execute(rw16(WRITE, 2 * ZONE, 1), bytes(4096))
        first.execute(rw16(READ, 0, 4), b"", 4 * 4096)
        first.execute(rw16(READ, 1 << 60, 4), b"", 4 * 4096)
        first.execute(zone_out(3, 3 * ZONE))
        first.execute(zone_out(4, 0, all_zones=True))
        second.execute(report_zones(0, 128), b"", 128)
        second.execute(bytes([UNMAP, *bytes(9)]))
    assert not raw_file(file).exists()
    return file


def test_every_command_is_there_with_what_it_was(trace: Path) -> None:
    rows = pq.read_table(trace).drop_columns("time").to_pylist()
    seen = [
        (r["disk"], r["command"], r["lba"], r["blocks"], r["zone"], r["length"], r["sense"]) for r in rows
    ]
    assert seen == [
        (0, "TEST UNIT READY", None, None, None, 0, "6/29/00"),
        (0, "WRITE(16)", 512, 1, 2, 4096, None),
        (0, "WRITE(16)", 513, 1, 2, 4096, None),
        (0, "WRITE(16)", 514, 1, 2, 4096, None),
        (0, "WRITE(16)", 512, 1, 2, 0, "5/21/04"),
        (0, "READ(16)", 0, 4, 0, 16384, None),
        (0, "READ(16)", 1 << 60, 4, None, 0, "5/21/00"),
        (0, "OPEN ZONE", 768, None, 3, 0, None),
        (0, "RESET WRITE POINTER", None, None, None, 0, None),
        (1, "REPORT ZONES", 0, None, 0, 0, "6/29/00"),
        (1, "UNMAP", None, None, None, 0, "5/20/00"),
    ]
    assert {r["queue"] for r in rows} == {None}
    assert rows[1]["cdb"] == rw16(WRITE, 512, 1)
    assert (rows[1]["opcode"], rows[1]["status"], rows[4]["status"]) == (WRITE, 0, 2)
    assert all(r["latency"] > 0 for r in rows)


def test_times_are_of_now_and_in_order(trace: Path) -> None:
    times = [value.value for value in pq.read_table(trace)["time"]]
    assert times == sorted(times)
    assert abs(times[0] - time.time_ns()) < 60e9


def test_duckdb_reads_it(trace: Path) -> None:
    query = f"select command, count(*), sum(length) from '{trace}' where sense is null group by 1 order by 1"
    found = duckdb.sql(query)
    assert found is not None
    assert found.fetchall() == [
        ("OPEN ZONE", 1, 0),
        ("READ(16)", 1, 16384),
        ("RESET WRITE POINTER", 1, 0),
        ("WRITE(16)", 3, 12288),
    ]


@given(
    st.lists(st.integers(0, 2000) | st.integers(0, 2**50), min_size=1, max_size=300),
    st.integers(1, 300),
)
def test_quantiles_are_exact_though_some_latencies_are_in_memory_at_a_time(
    latencies: list[int], some: int
) -> None:
    quantiles = (0, 0.5, 0.99, 1)
    found = Latencies(quantiles)
    parts = [pa.array(latencies[at : at + some], pa.uint64()) for at in range(0, len(latencies), some)]
    for step in (found.count, found.look_closer):
        for part in parts:
            step("x", pa.chunked_array([part]))
    exact = pc.quantile(pa.array(latencies, pa.uint64()), q=quantiles, interpolation="nearest")
    assert found.quantiles("x") == exact.to_pylist()


def test_a_summary_is_the_same_whatever_is_in_memory_at_a_time(
    trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = summarize(trace)
    monkeypatch.setattr(parquet, "_ROWS", 2)
    with parquet.reading(trace) as opened:
        assert len(list(parquet.tables(opened, ("time",)))) == (whole.count + 1) // 2 > 2
    assert summarize(trace) == whole


def test_a_summary(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = summarize(trace).disks
    write = first.commands[0]
    assert (write.command, write.count, write.failed, write.bytes) == ("WRITE(16)", 4, 1, 12288)
    assert write.latency.min <= write.latency.p50 <= write.latency.p99 <= write.latency.max
    assert (first.count, first.failed, first.bytes) == (9, 3, 12288 + 16384)
    assert [(zone.zone, zone.count, zone.bytes) for zone in first.busiest_zones] == [
        (2, 4, 12288),
        (0, 1, 16384),
        (3, 1, 0),
    ]
    assert (second.disk, second.count, second.failed) == (1, 2, 2)
    assert execute(["trace", "summary", str(trace), "--zones", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("11 commands in 0.")
    assert "disk 0: 9 commands, 3 failed, 28 KiB" in text
    assert execute(["trace", "summary", str(trace), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["disks"][0]["commands"][0]["count"] == 4


def test_a_trace_without_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with recording(tmp_path / "t"):
        pass
    assert execute(["trace", "summary", str(tmp_path / "t")]) == 0
    assert capsys.readouterr().out == "0 commands in 0.000 s\n"


def test_memory_stays_bounded_and_row_groups_are_of_many_commands(tmp_path: Path) -> None:
    with new_disk(tmp_path) as disk, recording(tmp_path / "t") as recorder:
        disk.trace_to(recorder, 0)
        for _ in range(20_000):
            disk.execute(TEST_UNIT_READY)
        assert raw_file(tmp_path / "t").stat().st_size > 8192 * 60
    assert pq.read_metadata(tmp_path / "t").num_rows == 20_000
    assert pq.read_metadata(tmp_path / "t").num_row_groups == 1


KILLED = """
import os, sys, time
from pathlib import Path
from zonevm._core import Disk
from zonevm.disks import SmrShape
from zonevm.trace import recording
with recording(Path("t")) as trace:
    disk = Disk.temporary(".", SmrShape("16M", "1M", 1, 4096))
    disk.trace_to(trace, 3)
    for _ in range(1000):
        disk.execute(bytes(6))
    time.sleep(1)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("torn", [False, True])
def test_what_a_killed_process_recorded_is_recovered(tmp_path: Path, torn: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
    file = tmp_path / "t"
    with pytest.raises(UsageError, match="the trace of a run that was killed"), recording(file):
        pass
    if torn:
        with raw_file(file).open("ab") as raw:
            raw.write(b"zvtrace3" + (500).to_bytes(4, "little") + bytes(1000))
    assert recover(file) == 1000
    assert summarize(file).disks[0].disk == 3
    assert not raw_file(file).exists()


def test_a_trace_that_is_still_recorded_is_not_taken_away(tmp_path: Path) -> None:
    with recording(tmp_path / "t"), pytest.raises(UsageError, match="a run that still runs"):
        recover(tmp_path / "t")
    assert summarize(tmp_path / "t").count == 0


def test_an_interrupted_run_has_its_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_disk(tmp_path) as disk, recording(tmp_path / "t") as recorder:
        disk.trace_to(recorder, 0)
        disk.execute(TEST_UNIT_READY)
        raise KeyboardInterrupt
    assert summarize(tmp_path / "t").count == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["summary", "absent"], "absent: No such file or directory"),
        (["summary", "text"], "text is not a Parquet file that can be read"),
        (["summary", "other"], "other is a Parquet file without the columns of a trace"),
        (["summary", "nulls"], "the trace has commands without their latency: it is damaged"),
        (["recover", "absent"], "absent.raw: No such file"),
    ],
)
def test_what_is_no_trace(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("this is not a Parquet file")
    nulls = {name: pa.array([None if name == "latency" else 1]) for name in parquet.COLUMNS}
    pq.write_table(pa.table(nulls), "nulls")
    duckdb.sql("copy (select 1 as one) to 'other' (format parquet)")
    assert execute(["trace", *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "hint: " in message


def test_where_a_trace_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"), recording(tmp_path):
        pass
    with pytest.raises(HostError, match="No such file or directory"), recording(tmp_path / "no" / "t"):
        pass


def test_without_pyarrow_a_trace_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(HostError) as caught, recording(tmp_path / "t"):
        pass
    assert "pip install 'zonevm[trace]'" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_emulated_disks_has_nothing_to_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zonevm.guest.observed import Observed  # noqa: PLC0415

    with (
        pytest.raises(UsageError, match="there is no disk to trace"),
        Observed(tmp_path / "t").entered([], []),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
