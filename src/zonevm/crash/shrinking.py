"""What of a failing state matters: the fewest losses with which a check still fails. Knows no guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from zonevm.records import Loss, State


def shrunk(state: State, fails: Callable[[State], bool], most: int = 200) -> State:
    """Return a state that fails as well, in which nothing more can be given back one at a time.

    ``fails`` is asked of smaller states, at most ``most`` times. Losses are given back in halves first, then
    one by one, and at last each is made smaller.
    """
    left = most
    found = state
    part = len(state.lost)
    while part > 0:
        for smaller in _without(found, part):
            if left == 0:
                return found
            left -= 1
            if fails(smaller):
                found = smaller
                break
        else:
            part //= 2
    for smaller in _lesser(found):
        if left == 0:
            break
        left -= 1
        if fails(smaller):
            found = smaller
            break
    return found


def _without(state: State, part: int) -> Iterator[State]:
    """The state without some ``part`` losses that follow each other."""
    lost = state.lost
    for at in range(0, len(lost), part):
        yield replace(state, lost=lost[:at] + lost[at + part :])


def _lesser(state: State) -> Iterator[State]:
    """The state of one loss with fewer changes lost: first the fewest."""
    if len(state.lost) != 1:
        return
    (loss,) = state.lost
    for changes in range(1, loss.changes):
        yield replace(state, lost=(Loss(loss.disk, loss.place, loss.number, changes),))
