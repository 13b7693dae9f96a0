"""The emulated disk beside Linux's own, scsi_debug: thousands of random commands, and the same answers.

The two know nothing of each other, and both are meant to be what SPC-5, SBC-4 and ZBC-2 say. Where they
differ, one is wrong, or the standard leaves it open: each such difference is in :data:`DIFFERENCES`. Any
other fails the test.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from zonevm import Guest, SmrDisk

from .scsi_case import Case, table
from .scsi_differences import BLOCKS, CONVENTIONAL, MEDIUM
from .scsi_unit_differences import UNIT
from .tools.draw import EXCLUDED, Usage

pytestmark = pytest.mark.guest

ROOT = Path(__file__).parents[2]
SEED, COMMANDS = 1, 8000
MOST_SHOWN = 40
DIFFERENCES = [*MEDIUM, *UNIT]
MODULE = (
    "scsi_debug zbc=managed dev_size_mb=79 zone_size_mb=2 zone_nr_conv=2 zone_max_open=4"
    " sector_size=512 physblk_exp=3 strict=1 delay=0 dif=0 no_uld=1"
)


def test_answers_like_scsi_debug(kernel: str) -> None:
    disk = SmrDisk(size=BLOCKS * 512, zone_size="2M", conventional=CONVENTIONAL, max_open=4, block_size=512)
    with Guest(disks=[disk], kernel=kernel) as guest:
        guest.run(f"modprobe {MODULE}", check=True)
        listed = guest.run("cd /sys/class/scsi_generic && grep -l scsi_debug */device/model", check=True)
        theirs = "/dev/" + listed.stdout.decode().split("/")[0]
        program = ["python3", "-B", "-m", "tests.guest.tools.same_answers", "/dev/sg0", theirs]
        done = guest.run([*program, str(SEED), str(COMMANDS)], cwd=ROOT, check=True)
    *lines, summary = (json.loads(line) for line in done.stdout.splitlines())
    tables = [
        table([Usage(bytes.fromhex(mask), bool(action)) for mask, action in each])
        for each in summary["tables"]
    ]

    fired: Counter[str] = Counter()
    unknown = []
    for line in lines:
        case = Case(line, *tables)
        known = [difference.name for difference in DIFFERENCES if difference.covers(case)]
        fired.update(known[:1])
        if not known:
            unknown.append(case)
    sent, good = summary["sent"], summary["good"]
    print(f"{COMMANDS} commands, {sum(good.values())} of them GOOD, {len(lines)} differences,", end=" ")
    print(f"{summary['seconds']:.0f} s:", *(f"\n{times:5} {name}" for name, times in fired.most_common()))
    if unknown:
        pytest.fail(
            f"{len(unknown)} differences are unknown:\n" + "\n".join(map(str, unknown[:MOST_SHOWN])),
            pytrace=False,
        )
    never = [each.name for each in DIFFERENCES if not each.rare and not fired[each.name]]
    assert not never, f"differences that are no more, so that their entries should go: {never}"
    drawn = {opcode for opcode, _ in tables[0]} - EXCLUDED.keys()
    assert {f"{opcode:02x}" for opcode in drawn} <= set(sent)
    assert sum(good.values()) > COMMANDS / 2
