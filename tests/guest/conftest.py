"""The kernels that guests boot in tests: those pulled into the cache, or ZONEVM_TEST_KERNEL.

A kernel that could be pulled and was not fails a test, it never skips one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import Guest, KernelError
from zonevm.guest import find, installed
from zonevm.kernel.kernel import matches_version
from zonevm.kernel.pull import available

from .system_image import SystemImage, system_image

RELEASES = ("6.12", "6.1", "7")
"""The releases that the file system tests boot, each; the first is what the other tests boot."""

SUITES = {"7": "trixie-backports"}
"""Where a release comes from that the host's apt does not know."""


def _kernel(choice: str | None) -> str:
    try:
        kernel = find(choice)
    except KernelError as error:
        pytest.fail(f"{error.message}. {error.hint} Or set ZONEVM_TEST_KERNEL.", pytrace=False)
    return str(kernel.image) if kernel.origin == "file" else kernel.version


@pytest.fixture(scope="session")
def kernel() -> str:
    """What to give to ``kernel=``: ZONEVM_TEST_KERNEL, the first release, or the newest in the cache."""
    cached = [kernel.version for kernel in installed() if kernel.origin == "cache"]
    usual = [version for version in cached if matches_version(version, RELEASES[0])]
    return _kernel(os.environ.get("ZONEVM_TEST_KERNEL") or next(iter([*usual, *cached]), None))


@pytest.fixture(scope="session")
def zonevm() -> list[str]:
    """The command line, as the user of this environment has it."""
    return [str(Path(sys.executable).parent / "zonevm")]


@pytest.fixture(scope="session", params=RELEASES)
def kernel_each(request: pytest.FixtureRequest) -> str:
    """Each kernel that the disks have to work with, in turn; all but those that this Debian does not have."""
    release = str(request.param)
    if release not in SUITES and not any(matches_version(kernel.version, release) for kernel in installed()):
        offered = available()
        if not any(version.startswith(f"{release}.") for version in offered):
            pytest.skip(f"apt has no Linux {release}; it has {', '.join(offered)}")
    return _kernel(release)


@pytest.fixture(scope="module")
def plain(kernel: str) -> Iterator[Guest]:
    """A guest without disks, shared by the tests of a file."""
    with Guest(kernel=kernel) as guest:
        yield guest


@pytest.fixture(scope="session")
def system() -> SystemImage:
    """A system image that boots by BIOS and by UEFI, built when it is first needed."""
    return system_image()
