"""The one hierarchy of errors that zonevm raises for anything a user can meet.

Every error says what is wrong (the thing, the value seen, what is allowed) and
carries a ``hint``: what to do about it.
"""

from __future__ import annotations


class ZonevmError(Exception):
    """Something went wrong that the user can understand and act on.

    ``hint`` is one sentence with the way out, or ``""`` when the message already is one.
    ``exit_code`` is what the command line exits with (125: zonevm itself failed).
    """

    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ZonevmError):
    """The request itself is wrong: an option, a value, a combination."""

    exit_code = 2


class DiskError(UsageError):
    """A disk description is wrong: unknown kind or option, value out of range."""


class ImageError(ZonevmError):
    """A disk image cannot be created, opened or trusted."""


class RecordError(ZonevmError):
    """A record of what was written to disks cannot be made or read, or does not have what is asked of it."""


class HostError(ZonevmError):
    """The host lacks something: a program, a permission, a kernel feature."""


class KernelError(HostError):
    """No usable guest kernel, or a kernel without what the guest needs."""


class PackageError(HostError):
    """A package cannot be had: no mirror, no such suite or package, no network, no room."""


class QemuError(ZonevmError):
    """QEMU could not be started, is too old, or died."""


class GuestError(ZonevmError):
    """The guest failed: it panicked, hung, or stopped answering."""


class GuestPanicError(GuestError):
    """The guest's kernel panicked; ``console`` holds the last console lines."""

    def __init__(self, message: str, hint: str = "", console: str = "") -> None:
        super().__init__(message, hint)
        self.console = console


class GuestTimeoutError(GuestError):
    """A command in the guest, or its boot, did not end in time."""

    exit_code = 124
