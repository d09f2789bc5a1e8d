"""A request budget per connection: rate, concurrency and cool-down, shared by all its threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


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
        self._cool_until = 0.0
        self._next_write = float("-inf")

    def cool_down(self, seconds: float) -> None:
        """Let no request start for `seconds` from now; a longer cool-down in force stays."""
        with self._lock:
            self._cool_until = max(self._cool_until, self._clock() + seconds)

    @contextmanager
    def slot(self, *, wait: Callable[[float], None] | None = None, writes: bool = False) -> Iterator[None]:
        """Wait for the budget, then hold one of the concurrent slots; `wait` replaces the sleep of this call."""
        sleep = wait or self._wait
        with self._slots:
            while (delay := self._reserve(writes=writes)) > 0:
                sleep(delay)
            yield

    def _reserve(self, *, writes: bool) -> float:
        """Take a start now and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            delay = max(self._cool_until - now, self._next_write - now if writes else 0.0, self._over_rate(now))
            if delay > 0:
                return delay
            if self.limits.calls > 0:
                self._starts.append(now)
            if writes:
                self._next_write = now + self.limits.write_gap_seconds
            return 0.0

    def _over_rate(self, now: float) -> float:
        while self._starts and self._starts[0] <= now - self.limits.per_seconds:
            self._starts.popleft()
        if self.limits.calls <= 0 or len(self._starts) < self.limits.calls:
            return 0.0
        return max(self._starts[0] + self.limits.per_seconds - now, 0.001)
