"""Runs apt and dpkg for this room, and says in words why they failed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from zonevm.errors import PackageError

_UPDATE = "Check the network, or renew apt's lists with: sudo apt-get update"
_WORDS = (
    (
        r"No space left on device|enough free space|Disk quota exceeded",
        "the disk is full",
        "Make room there, or keep zonevm's cache elsewhere with XDG_CACHE_HOME.",
    ),
    (
        r"NO_PUBKEY|is not signed|OpenPGP signature verification failed|invalid signature",
        "no keyring of this host verifies the archive",
        "Install the newest debian-archive-keyring.",
    ),
    (
        r"Could not (?:resolve|connect)|Temporary failure|timed out|Unable to connect|etwork is unreachable",
        "the mirror cannot be reached",
        "Check the network and the mirror; --mirror URL names another one.",
    ),
)


class CommandFailedError(PackageError):
    """apt or dpkg failed; ``output`` is all that it said."""

    def __init__(self, message: str, hint: str, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


def run(
    command: Sequence[str | Path],
    failure: str,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run ``command`` and return what it prints; end it and all it started when interrupted.

    Raises :class:`CommandFailedError`, which begins with ``failure``, where it fails.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise PackageError(f"{failure}: cannot run {command[0]}: {error.strerror}") from error
    with process:
        try:
            output, errors = process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise _failed(failure, errors)
    return output


def _failed(failure: str, errors: str) -> CommandFailedError:
    lines = [line for line in errors.strip().splitlines() if line] or ["no reason given"]
    for pattern, words, hint in _WORDS:
        said = next((line for line in lines if re.search(pattern, line)), None)
        if said:
            return CommandFailedError(f"{failure}: {words}: {said}", hint, errors)
    return CommandFailedError(f"{failure}: {lines[-1]}", _UPDATE, errors)
