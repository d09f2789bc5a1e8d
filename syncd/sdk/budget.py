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
    """At most `calls` requests in any `per_seconds`, at most `concurrency` of them at once; 0 calls = no rate limit."""

    calls: int = 0
    per_seconds: float = 60.0
    concurrency: int = 4


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

    def cool_down(self, seconds: float) -> None:
        """Let no request start for `seconds` from now; a longer cool-down in force stays."""
        with self._lock:
            self._cool_until = max(self._cool_until, self._clock() + seconds)

    @contextmanager
    def slot(self, *, wait: Callable[[float], None] | None = None) -> Iterator[None]:
        """Wait for the budget, then hold one of the concurrent slots; `wait` replaces the sleep of this call."""
        sleep = wait or self._wait
        with self._slots:
            while (delay := self._reserve()) > 0:
                sleep(delay)
            yield

    def _reserve(self) -> float:
        """Take a start now and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            now = self._clock()
            if self._cool_until > now:
                return self._cool_until - now
            if self.limits.calls <= 0:
                return 0.0
            while self._starts and self._starts[0] <= now - self.limits.per_seconds:
                self._starts.popleft()
            if len(self._starts) >= self.limits.calls:
                return max(self._starts[0] + self.limits.per_seconds - now, 0.001)
            self._starts.append(now)
            return 0.0
