"""`make soak`: the long campaigns, one after the other. Stop it at any time: it goes on where it was.

Usage: python -m tests.campaigns.soak [--scale PERCENT] [CAMPAIGN ...]. What was done is kept in
.soak/results.jsonl; remove it to begin anew. The report at the end says how much was tried, for how long, and
what was found; exit code 1 if anything was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.campaigns import crash_kills, file_systems, hostile_guest, kills
from tests.campaigns.power_cuts import FILE_SYSTEMS, trial
from zonevm import Guest
from zonevm.guest import installed

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".soak/results.jsonl"
WORKLOADS = 100
SEEDS_A_GUEST = 5
ROUNDS = 10
FUZZ_SECONDS = 300
POINTS = 25
"""Of the crash test of a file system, each with eight states at most."""


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work: how often it tried, and what it found wrong."""

    tries: int
    found: list[str]


@dataclass(frozen=True)
class Campaign:
    """``units`` pieces of work; ``run`` does the n-th."""

    name: str
    units: int
    what: str
    run: Callable[[int], Outcome]


@dataclass(frozen=True)
class Result:
    """A piece of work that was done, as it is kept."""

    campaign: str
    unit: int
    seconds: float
    found: list[str]
    tries: int = 0


def crashes(unit: int) -> Outcome:
    """Simulated workloads, with a crash at each step."""
    first, seeds = str(unit * WORKLOADS), str(WORKLOADS)
    environment = {**os.environ, "ZONEVM_CRASH_FIRST": first, "ZONEVM_CRASH_SEEDS": seeds}
    test = ["cargo", "test", "--release", "--quiet", "-p", "zonevm-image", "no_crash_breaks_a_promise"]
    done = subprocess.run(test, cwd=ROOT, env=environment, capture_output=True, text=True)
    return Outcome(WORKLOADS, [done.stdout[-2000:]] if done.returncode else [])


def power_cuts(name: str, cache: str) -> Callable[[int], Outcome]:
    """Seeds on one file system; on a disk that lies, what is wrong is that nothing is."""
    system = FILE_SYSTEMS[name]

    def run(unit: int) -> Outcome:
        found: list[str] = []
        with Guest(disks=system.disks(cache), kernel=_kernel()) as guest:
            for seed in range(unit * SEEDS_A_GUEST, (unit + 1) * SEEDS_A_GUEST):
                result = trial(guest, system, seed)
                if cache != "lying":
                    found += [f"seed {seed}: {wrong}" for wrong in result.wrong]
                elif not result.wrong:
                    found.append(f"seed {seed}: the lie was not found")
        return Outcome(SEEDS_A_GUEST, found)

    return run


def file_system(name: str, lies: bool = False) -> Callable[[int], Outcome]:
    """The operations of a seed on one file system; what a finding needs to be shown again stays."""

    def run(seed: int) -> Outcome:
        directory = KEPT.parent / f"{name}-{seed}{'-lies' if lies else ''}"
        shutil.rmtree(directory, ignore_errors=True)
        report = file_systems.trial(name, seed, POINTS, _kernel(), directory, lies=lies)
        found = [f"{result.output.strip()[-500:]}\n{report.again(result)}" for result in report.failed]
        if lies:
            found = [] if found else [f"seed {seed}: the lie was not found"]
        if not found:
            shutil.rmtree(directory)
        return Outcome(len(report.results), found)

    return run


def kill(kind: str) -> Callable[[int], Outcome]:
    """One kill -9 at a random moment: of zonevm, of QEMU, or of both."""

    def run(unit: int) -> Outcome:
        chance = random.Random(unit)
        at_least, victim = chance.randrange(1, 64) * 2**20, chance.choice(kills.VICTIMS)
        zonevm = [str(Path(sys.executable).with_name("zonevm"))]
        with tempfile.TemporaryDirectory() as directory:
            image = Path(directory, "disk.img")
            kills.make(image, kind)
            try:
                kills.kill(image, _kernel(), zonevm, at_least, kind=kind, victim=victim)
            except AssertionError as error:
                return Outcome(1, [f"{victim} after {at_least} bytes: {error}"])
        return Outcome(1, [])

    return run


def crash_kill(unit: int) -> Outcome:
    """Rounds of a crash test of which something is killed."""
    zonevm = [str(Path(sys.executable).with_name("zonevm"))]
    with tempfile.TemporaryDirectory() as directory:
        rounds = crash_kills.Kills(Path(directory), zonevm, _kernel())
        for seed in range(unit * ROUNDS, (unit + 1) * ROUNDS):
            try:
                rounds.round(seed)
            except AssertionError as error:
                return Outcome(ROUNDS, [str(error)])
    return Outcome(ROUNDS, [])


