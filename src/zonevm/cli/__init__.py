"""The command line. Here: the entry point, and the one place that turns errors into words and exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from zonevm.cli.app import app
from zonevm.cli.output import OUTPUT, drop, named_output, say, tell
from zonevm.cli.stopping import undo_when_told_to_end
from zonevm.errors import GuestPanicError, ZonevmError
from zonevm.inputs import shown

_COMPLETE = "_ZONEVM_COMPLETE"
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main() -> None:
    """Run the command line and exit."""
    _complete_streams()
    undo_when_told_to_end()
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit code."""
    if _COMPLETE in os.environ:
        app.main(prog_name="zonevm", complete_var=_COMPLETE)
    try:
        code = _invoked(arguments)
        sys.stdout.flush()
        return code
    except click.ClickException as error:
        usage = error.ctx if isinstance(error, click.UsageError) else None
        say(error.format_message(), f"See: {usage.command_path} --help" if usage else "")
        return error.exit_code
    except ZonevmError as error:
        if isinstance(error, GuestPanicError):
            tell(error.console, err=True)
        say(error.message, error.hint)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except OSError as error:
        return _host_failed(error)


def _invoked(arguments: Sequence[str]) -> int:
    try:
        with app.make_context("zonevm", list(arguments)) as context:
            code = app.invoke(context)
    except click.exceptions.Exit as exit:  # --help, --version
        return exit.exit_code
    return code if isinstance(code, int) else 0


def _host_failed(error: OSError) -> int:
    """Tell what the host has refused, or failed at, and return the exit code."""
    if error.filename == OUTPUT:
        drop(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return _PIPE_CLOSED  # our reader is done, as with `| head -1`
        say(f"{OUTPUT}: {error.strerror}", "The output is lost.")
    elif error.filename is None and _is_nowhere():
        say("the current directory has been removed", "Change to one that exists: cd /")
    else:
        where = "" if error.filename is None else f"{shown(os.fsdecode(error.filename))}: "
        say(f"{where}{error.strerror or error}")
    return ZonevmError.exit_code


def _is_nowhere() -> bool:
    """Whether the current directory is none any more."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _complete_streams() -> None:
    """Make Python's streams for descriptors that were closed, so that a result that is lost is an error."""
    sys.stdout = named_output()
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="surrogateescape")
