"""The command line. Here: the entry point, and the one place that turns errors into words and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from zonevm.cli.app import app
from zonevm.cli.output import say
from zonevm.errors import GuestPanicError, ZonevmError

_COMPLETE = "_ZONEVM_COMPLETE"
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main() -> None:
    """Run the command line and exit."""
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
            click.echo(error.console, err=True)
        say(error.message, error.hint)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # Our reader is done, as with `| head -1`; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return code if isinstance(code, int) else 0
