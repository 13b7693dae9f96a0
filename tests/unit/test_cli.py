"""The command line: what goes where, which exit code, which words. No guest is booted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest

import zonevm
from zonevm import images
from zonevm.cli import execute
from zonevm.cli.app import VERBS, app
from zonevm.disks import KINDS, Disk, SmrDisk
from zonevm.errors import GuestPanicError, GuestTimeoutError, QemuError
from zonevm.explain import Failure, failures
from zonevm.guest import Completed, Kernel

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]


class FakeGuest:
    """Stands for a guest; ``ends`` is a command's exit code or what running it raises."""

    ends: int | BaseException = 0
    failed: ClassVar[dict[int, list[Failure]]] = {}
    last: FakeGuest
    faults = ()

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


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="1M", conventional=2)
    return path


# run


def test_the_commands_exit_code_is_ours(guest: type[FakeGuest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "ends", 7)
    assert execute(["run", "--disk", "smr,size=1G", "--", "sh", "-c", "exit 7"]) == 7
    assert guest.last.words == ("sh", "-c", "exit 7")
    assert guest.last.left


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
    execute(["run", "--disk", "smr,size=1G", "--disk", "zns,size=1G", *options, "--", "true"])
    assert [str(disk) for disk in guest.last.disks] == ["smr,size=1G", "zns,size=1G"]
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
    assert execute(["run", "--explain", "--disk", "zns,size=1G", "--disk", "smr,size=64M", "true"]) == 125
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
            "zonevm: the emulated disks failed no command, routine questions at boot aside\n",
        ),
        ("zns,size=1G", {}, "zonevm: no disk is emulated by zonevm, and it sees no commands of others\n"),
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
    assert lines[0] == "zonevm: the emulated disks failed no command, routine questions at boot aside"
    assert lines[2:] == (told if failed else [])


def test_a_dry_run_prints_the_commands_for_a_shell(
    guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--dry-run", "--", "true"]) == 0
    assert capsys.readouterr().out == "modprobe vhost_scsi\nqemu -append 'a b' '$x'\n"
    assert not guest.last.qemu_command


def test_notes_on_disks_go_to_stderr(guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]) -> None:
    execute(["run", "--disk", "zns,size=100M,file=f", "--", "true"])
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
    if reason != "interrupted":
        assert written["exit_code"] == code
    assert guest.last.left


