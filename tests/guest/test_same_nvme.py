"""A namespace of zonevm's beside QEMU's: thousands of random commands, and the same answers.

The two know nothing of each other, and both are meant to be what NVMe and ZNS say. Where they differ, one
is wrong, or the standard leaves it open: each such difference is in :data:`DIFFERENCES`. Any other fails.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from zonevm import Guest, ZnsDisk

from .tools.same_nvme import APPEND, CAPACITY, EXTENSION, OPEN, SEND, SET_EXTENSION, VERIFY, ZONE, ZONES

pytestmark = pytest.mark.guest

ROOT = Path(__file__).parents[2]
SEED, COMMANDS = 1, 6000
MOST_SHOWN = 20
CLOSED, IMPLICITLY_OPEN = 4, 2
BOUNDARY, OUT_OF_RANGE, INVALID_FIELD, TOO_MANY_OPEN = 0x41B8, 0x4080, 0x4002, 0x41BE

Case = dict[str, Any]


class Difference(NamedTuple):
    """One that is known: what differs, who is right, and why."""

    name: str
    right: str
    why: str
    when: Callable[[Case], bool]


def statuses(case: Case) -> tuple[int, int]:
    return case["ours"]["status"], case["theirs"]["status"]


def _made_room(case: Case) -> bool:
    """Whether nothing is apart but which of two zones was closed."""
    states = sorted((ours[0], theirs[0]) for _, ours, theirs in case["apart"])
    same = all(ours[1:] == theirs[1:] for _, ours, theirs in case["apart"])
    return same and states == [(IMPLICITLY_OPEN, CLOSED), (CLOSED, IMPLICITLY_OPEN)]


DIFFERENCES = [
    Difference(
        "the zone that is closed to make room",
        "either",
        "ZNS 1.1, 2.1.1.4.1: a controller may close any implicitly open zone. Ours takes the lowest, QEMU "
        "the one that has been open for longest",
        lambda case: statuses(case) == (0, 0) and _made_room(case),
    ),
    Difference(
        "the LBA of an append that failed",
        "either",
        "ZNS 1.1, 3.4.1: the LBA is of a command that succeeded. QEMU tells its write pointer anyway",
        lambda case: (
            case["opcode"] == APPEND and statuses(case)[0] == statuses(case)[1] != 0 and not case["apart"]
        ),
    ),
    Difference(
        "a Verify across the end of a zone",
        "ours",
        "ZNS 1.1, 2.1.1.1: where reads may not cross zones, Verify may not; QEMU checks Read and Compare",
        lambda case: case["opcode"] == VERIFY and statuses(case) == (BOUNDARY, 0) and not case["apart"],
    ),
    Difference(
        "an extension that cannot be set",
        "ours",
        "a command that fails changes nothing; QEMU has taken the data before it looks at the zone's state",
        lambda case: (
            case["opcode"] == SEND
            and case["words"]["13"] == SET_EXTENSION
            and statuses(case)[0] == statuses(case)[1] != 0
            and case["extended"]
            and not case["apart"]
        ),
    ),
    Difference(
        "Open of all zones that makes room",
        "ours",
        "ZNS 1.1, 3.4.3.1.3: it opens the zones that are closed. QEMU opens those too that it has closed "
        "just now to make room for them, until there is none",
        lambda case: (
            case["opcode"] == SEND
            and case["words"]["13"] == OPEN | 1 << 8
            and statuses(case) == (0, TOO_MANY_OPEN)
        ),
    ),
    Difference(
        "an unknown action at an LBA past the end",
        "either",
        "both are wrong in the command, and the standard has no order of checks",
        lambda case: (
            case["opcode"] == SEND
            and statuses(case) == (INVALID_FIELD, OUT_OF_RANGE)
            and case["words"]["10"] >= ZONES * ZONE
        ),
    ),
]


def test_answers_like_qemus_namespace(kernel: str) -> None:
    shape: dict[str, Any] = {
        "size": ZONES * ZONE * 512,
        "zone_size": ZONE * 512,
        "zone_capacity": CAPACITY * 512,
        "block_size": 512,
        "max_open": 5,
        "max_active": 9,
        "descr_ext_size": EXTENSION,
    }
    with Guest(disks=[ZnsDisk(**shape), ZnsDisk(**shape, via="qemu")], kernel=kernel, qemu="pulled") as guest:
        program = ["python3", "-B", "-m", "tests.guest.tools.same_nvme", "/dev/ng0n1", "/dev/ng1n1"]
        done = guest.run([*program, str(SEED), str(COMMANDS)], cwd=ROOT, check=True)
    *cases, summary = (json.loads(line) for line in done.stdout.splitlines())
    found = [(case, next((known for known in DIFFERENCES if known.when(case)), None)) for case in cases]
    fired = Counter(known.name for _, known in found if known)
    print(f"{COMMANDS} commands, {summary['good']} of them good; differences: {dict(fired)}")
    unknown = [case for case, known in found if known is None]
    assert not unknown, "\n".join(json.dumps(case)[:600] for case in unknown[:MOST_SHOWN])
    assert {known.name for known in DIFFERENCES} == set(fired), "a difference that is no more should go"
    assert summary["good"] > COMMANDS / 2
    assert len(summary["sent"]) >= 14
