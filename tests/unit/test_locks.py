"""The lock files and NOTICE say what pyproject.toml and Cargo.lock ask for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements-dev.lock").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {re.sub("[._]", "-", name): version for name, version in pairs}


def test_every_requirement_is_locked_in_its_range() -> None:
    wanted = subprocess.run(
        [sys.executable, ROOT / "tools/requirements"], check=True, stdout=subprocess.PIPE, text=True
    )
    versions = locked()
    for requirement in map(Requirement, wanted.stdout.splitlines()):
        name = re.sub("[._]", "-", requirement.name)
        assert requirement.specifier.contains(versions[name]), requirement


def test_a_build_takes_the_locked_crates() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["maturin"]["locked"]
    assert "--constraint requirements-dev.lock" in (ROOT / "tools/setup").read_text()


def test_notice_names_what_is_linked(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "tools/notice", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (ROOT / "NOTICE").read_text()
    for crate in (
        "vm-memory",
        "rustix",
        "vmm-sys-util (BSD-3-Clause)",
        "Copyright 2017 The Chromium OS Authors",
    ):
        assert crate in text
    assert str(tmp_path.home()) not in text
