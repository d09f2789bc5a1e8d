"""Which configuration jobs work with: each keeps the one it began with, and the last one to leave closes it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.engine.workspace import Workspace


class Spaces:
    """The workspace in force, and those before it that jobs are still at work with. Thread-safe."""

    def __init__(self, space: Workspace) -> None:
        self._lock = threading.Lock()
        self._current: Workspace | None = space
        self._users: Counter[Workspace] = Counter()

    @property
    def current(self) -> Workspace:
        """The workspace in force."""
        if self._current is None:
            raise RuntimeError("the workspaces are closed")
        return self._current

    @contextmanager
    def using(self) -> Iterator[Workspace]:
        """Lend the workspace in force; it stays open until it is given back."""
        with self._lock:
            space = self.current
            self._users[space] += 1
        try:
            yield space
        finally:
            with self._lock:
                self._users[space] -= 1
                is_last = self._users[space] == 0
                if is_last:
                    del self._users[space]
                is_left = is_last and space is not self._current
            if is_left:
                space.close()

    def replace(self, space: Workspace | None) -> None:
        """Put another workspace in force; the old one closes when nobody works with it. None: for good."""
        with self._lock:
            old, self._current = self._current, space
            is_idle = old is not None and old is not space and not self._users[old]
        if old is not None and is_idle:
            old.close()
