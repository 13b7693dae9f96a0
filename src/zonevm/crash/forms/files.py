"""All forms of a report as files of a directory."""

from __future__ import annotations

import json
from pathlib import Path

from zonevm import outputs
from zonevm.crash.forms.facts import facts
from zonevm.crash.forms.junit import junit
from zonevm.crash.forms.page import html
from zonevm.crash.forms.text import text
from zonevm.crash.report import Report


def write(report: Report, directory: Path) -> None:
    """Write report.txt, report.json, report.xml and report.html, each whole or not at all.

    What an earlier run has written is replaced. Raises :class:`HostError` where that cannot be, and
    :class:`UsageError` where something else has one of these names.
    """
    forms = {
        "txt": text(report),
        "json": json.dumps(facts(report), indent=2) + "\n",
        "xml": junit(report),
        "html": html(report),
    }
    for ending, form in forms.items():
        outputs.write(directory / f"report.{ending}", form)
