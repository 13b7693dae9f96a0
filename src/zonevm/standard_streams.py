"""Descriptors 0, 1 and 2 where a process was started without them, so that no file gets one of these numbers.

What is printed would go into that file, and what is typed would come from it. Knows nothing else of zonevm.
"""

from __future__ import annotations

import os

NAMES = ("standard input", "standard output", "standard error")
"""What messages call them."""

_FLAGS = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)
"""How /dev/null stands in. The first two are opened the wrong way round, as gnulib's stdopen does it: reading
standard input and writing standard output fail with EBADF, as if they were closed. What goes to standard
error is dropped: there is nobody to tell."""


def hold() -> None:
    """Open /dev/null at each of descriptors 0, 1 and 2 that is closed; child processes inherit it.

    Raises OSError where there is no /dev/null.
    """
    for number, flags in enumerate(_FLAGS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened == number:
                os.set_inheritable(opened, True)
            else:  # another thread has opened a file meanwhile
                os.close(opened)
