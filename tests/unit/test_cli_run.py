"""``zonevm run``: what goes where, which exit code, which words. No guest is booted."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from zonevm import images
from zonevm.cli import execute
from zonevm.disks import Disk, SmrDisk
from zonevm.errors import GuestPanicError, GuestTimeoutError, QemuError
from zonevm.explain import Failure, failures
from zonevm.guest import Completed
from zonevm.guest.phases import Phases

if TYPE_CHECKING:
    from zonevm._core import Lateness

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]


class FakeGuest:
    """Stands for a guest; ``ends`` is a command's exit code or what running it raises."""

    ends: int | BaseException = 0
    failed: ClassVar[dict[int, list[Failure]]] = {}
    late: ClassVar[dict[int, Lateness]] = {}
    last: FakeGuest
    faults = ()
    phases = Phases(prepare=0.1, qemu=0.2, kernel=0.3, stage1=0.4, agent=0.5)

    def __init__(self, disks: list[Disk], **settings: Any) -> None:
        self.disks, self.settings = disks, settings
        self.qemu_command: list[str] = []
        self.log_dir = Path("/logs")
        self.left = False
        FakeGuest.last = self

    def __enter__(self) -> FakeGuest:
        self.qemu_command = ["qemu"]
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def failures(self) -> dict[int, list[Failure]]:
        return self.failed

    def lateness(self) -> dict[int, Lateness]:
        return self.late

    def disk(self, number: int) -> images.Disk:
        disk = self.disks[number]
        assert isinstance(disk, SmrDisk)
        return images.temporary(Path("/tmp"), disk)

    def script(self) -> list[str]:
        return ["modprobe vhost_scsi", "qemu -append 'a b' '$x'"]

    def run(self, words: tuple[str, ...], **how: Any) -> Completed:
        self.words, self.how = words, how
        if isinstance(self.ends, BaseException):
            raise self.ends
        return Completed(words, self.ends)


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> type[FakeGuest]:
    import zonevm.cli.verbs.run as module  # noqa: PLC0415

    monkeypatch.setattr(module, "Guest", FakeGuest)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(FakeGuest, "ends", 0)
    return FakeGuest


