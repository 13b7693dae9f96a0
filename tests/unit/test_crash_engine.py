"""A crash test's directory, its guests as far as they can be played, and what is looked into once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm import UsageError
from zonevm.cli import execute
from zonevm.crash import Checker, CrashTest, Loss, State
from zonevm.crash.crew import Crew
from zonevm.crash.directory import Directory
from zonevm.crash.shrinking import likely, places
from zonevm.crash.test import words
from zonevm.host.capacity import carried

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@given(
    st.builds(
        CrashTest,
        check=st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
        disks=st.lists(TEXTS, max_size=3).map(tuple),
        setup=st.lists(TEXTS, max_size=3).map(tuple),
        work=st.lists(TEXTS, max_size=3).map(tuple),
        record=TEXTS,
        after=TEXTS,
        states=st.integers(1, 99),
        points=st.none() | st.integers(1, 99),
        timeout=st.none() | st.floats(0.1, 99),
        reboot=st.booleans(),
        options=st.dictionaries(TEXTS, TEXTS, max_size=2),
    )
)
def test_a_test_is_what_its_text_tells(test: CrashTest) -> None:
    assert CrashTest.parse(str(test)) == test


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"check": 1}', '{"check": [], "more": 2}'])
def test_what_is_not_a_test(text: str) -> None:
    with pytest.raises(UsageError, match="is not the description of a crash test"):
        CrashTest.parse(text)


def test_commands_as_words() -> None:
    assert words("a b") == ("/bin/sh", "-c", "a b")
    assert words(["a", "b"]) == ("a", "b")
    assert words("") == words(()) == ()


def test_a_directory_has_one_user(tmp_path: Path) -> None:
    place = tmp_path / "test"
    test = CrashTest(("true",), ("smr,size=1G",))
    with Directory.create(place, test) as made:
        with pytest.raises(UsageError, match="in use by another"):
            Directory.open(place)
        with made.recording() as file:
            file.write_bytes(b"a record")
        assert made.record.read_bytes() == b"a record"
    with Directory.open(place) as again:
        assert again.test == test
        with pytest.raises(ZeroDivisionError), again.recording() as file:
            file.write_bytes(b"half of one")
            raise ZeroDivisionError
        assert again.record.read_bytes() == b"a record"
    assert sorted(path.name for path in place.iterdir()) == ["record", "test.json"]
    with pytest.raises(UsageError, match="exists already"):
        Directory.create(place, test)
    with pytest.raises(UsageError, match="is not the directory of a crash test"):
        Directory.open(tmp_path)


def test_directories_get_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        with Directory.create(None, CrashTest(("true",))) as made:
            assert made.path == Path(f"zonevm-crash-{number}")


class Played:
    """A checker without a guest, which waits for states that are odd until it is abandoned."""

    def __init__(self) -> None:
        self.abandoned = threading.Event()
        self.ended = False

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True

    def abandon(self) -> None:
        self.abandoned.set()


def crew(many: int, tried: Callable[[Played, State], int]) -> tuple[list[Played], Crew[int]]:
    played = [Played() for _ in range(many)]
    return played, Crew(cast("list[Checker]", played), cast("Callable[[Checker, State], int]", tried))


@pytest.mark.parametrize("many", [1, 2, 5])
def test_each_state_is_tried_once(many: int) -> None:
    played, some = crew(many, lambda _, state: state.point)
    assert sorted(some.outcomes(map(State, range(100)))) == list(range(100))
    assert all(each.ended for each in played)


def test_an_error_in_one_guest_ends_all() -> None:
    def tried(checker: Played, state: State) -> int:
        if state.point == 3:
            raise UsageError("three")
        if state.point > 3:
            checker.abandoned.wait()
            raise UsageError("abandoned")
        return state.point

    played, some = crew(3, tried)
    with pytest.raises(UsageError, match="three"):
        list(some.outcomes(map(State, range(100))))
    assert all(each.ended for each in played)


def test_who_stops_asking_ends_all_guests() -> None:
    def tried(checker: Played, state: State) -> int:
        if state.point:
            checker.abandoned.wait()
        return state.point

    played, some = crew(2, tried)
    outcomes = some.outcomes(map(State, range(100)))
    assert next(outcomes) == 0
    outcomes.close()  # type: ignore[attr-defined]  # as Ctrl-C does
    assert all(each.ended for each in played)


def test_a_machine_carries_at_least_one_guest() -> None:
    assert carried(2**60) == 1
    assert carried(2**20) >= 1


def test_what_is_known_is_not_looked_for_again() -> None:
    one, other = Loss(0, "zone", 4, 2), Loss(0, "block", 9, 1)
    known = places(State(7, (Loss(0, "zone", 4, 1),)))
    state = State(9, (one, other))
    assert likely(state, [known], lambda smaller: one in smaller.lost) == State(9, (one,))
    assert likely(state, [known], lambda smaller: other in smaller.lost) is None
    assert likely(State(9, (other,)), [known], lambda _: True) is None


def test_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert execute(["crash", "--disk", "smr,size=1G", "--check", "true"]) == 2
    assert "there is no --work" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert execute(["crash", "--disk", "smr,size=1", "--check", "true", "--work", "true"]) == 2
    assert list(tmp_path.iterdir()) == []
    assert "size" in capsys.readouterr().err
    assert execute(["crash", "resume", str(tmp_path)]) == 2
    assert "is not the directory of a crash test" in capsys.readouterr().err
    assert execute(["crash", "replay", str(tmp_path)]) == 2
    assert execute(["crash"]) == 0
    assert "zonevm crash --disk smr" in capsys.readouterr().out
