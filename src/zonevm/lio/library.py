"""rtslib-fb, imported when it is needed, and its errors in our words. Knows no target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from zonevm.errors import HostError


@contextmanager
def rtslib(step: str) -> Iterator[ModuleType]:
    """Yield rtslib for one step; raise :class:`HostError` where it fails: "LIO cannot ``step``: ..."."""
    try:
        import rtslib_fb  # noqa: PLC0415
    except ImportError as error:
        raise HostError(
            f"the Python package rtslib-fb, by which LIO is set up, cannot be imported: {error}",
            "Install it with: pip install rtslib-fb  (and libudev, on Debian: apt-get install libudev1)",
        ) from error
    try:
        with warnings.catch_warnings():
            # It warns where LIO keeps reservations elsewhere than it would: of no matter here.
            warnings.simplefilter("ignore")
            yield rtslib_fb
    except (rtslib_fb.RTSLibError, OSError) as error:
        raise HostError(f"LIO cannot {step}: {error}", "See what the kernel says: dmesg | tail") from error