def test_the_commands_exit_code_is_ours(guest: type[FakeGuest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "ends", 7)
    assert execute(["run", "--disk", "smr,size=1G", "--", "sh", "-c", "exit 7"]) == 7
    assert guest.last.words == ("sh", "-c", "exit 7")
    assert guest.last.left


def test_how_late_a_device_was_is_said(
    guest: type[FakeGuest], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = {"commands": 200, "late": 3, "mean_ns": 40_000, "max_ns": 1_250_000, "time_ns": 2_500_000_000}
    monkeypatch.setattr(guest, "late", {0: late})
    assert execute(["run", "--disk", "smr,size=1G,timing=hc620", "--", "true"]) == 0
    assert capsys.readouterr().err == (
        "zonevm: timing of disk 0: 200 commands in 2.50 s of virtual time; "
        "3 (2%) more than 0.1 ms late, 0.04 ms on average and 1.2 ms at most\n"
    )


def test_the_commands_streams_are_ours(guest: type[FakeGuest], capfd: pytest.CaptureFixture[str]) -> None:
    execute(["run", "--timeout", "3", "cat", "-v"])
    assert guest.last.words == ("cat", "-v")
    assert guest.last.how == {"stdin": 0, "stdout": 1, "stderr": 2, "timeout": 3.0}
    assert capfd.readouterr() == ("", "")


def test_options_reach_the_guest(guest: type[FakeGuest], tmp_path: Path) -> None:
    options = ["--kernel", "6.12", "--memory", "2G", "--cpus", "3", "--net", "user", "--append", "quiet"]
    options += [
        "--qemu",
        "q",
        "--qemu-arg=-device",
        "--qemu-arg",
        "x",
        "--accel",
        "tcg",
        "--rwdir",
        str(tmp_path),
    ]
    execute(["run", "--disk", "smr,size=1G", "--disk", "zns,via=qemu,size=1G", *options, "--", "true"])
    assert [str(disk) for disk in guest.last.disks] == ["smr,size=1G", "zns,size=1G,via=qemu"]
    expected = {
        "kernel": "6.12",
        "memory": "2G",
        "cpus": 3,
        "rwdirs": (tmp_path,),
        "net": "user",
        "append": "quiet",
        "qemu": "q",
        "qemu_args": ("-device", "x"),
        "accel": "tcg",
        "progress": None,
    }
    assert expected.items() <= guest.last.settings.items()


def test_failed_commands_are_explained_at_the_end_of_a_run_that_fails_too(
    guest: type[FakeGuest],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    with images.temporary(tmp_path, SmrDisk(size="64M", zone_size="1M")) as disk:
        disk.execute(bytes(6))
        for _ in range(3):
            disk.execute(bytes([0x94, 4, *bytes(7), 8, *bytes(6)]))
        found = failures(disk)
    monkeypatch.setattr(guest, "failed", {1: found})
    monkeypatch.setattr(guest, "ends", QemuError("QEMU died"))
    disks = ["--disk", "zns,via=qemu,size=1G", "--disk", "smr,size=64M"]
    assert execute(["run", "--explain", *disks, "true"]) == 125
    assert capsys.readouterr().err.splitlines() == [
        "zonevm: disk 1 (smr,size=64M) failed these commands:",
        "  RESET WRITE POINTER at LBA 8 in zone 0: ZONE ID must be the first LBA of a zone; zone 0 starts "
        "at 0 (5/24/00 INVALID FIELD IN CDB), 3 times",
        "zonevm: QEMU died",
    ]


@pytest.mark.parametrize(
    ("disk", "failed", "words"),
    [
        (
            "smr,size=1G",
            {0: []},
            "zonevm: the emulated disks failed no command, apart from routine probes at boot\n",
        ),
        (
            "zns,via=qemu,size=1G",
            {},
            "zonevm: no disk is emulated by zonevm, which sees the commands of no other\n",
        ),
        ("smr,size=1G", {}, ""),
    ],
)
def test_where_nothing_failed_it_says_so(  # noqa: PLR0917
    guest: type[FakeGuest],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    disk: str,
    failed: dict[int, list[Failure]],
    words: str,
) -> None:
    monkeypatch.setattr(guest, "failed", failed)
    assert execute(["run", "--explain", "--disk", disk, "true"]) == 0
    assert words == capsys.readouterr().err


@pytest.mark.parametrize(("ends", "failed"), [(0, False), (1, True)])
def test_zones_are_told_where_a_command_failed_and_no_disk_did(
    guest: type[FakeGuest],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ends: int,
    failed: bool,
) -> None:
    monkeypatch.setattr(guest, "ends", ends)
    monkeypatch.setattr(guest, "failed", {0: [], 1: []})
    text = "smr,size=256M,zone-size=1M"
    assert execute(["run", "--explain", "--disk", text, "--disk", text, "true"]) == ends
    told = [f"zonevm: disk {number} ({text}): no zone is written" for number in (0, 1)]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "zonevm: the emulated disks failed no command, apart from routine probes at boot"
    assert lines[2:] == (told if failed else [])


def test_a_dry_run_prints_the_commands_for_a_shell(
    guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--dry-run", "--", "true"]) == 0
    assert capsys.readouterr().out == "modprobe vhost_scsi\nqemu -append 'a b' '$x'\n"
    assert not guest.last.qemu_command


def test_notes_on_disks_go_to_stderr(guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]) -> None:
    execute(["run", "--disk", "zns,via=qemu,size=100M,file=f", "--", "true"])
    out, err = capsys.readouterr()
    assert out == ""
    assert "rounded up to 128M" in err
    assert "no zone state" in err


@pytest.mark.parametrize(
    ("ends", "code", "reason", "words"),
    [
        (GuestTimeoutError("it took too long"), 124, "timeout", "it took too long"),
        (GuestPanicError("panicked", "see", "Oops: 0000"), 125, "panic", "Oops: 0000"),
        (QemuError("QEMU died", "see the log"), 125, "failed", "hint: see the log"),
        (KeyboardInterrupt(), 130, "interrupted", ""),
        (0, 0, "exited", ""),
        (141, 141, "exited", ""),
    ],
)
def test_how_a_run_ends(  # noqa: PLR0917
    ends: int | BaseException,
    code: int,
    reason: str,
    words: str,
    guest: type[FakeGuest],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(guest, "ends", ends)
    record = tmp_path / "run.json"
    assert execute(["run", "--json", str(record), "--disk", "smr,size=1G", "--", "true"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    written = json.loads(record.read_text())
    assert written["reason"] == reason
    assert written["disks"] == ["smr,size=1G"]
    assert written["command"] == ["true"]
    assert written["log_dir"] == "/logs"
    assert set(written["seconds"]) == {"boot", "command", "total"}
    assert written["boot_phases"] == vars(guest.phases)
    if reason != "interrupted":
        assert written["exit_code"] == code
    assert guest.last.left


def test_timing_says_how_long_what_took(guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", "--timing", "--", "true"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:6] == [
        "zonevm:     0.10 s  preparing: the kernel, the initramfs, the disks",
        "zonevm:     0.20 s  QEMU and its firmware",
        "zonevm:     0.30 s  the guest's kernel",
        "zonevm:     0.40 s  stage 1: modules, the host's root",
        "zonevm:     0.50 s  the agent",
    ]
    assert [line.partition(" s  ")[2] for line in lines[:1] + lines[6:]] == [
        "zonevm itself",
        "the command",
        "the end",
        "in all",
    ]


def test_the_phases_of_a_start() -> None:
    assert Phases.of(10.0, 10.5, 15.0, (2.0, 3.0, 3.25)) == Phases(0.5, 1.25, 2.0, 1.0, 0.25)


def test_a_record_that_cannot_be_written_is_told_before_anything_starts(
    guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--json", "/nowhere/run.json", "--", "true"]) != 0
    assert "/nowhere/run.json" in capsys.readouterr().err
    assert not guest.last.qemu_command
