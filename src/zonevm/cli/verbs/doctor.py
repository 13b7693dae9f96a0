"""``zonevm doctor``: what this host can do, what it lacks, and the command that fixes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from zonevm.attach.doctor import MAIN, METHODS, Report, examine
from zonevm.attach.methods import MODELS
from zonevm.cli.options import json_option
from zonevm.cli.output import print_json
from zonevm.cli.pulling import qemu_attributes
from zonevm.guest import Guest
from zonevm.host.checks import Finding, Host, Status
from zonevm.inputs import printable
from zonevm.kernel.kernel import find

_NAME = 28
_COLOURS = {Status.OK: "green", Status.MISSING: "yellow", Status.CANNOT: "red"}


@click.command()
@click.argument("method", required=False, type=click.Choice(list(METHODS)), metavar="[METHOD]")
@click.option("--qemu", **qemu_attributes("Examine this QEMU instead of the host's own"))
@json_option
def doctor(method: str | None, qemu: str | None, as_json: bool) -> int:
    """Say what this host can do, what it lacks, and the command that fixes it.

    METHOD is one way of attaching a disk; all are examined without it. The exit code is 0 where METHOD
    works (vhost-user-scsi without it), else 1. Whether KVM works is tried with a real guest, once a boot of
    the host.
    """
    host = Host(MODELS, lambda: find().version, lambda: _accelerator(qemu), qemu)
    reports = examine(host, [method] if method else METHODS)
    asked = next(report for report in reports if report.method == (method or MAIN))
    if as_json:
        print_json([{**asdict(report), "works": report.works} for report in reports])
    else:
        _print(reports)
    return 0 if asked.works else 1


def _accelerator(qemu: str | None) -> str:
    """Return what a guest would be run by, which is KVM only where a guest has run under it."""
    command = Guest(qemu=qemu).command()
    return command[command.index("-accel") + 1].partition(",")[0]


def _print(reports: list[Report]) -> None:
    """Print once what several methods need, then each method with what it alone needs."""
    times = Counter(finding for report in reports for finding in report.findings)
    shared = [finding for finding, count in times.items() if count > 1]
    if shared:
        click.secho("for several methods", bold=True)
    for finding in shared:
        _print_finding(finding)
    for report in reports:
        verdict = click.style("works", fg="green") if report.works else click.style("does not work", fg="red")
        click.echo(f"{click.style(report.method, bold=True)}: {verdict} ({report.summary})")
        for finding in report.findings:
            if finding not in shared:
                _print_finding(finding)
        lacks = [each.name for each in report.findings if each in shared and each.fails]
        if lacks:
            click.echo(f"  also lacks, see above: {', '.join(lacks)}")


def _print_finding(finding: Finding) -> None:
    status = click.style(f"{finding.status:<8}", fg=_COLOURS[finding.status])
    optional = "" if finding.required else " (optional)"
    click.echo(f"  {status}{finding.name:<{_NAME}}{printable(finding.seen)}{optional}")
    if finding.mend:
        click.echo(f"  {'':<{8 + _NAME}}-> {finding.mend}")
