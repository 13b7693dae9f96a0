"""Tests of a project in guests, by the pytest plugin: new disks, dead guests, evidence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.guest

SMR = "smr,size=256M,zone-size=64M,conv=1"
WRITE = "echo x | dd of=/dev/sda bs=4K seek=16384 conv=sync oflag=direct"

SHARED = f"""
    import pytest

    pytestmark = pytest.mark.zoned(disks=["{SMR}"], faults=["read-error,lba=0"])

    def boot(guest):
        return guest.run("cat /proc/sys/kernel/random/boot_id", check=True).text

    def pointer(guest):
        return guest.run("blkzone report -o 131072 -c 1 /dev/sda", check=True).text

    def unreadable(guest):
        return guest.run("dd if=/dev/sda of=/dev/null bs=4K count=1 iflag=direct").returncode == 1

    def test_leaves_a_lot(zoned_guest, zoned_disks):
        assert [str(disk) for disk in zoned_disks] == ["/dev/sda"]
        assert str(zoned_disks[0].description) == "{SMR}"
        assert unreadable(zoned_guest)
        zoned_guest.run("{WRITE} && sdparm -q --clear WCE /dev/sda", check=True)
        zoned_guest.run("mkdir /mnt/a && mount -t tmpfs a /mnt/a", check=True)
        zoned_guest.run("cd /mnt/a; sleep 1000 </dev/sda & sleep 1000 >/dev/null 2>&1 &")
        assert "wptr 0x000008" in pointer(zoned_guest)
        zoned_guest.faults.clear()
        open("boot", "w").write(boot(zoned_guest))

    def test_finds_nothing_of_it(zoned_guest):
        assert boot(zoned_guest) == open("boot").read()
        assert "wptr 0x000000" in pointer(zoned_guest)
        assert unreadable(zoned_guest)
        left = "pidof sleep; grep /mnt/a /proc/mounts; sdparm -q --get WCE /dev/sda | grep '^WCE *0'"
        assert zoned_guest.run(left).text == ""

    def test_fails(zoned_guest):
        zoned_guest.run("dd if=/dev/zero of=/dev/sda bs=4K seek=20000 count=1 oflag=direct", check=True)

    def test_kills_the_guest(zoned_guest):
        zoned_guest.run("echo c >/proc/sysrq-trigger")

    def test_has_another_one(zoned_guest):
        assert boot(zoned_guest) != open("boot").read()
        assert "wptr 0x000000" in pointer(zoned_guest)
"""

POWER = """
    import pytest

    @pytest.mark.zoned(disks=["smr,size=256M,zone-size=64M,conv=1,cache=volatile"], trace=True)
    def test_power(zoned_guest, zoned_power_cut):
        zoned_guest.run("dd if=/dev/zero of=/dev/sda bs=64K count=16 seek=1024 oflag=direct", check=True)
        lost = zoned_power_cut()
        assert lost[0]["zones"][0]["zone"] == 1
        assert 0, lost
"""

CRASH = f"""
    import pytest

    @pytest.mark.zoned(disks=["{SMR}"])
    def test_crash(zoned_crash):
        zoned_crash(
            work="{WRITE}; zonevm-mark stored",
            check='blkzone report -o 131072 /dev/sda | grep 0x000008 || [ "$ZONEVM_LAST_MARK" != stored ]',
            states=2,
        )
"""


class Session:
    """A run of a project's tests, in its directory."""

    def __init__(self, directory: Path, kernel: str) -> None:
        self._directory = directory
        options = ["--zonevm-required", "--zonevm-artifacts=kept", "--junitxml=junit.xml"]
        words = [sys.executable, "-m", "pytest", "-o", f"zonevm_kernels={kernel}", *options]
        self.output = subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, text=True).stdout
        cases = list(ET.parse(directory / "junit.xml").iter("testcase"))
        self.failures = {str(case.get("name")): str(case[0].text) for case in cases if len(case)}
        self.passed = len(cases) - len(self.failures)

    def failure(self, test: str) -> str:
        """What the report says of a test that failed."""
        (text,) = (text for name, text in self.failures.items() if name.startswith(test))
        return text

    def kept(self, test: str) -> dict[str, Path]:
        """What is kept of a test that failed."""
        (place,) = (self._directory / "kept").glob(f"*-{test}*")
        return {file.name: file for file in place.iterdir()}


@pytest.fixture
def session(tmp_path: Path, kernel: str) -> Session:
    """The tests above, run."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name, text in (("shared", SHARED), ("power", POWER), ("crash", CRASH)):
        (tmp_path / f"test_{name}.py").write_text(dedent(text))
    return Session(tmp_path, kernel)


@pytest.mark.timeout(900)
def test_a_project(session: Session) -> None:
    assert (session.passed, len(session.failures)) == (3, 4), session.output
    refused, files = session.failure("test_fails"), session.kept("test_fails")
    assert "the write pointer is at 131072, so a write must start there" in refused
    assert "read error" not in refused
    assert "UNALIGNED" in files["disk0-failed-commands.txt"].read_text()
    assert files["disk0-zones.svg"].read_text().startswith("<svg")
    assert "Linux version" in files["console.txt"].read_text()
    assert "Linux version" in files["dmesg.txt"].read_text()

    assert "sysrq triggered crash" in session.failure("test_kills_the_guest")
    assert "sysrq triggered crash" in session.kept("test_kills_the_guest")["console.txt"].read_text()

    lost = r"\{0: \{'zones': \[\{'zone': 1, 'stable': 0, 'before': 256, 'after': \d+\}\]"
    assert re.search(lost, session.failure("test_power"))
    assert session.kept("test_power")["trace.parquet"].read_bytes().startswith(b"PAR1")

    found = session.failure("test_crash")
    assert "WRITE(16) of 8 blocks at LBA 131072, zone 1, is lost" in found
    assert "again: zonevm crash replay" in found
    assert (session.kept("test_crash")["crash"] / "report.html").exists()
