"""Names that the host allows: each works, wherever a user may give one."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import images
from zonevm.trace import summarize

pytestmark = pytest.mark.guest

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
    *("com,ma,,s,", "quo'te\"s`", "$HOME", "$(reboot)", "st*r?[x]", "a=b", "#;&|<>", "~", "%s", "C:"),
    *("ünïcode", os.fsdecode(b"no text \xff\x81\x88\xc3"), "\x01\x0b\x0c\x1b[31m\x7f", "\x85\u2028"),
)
ODD = "odd, \\040\t'name\"\n" + os.fsdecode(b"\xff ")


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A directory for sockets: its path has to be short."""
    with tempfile.TemporaryDirectory(prefix=os.fsdecode(b"a, '\n\xff ")) as directory:
        yield Path(directory)


def test_names_of_all_kinds(zonevm: list[str], kernel: str, runtime: Path, tmp_path: Path) -> None:
    home = tmp_path / ODD
    names = [home / name for name in NAMES]
    for path in names:
        path.mkdir(parents=True)
    scratch, state = home / "tmp ", home / "state\n"
    scratch.mkdir()
    environment = os.environ | {
        "XDG_RUNTIME_DIR": str(runtime),
        "TMPDIR": str(scratch),
        "XDG_STATE_HOME": str(state),
    }
    image, record, trace = home / "smr,", home / "run\n", home / " trace "
    options = ["--kernel", kernel, "--json", str(record), "--trace", str(trace)]
    for kind in ("smr", "zns", "plain"):
        file = str(home / f"{kind},").replace(",", ",,")
        more = {"smr": ",zone-size=16M", "zns": ",zone-size=16M,via=qemu", "plain": ""}[kind]
        options += ["--disk", f"{kind},size=64M{more},file={file}"]
    for path in (*names, names[0]):
        options += ["--rwdir", str(path)]
    script = 'for dir; do printf %s "$dir" > "$dir/kept" || exit 1; done; pwd; cat /sys/block/sda/size'
    done = subprocess.run(
        [*zonevm, "run", *options, "--", "sh", "-c", script, "sh", *map(str, names)],
        cwd=home,
        env=environment,
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == os.fsencode(home) + b"\n131072\n"
    for path in names:
        assert (path / "kept").read_bytes() == os.fsencode(path)
    assert images.info(image)["size"] == 64 << 20
    assert json.loads(record.read_text())["reason"] == "exited"
    assert summarize(trace).count
    assert list(runtime.iterdir()) == list(scratch.iterdir()) == []
