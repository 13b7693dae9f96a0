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
from zonevm.guest.pull import available

from .system_image import SystemImage, system_image

RELEASES = ("6.12", "6.1")
"""The releases that the file system tests boot, each."""


def _kernel(choice: str | None) -> str:
    try:
        kernel = find(choice)
    except KernelError as error:
        pytest.fail(f"{error.message}. {error.hint} Or set ZONEVM_TEST_KERNEL.", pytrace=False)
    return str(kernel.image) if kernel.origin == "file" else kernel.version


@pytest.fixture(scope="session")
def kernel() -> str:
    """What to give to ``kernel=``: ZONEVM_TEST_KERNEL, else the newest kernel in the cache."""
    chosen = os.environ.get("ZONEVM_TEST_KERNEL")
    cached = next((kernel.version for kernel in installed() if kernel.origin == "cache"), None)
    return _kernel(chosen or cached)


@pytest.fixture(scope="session")
def zonevm() -> list[str]:
    """The command line, as the user of this environment has it."""
    return [str(Path(sys.executable).parent / "zonevm")]


@pytest.fixture(scope="session", params=RELEASES)
def kernel_each(request: pytest.FixtureRequest) -> str:
    """Each kernel that the disks have to work with, in turn; all but those that this Debian does not have."""
    release = str(request.param)
    if not any(kernel.version.startswith(f"{release}.") for kernel in installed()):
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
