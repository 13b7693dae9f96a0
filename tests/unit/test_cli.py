"""The command line: which verb does what, which exit code, which words. No guest is booted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import zonevm
from zonevm import images
from zonevm.cli import execute
from zonevm.cli.app import VERBS, app
from zonevm.cli.output import print_json_rows
from zonevm.disks import KINDS
from zonevm.guest import Kernel

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="1M", conventional=2)
    return path


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


@pytest.mark.parametrize("count", [0, 1, 1000, 2500])
def test_rows_of_json_are_printed_as_one_value_is(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, object]] = [
        {"number": number, "text": "},\n    {", "nothing": None, "is": number % 2 == 0}
        for number in range(count)
    ]
    print_json_rows(iter(rows))
    assert capsys.readouterr().out == json.dumps(rows, indent=2) + "\n"


def test_help_alone_looks_for_no_version() -> None:
    script = "import sys; from zonevm.cli import execute; execute(['--help']); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert {"importlib.metadata", "json", "zipfile"}.isdisjoint(printed.stdout.splitlines()[-1].split())


def test_a_run_loads_nothing_that_it_may_do_without_until_qemu_is_started() -> None:
    script = "import sys; import zonevm.cli.verbs.run; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    unwanted = {"asyncio", "email", "http", "pyarrow", "qemu.qmp", "ssl", "tomllib", "urllib.request", "xml"}
    assert unwanted.isdisjoint(printed.stdout.split())


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
