"""What operations on files promise: what may be there is no finding, what has to be and is not is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zonevm.crash import Workload, workloads
from zonevm.crash.file_program import Tree, data, do, findings, is_mixture, parsed, promises, trees
from zonevm.crash.workloads import _ON_FILES

WORKLOADS = workloads(30) | workloads(12, zones=True)


def files(tree: Tree) -> dict[str, bytes | None]:
    return {name: tree.contents[inode] for name, inode in tree.names.items()}


def window(operations: list[list[str]], done: int) -> range:
    """How many operations may have been done once the mark of ``done`` is there, and the next is not."""
    later = (at for at in range(done + 1, len(operations) + 1) if promises(operations[at - 1]))
    return range(done, next(later, len(operations)) + 1)


def marked(operations: list[list[str]]) -> list[int]:
    return [at for at, operation in enumerate(operations, 1) if promises(operation)]


@given(WORKLOADS, st.data())
def test_what_was_there_at_some_time_since_is_right(workload: Workload, draw: st.DataObject) -> None:
    operations = parsed(workload.operations)
    done = draw.draw(st.sampled_from([0, *marked(operations)]))
    reached = draw.draw(st.sampled_from(window(operations, done)))
    assert findings(workload.operations, done, files(trees(operations)[reached])) == []


@given(workloads(30), st.data())
def test_after_a_sync_nothing_may_be_missing_or_different(workload: Workload, draw: st.DataObject) -> None:
    operations = [*parsed(workload.operations), ["sync"]]
    text = "; ".join(map(" ".join, operations))
    there = files(trees(operations)[-1])
    assume(there)
    name = draw.draw(st.sampled_from(sorted(there)))
    old = there.pop(name)
    assert findings(text, len(operations), there)
    if old:
        at = draw.draw(st.integers(0, len(old) - 1))
        changed = old[:at] + bytes([old[at] ^ 1]) + old[at + 1 :]
        for wrong in (changed, old + b"\0", old[:-1]):
            assert findings(text, len(operations), {**there, name: wrong})
    assert findings(text, len(operations), {**there, name: old}) == []
    free = {"a", "b"} & {word for operation in operations for word in operation} - there.keys() - {name}
    for gone in free:
        assert findings(text, len(operations), {**there, name: old, gone: b""})


@pytest.mark.parametrize(
    ("operations", "there", "right"),
    [
        ("create a; append a 100; fsync a", {"a": data(2, 0, 100)}, True),
        ("create a; append a 100; fsync a", {"a": b""}, False),
        ("create a; append a 100; fsync a", {}, False),
        ("create a; append a 100; fsync .", {"a": b"anything"}, True),
        ("create a; append a 100; fsync .", {}, False),
        ("create a; append a 100; fsync .", {"a": None}, False),
        ("create a; sync; rename a b; fsync b", {"a": b""}, True),
        ("create a; sync; rename a b; fsync b", {"b": b""}, True),
        ("create a; sync; rename a b; fsync b", {}, False),
        ("create a; sync; rename a b; fsync .", {"a": b""}, False),
        ("create a; sync; rename a b; fsync .", {"a": b"", "b": b""}, False),
        ("mkdir d; create a; sync; rename a d/a; fsync .", {"d": None, "d/a": b""}, True),
        ("mkdir d; create a; sync; rename a d/a; fsync .", {"d": None, "a": b""}, True),
        ("mkdir d; create a; sync; rename a d/a; fsync .", {"d": None}, False),
        ("mkdir d; create a; sync; rename a d/a; fsync d", {"d": None, "a": b""}, False),
        ("mkdir d; create d/a; fsync d/a", {"d": None}, False),
        ("create a; sync; unlink a; create b; fsync b", {"b": b""}, True),
        ("create a; sync; unlink a; create b; fsync b", {"a": b"", "b": b""}, True),
        ("create a; link a b; fsync b", {"a": b""}, True),
        ("create a; create b; append b 9; sync; rename b a; fsync a", {"a": data(3, 0, 9)}, True),
        ("create a; create b; append b 9; sync; rename b a; fsync a", {"b": data(3, 0, 9)}, False),
    ],
)
def test_rules(operations: str, there: dict[str, bytes | None], right: bool) -> None:
    assert (findings(operations, len(parsed(operations)), there) == []) is right


def test_what_was_begun_may_be_there_in_part() -> None:
    operations = "create a; append a 4096; fsync a; write a 0 2048; append a 100; fsync a"
    old = data(2, 0, 4096)
    torn = data(4, 0, 512) + old[512:]
    for right in (old, torn, torn + data(5, 4096, 100), old + bytes(100), old + data(5, 4096, 50)):
        assert findings(operations, 3, {"a": right}) == []
    for wrong in (old[:4000], torn + b"?" * 100, old[:512] + torn[:512] + old[1024:], old + bytes(101)):
        assert findings(operations, 3, {"a": wrong})
    (told,) = findings(operations, 3, {"a": old[:32] + bytes(32)})
    assert "a: 64 bytes (operation 2 from 0 on, zeros from 32 on)" in told
    assert is_mixture(b"", [b"", b"abc"])


@given(workloads(30))
@settings(max_examples=20)
def test_the_operations_do_what_they_are_said_to(
    tmp_path_factory: pytest.TempPathFactory, workload: Workload
) -> None:
    directory, before = tmp_path_factory.mktemp("files"), Path.cwd()
    operations = [each for each in parsed(workload.operations) if each != ["sync"]]
    os.chdir(directory)
    try:
        for number, operation in enumerate(operations, 1):
            do(number, operation)
    finally:
        os.chdir(before)
    there = {
        str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*")
    }
    assert there == files(trees(operations)[-1])


def test_a_seed_is_always_the_same_workload() -> None:
    assert Workload.seeded(7, 40) == Workload.seeded(7, 40)
    assert Workload.seeded(7, 40) != Workload.seeded(8, 40)
    kinds = {word for seed in range(20) for word, *_ in parsed(Workload.seeded(seed, 40).operations)}
    assert kinds == {kind for kind, _ in _ON_FILES}
