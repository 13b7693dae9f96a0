"""Names of files that the host allows, and those that it does not: each verb works, or says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from zonevm.cli import execute

from .kernels import bzimage

NAMES = (
    *(
        "trailing ",
        " leading",
        "two  spaces",
        "tab\t",
        "line\nbreak\n",
        "back\\slash\\040",
        "-dash",
        "--",
        "...",
    ),
    *("com,ma,,s,", "quo'te\"s`", "$HOME", "st*r?[x]", "a=b", "#;&|<>", "~", "%s", "C:", "{x}", "[red]"),
    *(
        "ünïcode",
        "\x01\x0b\x0c\x1b[31m\x7f",
        "\x85\u2028",
        "x" * 250,
    ),
)


def test_every_name_works_with_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kernel = bzimage(tmp_path / "kernel" / "bzImage", "6.12.1")
    dry_run = ["run", "--dry-run", "--accel", "tcg", "--kernel", str(kernel)]
    for name in NAMES:
        made = [f"{name}{number}" for number in range(4)]
        Path("dir").mkdir(exist_ok=True)
        steps = [
            ["disk", "create", "--size", "8M", "--zone-size", "1M", "--", name],
            ["disk", "info", "--", name],
            ["disk", "info", "--json", "--", name],
            ["disk", "zones", "--", name],
            ["disk", "zones", "--svg", f"./{made[0]}", "--", name],
            ["disk", "check", "--", name],
            ["disk", "zone", "set", "--written", "4096", "--", name, "1", "closed"],
            ["disk", "snapshot", "--", name, made[1]],
            ["disk", "restore", "--", made[1], name],
            ["disk", "resize", "--", name, "16M"],
            ["disk", "export", "--", name, made[2]],
            [*dry_run, "--disk", f"smr,file=./{name.replace(',', ',,')}", "--json", f"./{made[3]}"],
        ]
        for step in steps:
            assert execute(step) == 0, step


ABSENT = (
    " trailing\n",
    "back\\slash\\040",
    "com,ma,,s,",
    "--",
    "\x01\x1b[31m\x7f",
    "x" * 256,
    "y/" * 2500,
    "link",
)


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize(
    "arguments",
    [
        "disk info -- {}",
        "disk import -- {} new",
        "disk import -- image {}",
        "disk restore -- {} new",
        "disk snapshot -- {} new",
        "trace summary -- {}",
        "trace recover -- {}",
        "run --kernel ./{} -- true",
        "run --image ./{}",
        "run --faults ./{} -- true",
        "run --rwdir ./{} -- true",
        "run --qemu ./{} -- true",
        "run --json ./{}/x --kernel no-such-kernel",
        "run --disk smr,file=./{,} -- true",
        "run --disk zns,file=./{,} -- true",
        "run --disk tcmu,file=./{,} -- true",
        "run --disk /{,} -- true",
        "disk create --size 1G -- {}/x",
    ],
)
def test_what_is_not_there_is_an_error_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("link")
    doubled = name.replace(",", ",,")
    words = [word.replace("{}", name).replace("{,}", doubled) for word in arguments.split()]
    assert execute(words) in (2, 125)
    assert capsys.readouterr().err.startswith("zonevm: ")


def test_names_are_printed_as_the_bytes_that_they_are(tmp_path: Path) -> None:
    name = b"no text \xff"
    steps: list[tuple[list[str | bytes], bytes]] = [
        (["create", "--size", "8M", "--zone-size", "1M", name], name + b": 8 MiB, 8 zones of 1M"),
        (["zones", name], name + b": 8 MiB, 8 zones of 1M"),
        (["zone", "set", name, "1", "full"], name + b": zone 1: full"),
        (["zones", "--svg", name + b".svg", name], b""),
    ]
    for words, printed in steps:
        command = [sys.executable, "-c", "from zonevm.cli import main; main()", "disk", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(printed)
    drawing = Xml.parse(tmp_path / "no text \udcff.svg").getroot()
    assert (drawing[0].text or "").startswith("no text \ufffd: 8 MiB")


@pytest.mark.parametrize("verb", ["run -- true", "serve --disk smr,size=1G --socket s"])
def test_a_directory_that_is_gone_is_named(tmp_path: Path, verb: str) -> None:
    script = f'mkdir gone; cd gone; rmdir ../gone; "$1" -c "from zonevm.cli import main; main()" {verb}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (2, 125)
    assert "Traceback" not in done.stderr
    assert "the current directory has been removed" in done.stderr
