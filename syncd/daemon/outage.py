"""An outage of the database: told once when it begins and once when it is over, however many jobs meet it."""

from __future__ import annotations

import threading

from syncd import log
from syncd.errors import StoreError


class Outage:
    """Remembers whether the database is out. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_out = False

    def began(self, error: StoreError) -> None:
        """Note that the database refused."""
        with self._lock:
            is_news, self._is_out = not self._is_out, True
        if is_news:
            log.get().error("database down", error=str(error), next="tried again until it answers; nothing is lost")

    def ended(self) -> None:
        """Note that the database took a write."""
        with self._lock:
            is_news, self._is_out = self._is_out, False
        if is_news:
            log.get().info("database back")
