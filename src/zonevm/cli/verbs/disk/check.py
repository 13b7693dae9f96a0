"""``zonevm disk check`` and ``repair``: what is wrong with an image, and its repair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zonevm import images
from zonevm.cli.options import image_argument, json_option
from zonevm.cli.output import print_json, say

if TYPE_CHECKING:
    from zonevm._core import Finding

_DAMAGED = 1


@click.command()
@image_argument
@json_option
def check(file: Path, as_json: bool) -> int:
    """Check image FILE for damage, without changing it. FILE must not be in use.

    The exit code is 0 for a sound image, 1 for a damaged one.
    """
    findings = images.check(file)
    if as_json:
        print_json(findings)
        return _DAMAGED if findings else 0
    for finding in findings:
        outcome = f"can be {finding['repair']}" if finding["repair"] else "cannot be repaired"
        click.echo(f"{_place(finding)}: {finding['problem']}; {outcome}")
    if not findings:
        click.echo(f"{file}: whole")
        return 0
    if all(finding["repair"] for finding in findings):
        say(f"{file} can be repaired", f"zonevm disk repair {file}")
    else:
        say(f"{file} cannot be repaired", "Restore it from a snapshot, or create a new image.")
    return _DAMAGED


@click.command()
@image_argument
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@json_option
def repair(file: Path, dry_run: bool, as_json: bool) -> None:
    """Repair image FILE and say what was done. FILE must not be in use. Data that can be read stay readable.

    Either everything is repaired or nothing is changed: then the exit code is 125.
    """
    findings = images.repair(file, dry_run=dry_run)
    if as_json:
        print_json(findings)
        return
    for finding in findings:
        click.echo(
            f"{_place(finding)}: {finding['problem']}; {'would be ' if dry_run else ''}{finding['repair']}"
        )
    if not findings:
        click.echo(f"{file}: whole, nothing to repair")


def _place(finding: Finding) -> str:
    return finding["part"] if finding["zone"] is None else f"{finding['part']}, zone {finding['zone']}"
