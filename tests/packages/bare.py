"""A bare Debian that is thrown away, by tools/bare: what is sent there, and what came back."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("python3-venv", "qemu-system-x86", "kmod")
ON_DEBIAN_13 = (*PACKAGES, "man-db", "sudo")
"""What the Debians have, the same for all tests: each is made once."""


def run_in(suite: str, packages: Iterable[str], files: Iterable[Path], script: str) -> str:
    """Run ``script`` as a user in a Debian ``suite`` that has ``packages``, with ``files`` in its directory.

    Returns its output. What it writes to stderr goes to the test's.
    """
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        for file in files:
            archive.add(file, file.relative_to(ROOT))
    done = subprocess.run(
        [ROOT / "tools" / "bare", suite, ",".join(packages), f"set -eu; tar x; exec </dev/null\n{script}"],
        input=sent.getvalue(),
        stdout=subprocess.PIPE,
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    return output


def wheel() -> Path:
    """The wheel that `make wheel` made."""
    (found,) = (ROOT / "dist").glob("zonevm-*.whl")
    return found
