"""The plugin's options, of the command line and of pytest's configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

KERNEL, DISK = "_zoned_kernel", "_zoned_disk"
"""The fixtures that have one of them each."""


def add(parser: pytest.Parser) -> None:
    """Add the options to pytest's."""
    group = parser.getgroup("zonevm", "tests in guests with zoned disks")
    group.addoption(
        "--zonevm-kernel",
        action="append",
        default=[],
        metavar="KERNEL",
        help="run the tests with this kernel: a version, a bzImage or a build tree; several times: with each",
    )
    group.addoption(
        "--zonevm-disk",
        action="append",
        default=[],
        metavar="DISK",
        help="run the tests with this disk, smr,size=4G say, in place of theirs; several times: with each",
    )
    group.addoption(
        "--zonevm-artifacts",
        metavar="DIR",
        help="keep what is known of failures in DIR, a directory for each test; default: in its tmp_path",
    )
    group.addoption(
        "--zonevm-required",
        action="store_true",
        help="a test fails, and is not skipped, where this host cannot run its guest: for CI",
    )
    parser.addini("zonevm_kernels", "as --zonevm-kernel, a line each", type="linelist")
    parser.addini("zonevm_disks", "as --zonevm-disk, a line each", type="linelist")
    parser.addini("zonevm_artifacts", "as --zonevm-artifacts", type="paths")
    parser.addini("zonevm_required", "as --zonevm-required", type="bool")


def variants(config: pytest.Config) -> Mapping[str, Sequence[str]]:
    """Return what tests are to run with each of: by the fixture that has one of them."""
    return {
        KERNEL: config.getoption("--zonevm-kernel") or config.getini("zonevm_kernels"),
        DISK: config.getoption("--zonevm-disk") or config.getini("zonevm_disks"),
    }


def name(value: str) -> str:
    """Return what a kernel or a disk is called in a test's ID."""
    return Path(value).name if value.startswith(("/", "./", "../", "~")) else value


def artifacts(config: pytest.Config) -> Path | None:
    """Return where what is known of failures is kept; None: with the other files of each test."""
    given: str | None = config.getoption("--zonevm-artifacts")
    if given is not None:
        return config.invocation_params.dir / given
    paths: list[Path] = config.getini("zonevm_artifacts")
    return next(iter(paths), None)


def required(config: pytest.Config) -> bool:
    """Whether a host that cannot run guests is a failure."""
    return bool(config.getoption("--zonevm-required") or config.getini("zonevm_required"))
