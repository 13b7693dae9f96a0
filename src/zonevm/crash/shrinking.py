"""What of a failing state matters: the fewest losses with which a check still fails. Knows no guest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace

from zonevm.records import Loss, State

Places = Set[tuple[int, str, int]]
"""Disk, ``zone`` or ``block``, its number: of each that lost something."""


def places(state: State) -> Places:
    """Return what lost something."""
    return frozenset(loss[:3] for loss in state.lost)


def likely(state: State, known: Iterable[Places], fails: Callable[[State], bool]) -> State | None:
    """Return a state that fails as well, in which only what one of ``known`` names has lost something.

    None: there is none. So what has one cause is not looked for again and again.
    """
    for each in known:
        lost = tuple(loss for loss in state.lost if loss[:3] in each)
        if len(lost) == len(each) and fails(smaller := replace(state, lost=lost)):
            return smaller
    return None


def shrunk(state: State, fails: Callable[[State], bool], most: int = 200) -> State:
    """Return a state that fails as well, in which nothing more can be given back one at a time.

    ``fails`` is asked of smaller states, at most ``most`` times. Losses are given back in halves first, then
    one by one, and at last each is made smaller.
    """
    left = iter(range(most))
    found = state
    part = len(state.lost)
    while part > 0:
        smaller = _first(_without(found, part), fails, left)
        if smaller is None:
            part //= 2
        else:
            found = smaller
    for number in range(len(found.lost)):
        found = _first(_lesser(found, number), fails, left) or found
    return found


def _first(states: Iterator[State], fails: Callable[[State], bool], left: Iterator[int]) -> State | None:
    """The first state that fails, of as many as may still be asked for."""
    return next((state for _, state in zip(left, states, strict=False) if fails(state)), None)


def _without(state: State, part: int) -> Iterator[State]:
    """The state without some ``part`` losses that follow each other."""
    lost = state.lost
    for at in range(0, len(lost), part):
        yield replace(state, lost=lost[:at] + lost[at + part :])


def _lesser(state: State, number: int) -> Iterator[State]:
    """The state with fewer changes lost of one of its places: first the fewest."""
    loss = state.lost[number]
    for changes in range(1, loss.changes):
        lesser = Loss(loss.disk, loss.place, loss.number, changes)
        yield replace(state, lost=(*state.lost[:number], lesser, *state.lost[number + 1 :]))
