"""The suites that zonevm knows, by name."""

from zonevm.suites import blktests, fio_zbd, fstests, libzbc, zonefs
from zonevm.suites.suite import Suite

_ALL: tuple[Suite, ...] = (fstests.SUITE, blktests.SUITE, fio_zbd.SUITE, zonefs.SUITE, libzbc.SUITE)

SUITES = {suite.name: suite for suite in _ALL}
