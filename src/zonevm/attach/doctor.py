"""Examines a host, method by method: what can be done here, what is missing, what fixes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zonevm.attach import methods, vhost_user_scsi
from zonevm.attach.method import Method
from zonevm.host import checks_guest as guest
from zonevm.host.checks import Check, Finding, Host

MAIN = vhost_user_scsi.METHOD.name
"""The method that zonevm is useful with on its own, without hardware or root."""

METHODS = {name: method for name, method in methods.METHODS.items() if method.zoned}
"""The methods that are examined, by their names."""


@dataclass(frozen=True)
class Report:
    """What was found of one method."""

    method: str
    summary: str
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether the method works here: all that it requires is there."""
        return not any(finding.fails for finding in self.findings)


def examine(host: Host, methods: Iterable[str] = tuple(METHODS)) -> list[Report]:
    """Return the reports of ``methods``. A check that several need is made once."""
    found: dict[Check, Finding] = {}
    reports = []
    for name in methods:
        method = METHODS[name]
        checks = _checks(method)
        for check in checks:
            if check not in found:
                found[check] = check(host)
        reports.append(Report(name, method.summary, tuple(found[check] for check in checks)))
    return reports


def _checks(method: Method) -> tuple[Check, ...]:
    return (*(_of_guest(method) if method.attach else ()), *method.checks)


def _of_guest(method: Method) -> tuple[Check, ...]:
    """Return the checks of what a guest needs that has a disk by ``method``."""
    since = method.min_kernel
    kernel = guest.kernel_since(since, f"zoned {method.name}") if since else guest.kernel
    own = (guest.core,) if method.served else ()
    models = [guest.device(model.name, *model.properties, since=model.since) for model in method.models]
    return (*guest.MACHINE, kernel, *own, *models)
