"""Which states are tried, what of a failing one matters, and results that outlive a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm import UsageError
from zonevm.cli import execute
from zonevm.crash import Loss, Record, Result, Results, State, chosen, shrunk

from .crash_reference import Complete, Event, Geometry, Log, Mark, Submit, encode

ZONES = Geometry("host-managed", 4096, 3, 4)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A write and its flush, a mark, and a write that is not flushed."""
    events: list[Event] = [Submit("write", 4, 2, tag=1), Complete(0), Submit("flush"), Complete(2)]
    events += [Mark("so far"), Submit("write", 6, 1, tag=2), Complete(5)]
    file = tmp_path / "record"
    file.write_bytes(encode(Log(ZONES, events=events)))
    return Record(file)


def test_all_states_of_a_small_record(record: Record) -> None:
    states = list(chosen(record, most=9))
    lost = [(state.point, [loss[3:] for loss in state.lost]) for state in states]
    before = [(4, []), (4, [(1, 1)]), (4, [(1, 0)])]
    assert lost == [*before, (5, []), (7, []), (7, [(1, 0)]), (8, [(1, 0)]), (8, [])]
    assert [state.point for state in chosen(record, most=9, after="so far")] == [7, 7, 8, 8]
    with pytest.raises(UsageError, match="there is no mark 'no such'"):
        list(chosen(record, most=9, after="no such"))


LOSSES = st.lists(
    st.builds(Loss, st.just(0), st.just("block"), st.integers(0, 60), st.integers(1, 3)),
    unique_by=lambda loss: loss.number,
    min_size=1,
    max_size=40,
)


@given(LOSSES, st.data())
def test_a_state_is_shrunk_to_what_matters(losses: list[Loss], data: st.DataObject) -> None:
    matter = set(data.draw(st.lists(st.sampled_from(losses), min_size=1, max_size=3)))
    asked = []

    def fails(state: State) -> bool:
        asked.append(state)
        return matter <= set(state.lost)

    least = shrunk(State(9, tuple(losses)), fails)
    if len(asked) < 200:
        assert {*least.lost} == matter
    assert matter <= {*least.lost}
    assert len(asked) <= 200


def test_fewer_changes_are_lost_where_fewer_do() -> None:
    state = State(9, (Loss(0, "zone", 4, 5, 3),))
    found = shrunk(state, lambda smaller: sum(loss.changes for loss in smaller.lost) >= 2)
    assert found.lost == (Loss(0, "zone", 4, 2),)


def test_results_go_on_after_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "results"
    results = Results(file)
    first = Result(State(3, (Loss(0, "zone", 1, 1),)), 0, "fine\n", "a")
    lost = ("disk 0: WRITE(16), zone 1",)
    second = Result(State(4), None, "the guest panicked", "", State(4), lost, "failed/1")
    results.add(first)
    results.add(second)
    with file.open("a") as torn:
        torn.write(json.dumps(second.facts())[:20])
    again = Results(file)
    assert again.all == [first, second]
    assert again.failed == [second]
    assert again.tried == {first.state, second.state}
    third = Result(State(5), 0)
    again.add(third)
    assert Results(file).all == [first, second, third]


def test_what_is_no_file_of_results(tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text("something else\n")
    with pytest.raises(UsageError, match="has a line that is not a result"):
        Results(file)
    with pytest.raises(UsageError, match="cannot read the results"):
        Results(tmp_path)


def test_a_check_needs_a_command_and_a_record(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["crash", "check", str(tmp_path / "record")]) == 2
    assert "no command to check with" in capsys.readouterr().err
    assert execute(["crash", "check", str(tmp_path / "none"), "--", "true"]) == 125
    assert execute(["crash", "replay", "--state", "nonsense", str(tmp_path / "record"), "--", "true"]) == 2
    assert "is not a state of a record" in capsys.readouterr().err
