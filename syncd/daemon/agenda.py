"""What is due next: things by their time, so that a tick costs nothing while nothing is due."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)


class Agenda(Generic[Thing]):
    """Things, each with the time at which it is due. Thread-safe; a thing is in it at most once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[Thing, datetime] = {}
        self._heap: list[tuple[datetime, int, Thing]] = []
        self._numbers = itertools.count()

    def put(self, thing: Thing, at: datetime) -> None:
        """Enter a thing, or move it to another time."""
        with self._lock:
            self._put(thing, at)

    def hasten(self, thing: Thing, at: datetime) -> None:
        """Move a thing that is entered to an earlier time; what is not entered, or is due sooner, stays as it is."""
        with self._lock:
            if thing in self._times and self._times[thing] > at:
                self._put(thing, at)

    def clear(self) -> None:
        """Take everything out."""
        with self._lock:
            self._times.clear()
            self._heap.clear()

    def take(self, now: datetime) -> Thing | None:
        """Take out the thing that has been due longest; None when nothing is."""
        with self._lock:
            self._drop_moved()
            if not self._heap or self._heap[0][0] > now:
                return None
            thing = heapq.heappop(self._heap)[2]
            del self._times[thing]
            return thing

    def next_at(self) -> datetime | None:
        """Return when the next thing is due."""
        with self._lock:
            self._drop_moved()
            return self._heap[0][0] if self._heap else None

    def __contains__(self, thing: Thing) -> bool:
        with self._lock:
            return thing in self._times

    def __len__(self) -> int:
        with self._lock:
            return len(self._times)

    def _put(self, thing: Thing, at: datetime) -> None:
        self._times[thing] = at
        heapq.heappush(self._heap, (at, next(self._numbers), thing))

    def _drop_moved(self) -> None:
        """Drop entries from the top whose thing has been moved to another time or taken out since."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