def test_a_record_that_cannot_be_written_is_told_before_anything_starts(
    guest: type[FakeGuest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--json", "/nowhere/run.json", "--", "true"]) != 0
    assert "/nowhere/run.json" in capsys.readouterr().err
    assert not guest.last.qemu_command


# disk


def test_an_image_is_created_and_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "disk.img"
    options = [
        "--size",
        "1G",
        "--zone-size",
        "64M",
        "--conv",
        "3",
        "--max-open",
        "none",
        "--block-size",
        "4096",
    ]
    assert execute(["disk", "create", str(path), *options]) == 0
    assert capsys.readouterr().out == f"{path}: 1 GiB, 16 zones of 64M, 3 conventional\n"
    assert execute(["disk", "info", str(path), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["size"], info["zone_size"], info["zone_count"]) == (2**30, 2**26, 16)
    assert (info["conventional"], info["max_open"], info["block_size"], info["user"]) == (3, None, 4096, None)
    assert execute(["disk", "info", str(path)]) == 0
    assert "no limit" in capsys.readouterr().out


def test_info_names_the_user_of_an_image(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with images.open(image):
        execute(["disk", "info", str(image)])
    assert f"by process {os.getpid()}" in capsys.readouterr().out


def test_zones_are_shown_as_a_map_a_list_json_and_svg(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["disk", "zones", str(image)]) == 0
    assert "▒▒····" in capsys.readouterr().out
    assert execute(["disk", "zones", str(image), "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 65
    assert execute(["disk", "zones", str(image), "--json"]) == 0
    zones = json.loads(capsys.readouterr().out)
    assert zones[0]["condition"] == "not write pointer"
    assert zones[2] == {
        "zone": 2,
        "type": "sequential write required",
        "condition": "empty",
        "non_sequential": False,
        "start": 4096,
        "length": 2048,
        "write_pointer": 4096,
    }
    drawing = tmp_path / "map.svg"
    assert execute(["disk", "zones", str(image), "--svg", str(drawing)]) == 0
    assert capsys.readouterr().out == ""
    assert drawing.read_text().startswith("<svg")


def test_a_drawing_that_cannot_be_written_is_an_error(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["disk", "zones", str(image), "--svg", "/nowhere/map.svg"]) != 0
    assert "/nowhere/map.svg" in capsys.readouterr().err


def test_disk_options_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["disk", "options", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {kind: [option["name"] for option in table] for kind, table in listed.items()} == {
        name: list(kind.options()) for name, kind in KINDS.items()
    }
    assert execute(["disk", "options", "zns"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in KINDS["zns"].options())
    assert "conv" not in text


# kernel


def test_kernels_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import zonevm.cli.verbs.kernel as module  # noqa: PLC0415

    monkeypatch.setattr(module, "installed", lambda: [Kernel("6.12.1", Path("/k/vmlinuz"), None, "cache")])
    assert execute(["kernel", "list"]) == 0
    assert capsys.readouterr().out.split() == ["6.12.1", "cache", "/k/vmlinuz"]
    assert execute(["kernel", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"version": "6.12.1", "origin": "cache", "image": "/k/vmlinuz", "modules": None}
    ]


def test_a_pull_reports_in_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import zonevm.cli.verbs.kernel as module  # noqa: PLC0415

    def pull(version: str, progress: Any, **_: Any) -> Kernel:
        for done in range(0, 101):
            progress(done * 2**20, 100 * 2**20)
        return Kernel(version, Path("/k"), None, "cache")

    monkeypatch.setattr(module, "pull_kernel", pull)
    assert execute(["kernel", "pull", "6.12"]) == 0
    out, err = capsys.readouterr()
    assert out == "6.12\n"
    assert len(err.splitlines()) == 5
    assert "100 MiB of 100 MiB" in err


# errors, and the whole


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["rnu"], 2, ["'rnu'", "run, list"]),
        (["run", "--dsk", "smr"], 2, ["--dsk", "--disk", "zonevm run --help"]),
        (["run", "--disk", "smr,sise=1G", "--", "true"], 2, ["sise", "hint: Did you mean size?"]),
        (["run", "--net", "bridge", "--", "true"], 2, ["bridge", "user"]),
        (["run", "--accel", "xen", "--", "true"], 2, ["xen", "tcg"]),
        (["run", "--cpus", "0", "--", "true"], 2, ["0"]),
        (["run", "--rwdir", "/nowhere", "--", "true"], 2, ["/nowhere"]),
        (["run", "--timeout", "0", "--", "true"], 2, ["--timeout"]),
        (["run", "--timeout", "5"], 2, ["--timeout", "COMMAND"]),
        (["disk", "create", "x"], 2, ["--size"]),
        (["disk", "create", "x", "--size", "big"], 2, ["size=big", "20G"]),
        (["disk", "create", "x", "--size", "1G", "--conv", "9"], 2, ["conv=9", "at most 3"]),
        (["disk", "create", "/nowhere/x", "--size", "1G"], 125, ["/nowhere/x"]),
        (["disk", "info", "/nowhere/x"], 125, ["/nowhere/x"]),
        (["disk", "zones", "/dev/null"], 125, ["/dev/null"]),
        (["disk", "options", "zsn"], 2, ["zsn", "zns"]),
        (["completion", "tcsh"], 2, ["tcsh", "bash"]),
    ],
)
def test_a_mistake_is_told_in_words(
    argv: list[str], code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("zonevm: ")
    for word in words:
        assert word in err


def test_without_arguments_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([verb, "--help"]) == 0
    assert "Usage: zonevm " + verb in capsys.readouterr().out
    assert isinstance(app.get_command(click.Context(app), verb), click.Command)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zonevm ")


def test_help_and_version_do_not_load_what_they_do_not_need() -> None:
    program = (
        "import sys; from zonevm.cli import execute; execute(['--version']); execute(['--help']);"
        "sys.exit([name for name in ('rich', 'zonevm.guest', 'zonevm._core') if name in sys.modules] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_early_is_no_error(image: Path) -> None:
    images.create(big := image.parent / "big.img", size="1T", zone_size="64M")
    running = subprocess.Popen(
        [*ZONEVM, "disk", "zones", str(big), "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout is not None
    assert running.stderr is not None
    with running:
        assert b"condition" in running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["completion", shell]) == 0
    assert "_ZONEVM_COMPLETE" in capsys.readouterr().out


def test_completion_completes() -> None:
    words = {"COMP_WORDS": "zonevm disk cr", "COMP_CWORD": "2", "_ZONEVM_COMPLETE": "bash_complete"}
    done = subprocess.run(ZONEVM, env=os.environ | words, capture_output=True, text=True, timeout=30)
    assert done.stdout == "plain,create\n"


def test_the_public_names_are_all_there() -> None:
    assert set(zonevm.__all__) <= set(dir(zonevm))
    for name in zonevm.__all__:
        assert getattr(zonevm, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        zonevm.nothing  # noqa: B018


def test_the_list_of_verbs_loads_none_of_them() -> None:
    script = (
        "import sys; from zonevm.cli import execute; execute(['--version']); execute(['--help']);"
        "print(*sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = set(printed.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"asyncio", "pyarrow", "qemu.qmp", "rich", "rtslib_fb", "zonevm._core"})


def test_where_no_guest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert execute(["list"]) == 0
    assert execute(["list", "--json"]) == 0
    assert execute(["power-cut"]) == 2
    out, err = capsys.readouterr()
    assert out == "[]\n"
    assert err.count("you run no guest") == 2
