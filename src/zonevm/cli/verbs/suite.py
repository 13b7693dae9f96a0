"""``zonevm suite``: public suites of tests, in guests, beside a list of failures that are expected."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from zonevm import outputs
from zonevm.cli.options import PATH, Seconds, json_option
from zonevm.cli.output import print_json, say, tell
from zonevm.disks import parse
from zonevm.errors import UsageError
from zonevm.outputs import Named
from zonevm.outputs import check as check_outputs
from zonevm.suites import SUITES, Expected, Plan, Report, Result, Runner, Status, Suite

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)
_FAILED = 1


@click.group()
def suite() -> None:
    """Run a public suite of tests in guests."""


def _command(suite: Suite) -> click.Command:
    def run(**options: Any) -> int:
        return _run(suite, **options)

    run.__doc__ = f"""Run {suite.title}. Of the disks {suite.uses}.

    WORDS are tests and options, as the suite's own program takes them. A test that fails is a failure unless
    FILE of --expect names it, and so is one that FILE names and that passes. Exit codes: 0, 1 for a failure,
    125 zonevm, the guest or the suite could not run.

    \b
    zonevm suite {suite.name} --source DIR {suite.example}
    """
    for decorate in reversed(_OPTIONS):
        run = decorate(run)
    return click.command(suite.name, short_help=f"{suite.title[0].upper()}{suite.title[1:]}.")(run)


_OPTIONS = (
    click.option("--source", required=True, type=_DIRECTORY, help="The suite's directory, built."),
    click.option("--disk", "disks", multiple=True, metavar="DISK", help="A disk, as for zonevm run."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A setting of the suite: of its configuration, or its environment.",
    ),
    click.option(
        "--guests",
        default=1,
        show_default=True,
        type=click.IntRange(1),
        help="Divide the tests among so many guests, each with disks of its own.",
    ),
    click.option("--expect", type=PATH, metavar="FILE", help="Tests that are expected to fail, a line each."),
    click.option(
        "--update",
        is_flag=True,
        help="Take tests that pass out of FILE of --expect, or make it with those that fail.",
    ),
    click.option(
        "--results", type=PATH, metavar="DIR", help="Keep what the suite writes here. [SUITE-results]"
    ),
    click.option("--junit", type=PATH, metavar="FILE", help="Write the results to this file as JUnit XML."),
    click.option(
        "--timeout",
        type=Seconds(),
        help="Without a word of the suite: the test has failed, and a new guest goes on.",
    ),
    json_option,
    click.option("--kernel", metavar="KERNEL", help="As for zonevm run."),
    click.option("--memory", default="1G", metavar="SIZE", show_default=True, help="Memory of a guest."),
    click.option("--cpus", type=click.IntRange(1), help="As for zonevm run."),
    click.option("--udev", is_flag=True, help="Start the host's udevd in the guests."),
    click.argument("words", nargs=-1, type=click.UNPROCESSED),
)


def _run(
    suite: Suite,
    *,
    source: Path,
    disks: Sequence[str],
    settings: Sequence[str],
    guests: int,
    expect: Path | None,
    update: bool,
    results: Path | None,
    junit: Path | None,
    timeout: float | None,
    as_json: bool,
    words: Sequence[str],
    **options: Any,
) -> int:
    if update and expect is None:
        raise UsageError("--update has no file to change", "Name it: --expect FILE.")
    named = [Named("--expect", expect)] if expect else []
    check_outputs([Named("--junit", junit)] if junit else [], named)
    expected = Expected(expect, new=update)
    directory = (results or Path(f"{suite.name}-results")).absolute()
    plan = Plan(
        suite,
        source,
        directory,
        words,
        [parse(text) for text in disks],
        dict(map(_setting, settings)),
        guests,
        timeout,
        options,
    )
    runner = Runner(plan)
    say(f"{len(runner.chosen.tests)} tests; results are kept in {directory}")
    whole = False
    try:
        runner.run(lambda result: _progress(result, runner))
        whole = True
    finally:
        report = Report(suite.name, runner.results, expected.tests, whole)
        if report.results:
            _publish(report, directory, junit, as_json)
    if expected.new:
        expected.begin(each.test for each in report.unexpected)
        return 0
    if update and report.fixed:
        expected.shrink({each.test for each in report.fixed})
    return _FAILED if report.unexpected or (report.fixed and not update) else 0


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise UsageError(f"--set {text} is not a setting", "Write NAME=VALUE, with the name of a variable.")
    return name, value


def _progress(result: Result, runner: Runner) -> None:
    tell(f"[{len(runner.results)}/{len(runner.chosen.tests)}] {result.test}  {result.status}", err=True)


def _line(result: Result) -> str:
    return f"{result.test}  {result.status}" + (f": {result.reason}" if result.reason else "")


def _publish(report: Report, directory: Path, junit: Path | None, as_json: bool) -> None:
    (directory / "results.json").write_text(json.dumps(report.facts(), indent=2) + "\n")
    if junit:
        outputs.write(junit, report.junit())
    if as_json:
        print_json(report.facts())
    else:
        _print(report)
    sys.stdout.flush()


def _print(report: Report) -> None:
    for result in report.of(Status.NOT_RUN):
        tell(_line(result))
    for result in report.of(Status.FAILED):
        known = "" if result in report.unexpected else ", as expected"
        tell(f"{_line(result)}{known}")
    for result in report.fixed:
        tell(f"{result.test}  passed, and was expected to fail")
    counts = ", ".join(
        f"{len(report.of(status))} {status}" for status in (Status.PASSED, Status.FAILED, Status.NOT_RUN)
    )
    expected = len(report.of(Status.FAILED)) - len(report.unexpected)
    tell(counts + (f"; {expected} failed as expected" if expected else ""))
    if not report.whole:
        say("it was stopped before its end: tests are missing")


for _each in SUITES.values():
    suite.add_command(_command(_each))