def fuzz(target: str) -> Callable[[int], Outcome]:
    """Five minutes of a fuzz target; a try is a run of it with one input."""
    command = ["fuzz/run", target, str(FUZZ_SECONDS), "-print_final_stats=1"]

    def run(_: int) -> Outcome:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        runs = re.search(r"^stat::number_of_executed_units: *(\d+)$", done.stderr, re.MULTILINE)
        return Outcome(int(runs[1]) if runs else 0, [done.stderr[-2000:]] if done.returncode else [])

    return run


def hostile_guests(unit: int) -> Outcome:
    """Five minutes of guests that send the host whatever they like."""
    tries, found = hostile_guest.campaign(FUZZ_SECONDS, first=unit * 10**6)
    return Outcome(tries, found)


def fuzz_targets() -> list[str]:
    """The names of all fuzz targets."""
    return sorted(path.stem for path in (ROOT / "fuzz/fuzz_targets").glob("*.rs"))


def campaigns() -> list[Campaign]:
    """All of them."""
    found = [Campaign("crashes", 50, f"{WORKLOADS} workloads, a host crash at each step", crashes)]
    for name in FILE_SYSTEMS:
        seeds = f"{SEEDS_A_GUEST} power cuts under {name}"
        found.append(Campaign(f"power-cuts-{name}", 10, seeds, power_cuts(name, "volatile")))
        found.append(Campaign(f"lies-{name}", 1, f"{seeds}, the disk lies", power_cuts(name, "lying")))
    for name in file_systems.cases():
        what = f"power cuts at {POINTS} moments of operations on {name}"
        found.append(Campaign(f"crash-{name}", 3, what, file_system(name)))
    name = file_systems.LYING
    what = f"the same of {name}, the disk lies"
    found.append(Campaign(f"crash-lies-{name}", 1, what, file_system(name, lies=True)))
    for kind in kills.SHAPES:
        found.append(Campaign(f"kill-9-{kind}", 200, f"kill -9 under fio on {kind}", kill(kind)))
    found.append(Campaign("kill-9-crash", 3, f"{ROUNDS} crash tests, kill -9 of a process", crash_kill))
    found.append(
        Campaign("hostile-guests", 12, "5 minutes of guests with an agent of their own", hostile_guests)
    )
    found += [Campaign(f"fuzz-{name}", 12, f"5 minutes of {name}", fuzz(name)) for name in fuzz_targets()]
    return found


def main() -> int:
    """Run what is left to do, then report."""
    chosen = campaigns()
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=int, default=100, metavar="PERCENT", help="how much of each [100]")
    parser.add_argument("names", nargs="*", metavar="CAMPAIGN", help=", ".join(c.name for c in chosen))
    options = parser.parse_args()
    if unknown := set(options.names) - {each.name for each in chosen}:
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}")
    chosen = [each for each in chosen if not options.names or each.name in options.names]
    done = _done()
    for campaign in chosen:
        for unit in range(_units(campaign, options.scale)):
            if (campaign.name, unit) not in done:
                done[campaign.name, unit] = _run(campaign, unit)
    return _report(chosen, done, options.scale)


def _units(campaign: Campaign, scale: int) -> int:
    return max(1, campaign.units * scale // 100)


def _done() -> dict[tuple[str, int], Result]:
    if not KEPT.exists():
        return {}
    results = [Result(**json.loads(line)) for line in KEPT.read_text().splitlines()]
    return {(each.campaign, each.unit): each for each in results}


def _run(campaign: Campaign, unit: int) -> Result:
    print(f"{campaign.name} {unit + 1}/{campaign.units}: {campaign.what}", flush=True)
    begin = time.monotonic()
    outcome = campaign.run(unit)
    seconds = round(time.monotonic() - begin, 1)
    result = Result(campaign.name, unit, seconds, outcome.found, outcome.tries)
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a") as kept:
        kept.write(json.dumps(asdict(result)) + "\n")
    for each in result.found:
        print(f"  FOUND {each}", flush=True)
    return result


def _report(chosen: list[Campaign], done: dict[tuple[str, int], Result], scale: int) -> int:
    print("\ncampaign             done        tries  hours  found  a unit is")
    total = 0
    for campaign in chosen:
        results = [each for each in done.values() if each.campaign == campaign.name]
        found = sum(len(each.found) for each in results)
        total += found
        count = f"{len(results)}/{_units(campaign, scale)}"
        tries = sum(each.tries for each in results)
        hours = sum(each.seconds for each in results) / 3600
        print(f"{campaign.name:<18} {count:>6} {tries:>12,} {hours:>6.1f} {found:>6}  {campaign.what}")
    return 1 if total else 0


def _kernel() -> str:
    return next(kernel.version for kernel in installed() if kernel.origin == "cache")


if __name__ == "__main__":
    sys.exit(main())
