"""The command line. Here: the entry point, and the one place that turns errors into words and exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from zonevm.cli.app import app
from zonevm.cli.output import say, tell
from zonevm.errors import GuestPanicError, ZonevmError
from zonevm.inputs import shown

_COMPLETE = "_ZONEVM_COMPLETE"
_NO_OUTPUT = (errno.EBADF, errno.EIO, errno.ENOSPC)
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main() -> None:
    """Run the command line and exit."""
    _complete_streams()
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit code."""
    if _COMPLETE in os.environ:
        app.main(prog_name="zonevm", complete_var=_COMPLETE)
    try:
        with app.make_context("zonevm", list(arguments)) as context:
            code = app.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as exit:
        return exit.exit_code
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
    except BrokenPipeError:
        # Our reader is done, as with `| head -1`.
        _drop_output()
        return _PIPE_CLOSED
    except OSError as error:
        _tell(error)
        return ZonevmError.exit_code
    return code if isinstance(code, int) else 0


def _tell(error: OSError) -> None:
    """Say what the host refused."""
    if error.errno in _NO_OUTPUT and error.filename is None:
        _drop_output()
        say(f"standard output: {error.strerror}", "What was to be printed is lost.")
    elif error.filename is None and _is_nowhere():
        say("the current directory has been removed", "Go to one that is there: cd /")
    else:
        where = "" if error.filename is None else f"{shown(os.fsdecode(error.filename))}: "
        say(f"{where}{error.strerror or error}")


def _is_nowhere() -> bool:
    """Whether the current directory is none any more."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _drop_output() -> None:
    """Have what is still buffered go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complete_streams() -> None:
    """Make Python's streams for descriptors that were closed, so that a result that is lost is an error.

    Names that are no text in this locale are printed as the bytes that they are.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
