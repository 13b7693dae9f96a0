"""How the program ends when it is told to: by an exception, so that everything is undone; and once."""

from __future__ import annotations

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """SIGTERM or SIGHUP came: the exit code is 128 and the signal's number."""


def undo_when_told_to_end() -> None:
    """Have SIGTERM and SIGHUP raise :class:`Terminated`, as Ctrl-C raises :class:`KeyboardInterrupt`.

    Further ones change nothing: all is being undone. A signal that is ignored stays so (nohup).
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, lambda *_: None)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(128 + number)
