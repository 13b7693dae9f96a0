"""Several guests that try states at the same time, a thread each. Knows not what a state is tried for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from zonevm.crash.checker import Checker
from zonevm.records import State

_Outcome = TypeVar("_Outcome")
_TURN_SECONDS = 0.2


class Crew(Generic[_Outcome]):
    """As many guests as there are ``checkers``; ``tried`` is called with one of these and a state."""

    def __init__(self, checkers: Iterable[Checker], tried: Callable[[Checker, State], _Outcome]) -> None:
        self._checkers = list(checkers)
        self._tried = tried
        self._ended = False

    def outcomes(self, states: Iterable[State]) -> Iterator[_Outcome]:
        """Yield what came of each state, as soon as it is known.

        Where one raises, that is raised here. All guests have ended then, as when this is closed, or
        interrupted.
        """
        left = _Shared(states)
        told: queue.SimpleQueue[_Outcome | BaseException | None] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._work, args=(checker, left, told), name="zonevm-checker")
            for checker in self._checkers
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                try:
                    outcome = told.get(timeout=_TURN_SECONDS)
                except queue.Empty:
                    continue
                if outcome is None:
                    working -= 1
                elif isinstance(outcome, BaseException):
                    raise outcome
                else:
                    yield outcome
        finally:
            self._ended = True
            if working:
                for checker in self._checkers:
                    checker.abandon()
            for thread in threads:
                thread.join()

    def _work(
        self,
        checker: Checker,
        left: _Shared,
        told: queue.SimpleQueue[_Outcome | BaseException | None],
    ) -> None:
        try:
            with checker:
                for state in left:
                    if self._ended:
                        break
                    told.put(self._tried(checker, state))
        except BaseException as error:  # it is raised where the outcomes are asked for
            told.put(error)
        told.put(None)


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, states: Iterable[State]) -> None:
        self._states = iter(states)
        self._lock = threading.Lock()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> State:
        with self._lock:
            return next(self._states)
