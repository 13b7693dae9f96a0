"""kill -9 of any process of a crash test, at a random moment: it is resumed to the same report.

A store that forgets a flush is recorded once. Each round tries its states in two guests, and kills zonevm or
one of the processes below it, once or more; nothing is left behind, and the report is that of a run that
nobody killed. In every other round the run that is recorded is part of it, and what is found the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.campaigns.kills import below

STORE = """
set -e
put() { printf '%s' "$1" | dd of=/dev/sda bs=4K seek=$2 count=1 conv=sync oflag=direct status=none; }
put one 16384; sync /dev/sda; zonevm-mark 'one is stored'
put two 16385; zonevm-mark 'two is stored'
put three 16386; sync /dev/sda; zonevm-mark 'three is stored'
"""
"""An append-only store, which forgets to flush its second record."""
CHECK = r"""
case $ZONEVM_LAST_MARK in one*) want=1 ;; two*) want=2 ;; three*) want=3 ;; *) want=0 ;; esac
pointer=$(blkzone report -o 131072 -c 1 /dev/sda | sed 's/.*wptr \(0x[0-9a-f]*\).*/\1/')
echo $((pointer / 8)) of $want
[ $((pointer / 8)) -ge $want ]
"""
DISK = "smr,size=256M,zone-size=64M,conv=1"
_SOON = 60
"""Seconds in which processes that were left alone have ended."""
_FINDING = 1


class Kills:
    """Rounds in ``directory``, which is empty; ``zonevm`` is the command."""

    def __init__(self, directory: Path, zonevm: list[str], kernel: str) -> None:
        self._directory = directory
        self._zonevm = zonevm
        self._kernel = ["--kernel", kernel, "--guests", "2"]
        runtime = directory / "runtime"
        runtime.mkdir(mode=0o700)
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        (directory / "check.sh").write_text(CHECK)
        done = self._start(
            "run", "--kernel", kernel, "--disk", DISK, "--record", "r", "--", "sh", "-c", STORE
        )
        assert done.wait() == 0
        assert self._start(*self._test("calm", recorded=True)).wait() == _FINDING
        self._report = self._facts("calm")

    def round(self, seed: int) -> None:
        """Raise AssertionError for what may not be."""
        chance = random.Random(seed)
        name, recorded = f"round-{seed}", seed % 2 == 0
        words = self._test(name, recorded=recorded)
        for _ in range(chance.randint(1, 3)):
            process = self._start(*words)
            self._kill_one(process, chance)
            code = process.wait()
            self._await_calm(process.pid)
            if code == _FINDING:
                break
            words = ["crash", "resume", name] if (self._directory / name / "test.json").exists() else words
        if code != _FINDING:
            assert self._start(*words).wait() == _FINDING, f"round {seed} does not go on"
        facts = self._facts(name)
        if recorded:
            assert facts == self._report, f"round {seed} has another report"
        else:
            assert _found(facts) == _found(self._report), f"round {seed} has found something else"
        assert not list((self._directory / "runtime").rglob("*.sock")), f"round {seed} has left sockets"

    def _test(self, name: str, *, recorded: bool) -> list[str]:
        if recorded:
            return ["crash", "check", "r", "--dir", name, *self._kernel, "--", "sh", "check.sh"]
        asked = ["--disk", DISK, "--work", STORE, "--check", "sh check.sh"]
        return ["crash", *asked, "--dir", name, *self._kernel]

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._zonevm, *words], cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )

    def _kill_one(self, process: subprocess.Popen[bytes], chance: random.Random) -> None:
        until = time.monotonic() + chance.uniform(0.2, 30)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        victim = chance.choice([process.pid, *below(process.pid)])
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)

    def _await_calm(self, ancestor: int) -> None:
        """Wait until what a killed process has left has ended."""
        until = time.monotonic() + _SOON
        while left := self._ours():
            assert time.monotonic() < until, f"processes {left} are left of {ancestor}"
            time.sleep(0.1)

    def _ours(self) -> list[int]:
        """The processes that have our runtime directory in their environment, but for this one."""
        mark = f"XDG_RUNTIME_DIR={self._directory / 'runtime'}\0".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environ.read_bytes():
                    found.append(int(environ.parent.name))
        return found

    def _facts(self, name: str) -> dict[str, Any]:
        text = (self._directory / name / "report.json").read_text()
        facts: dict[str, Any] = json.loads(text.replace(name, "calm"))
        return facts


def _found(facts: dict[str, Any]) -> object:
    """What was found, without numbers of entries, which depend on what the kernel did at boot."""
    failed = [result for result in facts["results"] if result["exit_code"] != 0]
    return [
        (result["last_mark"], [words.partition(" (entry")[0] for words in result["lost"]])
        for result in failed
    ]
