"""A request budget per connection: rate, concurrency and cool-down, shared by all its threads."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_FIRST_BACK_OFF: Final = 5.0
_LONGEST_BACK_OFF: Final = 120.0
_SLOW_START: Final = 1.0  # between the first two requests after a cool-down; halved with each one more
_SHORTEST_DELAY: Final = 0.001  # a shorter one may be lost in rounding, and the waiting would not end


@dataclass(frozen=True, slots=True)
class Limits:
    """At most `calls` requests in any `per_seconds`, at most `concurrency` of them at once; 0 calls = no rate limit.

    `write_gap_seconds` lie at least between the starts of two writes.
    """

    calls: int = 0
    per_seconds: float = 60.0
    concurrency: int = 4
    write_gap_seconds: float = 0.0


class Budget:
    """Hands out request slots under `Limits`; after a 429 everyone waits for the same cool-down.

    `clock` is monotonic seconds, `wait` sleeps for seconds; both are arguments for tests.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(max(1, self.limits.concurrency))
        self._starts: deque[float] = deque()
        self._cool_until = float("-inf")
        self._next_write = float("-inf")
        self._next_start = float("-inf")
        self._gap = 0.0
        self._silent_refusals = 0

    def cool_down(self, seconds: float) -> None:
        """Let no request start for `seconds` from now; a longer cool-down in force stays. Then start slowly."""
        with self._lock:
            self._silent_refusals = 0
            self._cool(seconds)

    def back_off(self) -> float:
        """Cool down after a refusal that names no time: five seconds, doubled each time in a row; return the seconds.

        A refusal that another thread brings back during the cool-down is the same one and doubles nothing.
        """
        with self._lock:
            left = self._cool_until - self._clock()
            if left > _SHORTEST_DELAY:
                return left
            seconds = min(_FIRST_BACK_OFF * 2.0**self._silent_refusals, _LONGEST_BACK_OFF)
            self._silent_refusals = min(self._silent_refusals + 1, 10)
            self._cool(seconds * random.uniform(1.0, 1.2))
            return seconds

    def recovered(self) -> None:
        """Note a success: the next silent refusal starts from five seconds again."""
        self._silent_refusals = 0

    def cooling_seconds(self) -> float:
        """Return how long the cool-down in force still lasts, 0 when there is none."""
        with self._lock:
            return max(0.0, self._cool_until - self._clock())

    @contextmanager
    def slot(self, *, wait: Callable[[float], None] | None = None, writes: bool = False) -> Iterator[None]:
        """Wait for the budget, then hold one of the concurrent slots; `wait` replaces the sleep of this call."""
        sleep = wait or self._wait
        with self._slots:
            while (delay := self._reserve(writes=writes)) > 0:
                sleep(max(delay, _SHORTEST_DELAY))
            yield

    def _cool(self, seconds: float) -> None:
        self._cool_until = max(self._cool_until, self._clock() + seconds)
        self._gap = _SLOW_START

    def _reserve(self, *, writes: bool) -> float:
        """Take a start now and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            ready_at = max(self._cool_until, self._next_start, self._next_write if writes else now)
            delay = max(ready_at - now, self._over_rate(now))
            if delay > 0:
                return delay
            if self.limits.calls > 0:
                self._starts.append(now)
            if writes:
                self._next_write = now + self.limits.write_gap_seconds
            if self._gap:
                self._next_start = now + self._gap
                self._gap = self._gap / 2 if self._gap > 0.1 else 0.0
            return 0.0

    def _over_rate(self, now: float) -> float:
        while self._starts and self._starts[0] <= now - self.limits.per_seconds:
            self._starts.popleft()
        if self.limits.calls <= 0 or len(self._starts) < self.limits.calls:
            return 0.0
        return self._starts[0] + self.limits.per_seconds - now or _SHORTEST_DELAY
