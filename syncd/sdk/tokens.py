"""Where renewable credentials live between runs: compare-and-set, one renewal at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Token:
    """A grant: the access token, its end (aware UTC, None = unknown), and what renews it.

    `seed` is a fingerprint of the configured credential that the grant came from: a new one there voids the grant.
    `version` is the store's counter for compare-and-set; 0 for a grant that was never stored. `tenant` is whom the
    grant is for, where the vendor says so with the grant and wants it repeated with each call.
    """

    access: str
    expires_at: datetime | None = None
    refresh: str | None = None
    seed: str = ""
    version: int = 0
    tenant: str = ""


class TokenStore(Protocol):
    """Keeps the grant of one connection; never deletes one because a renewal failed."""

    def load(self) -> Token | None:
        """Return the stored grant."""
        ...

    def swap(self, expected_version: int, token: Token) -> bool:
        """Store `token` if the stored version still is `expected_version` (0 = none); say whether it was."""
        ...

    def lease(self) -> AbstractContextManager[None]:
        """Hold the right to renew; others wait, whatever process they are in."""
        ...


class MemoryTokens:
    """A token store for one process, for tests and for credentials that need no memory."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.RLock()

    def load(self) -> Token | None:
        """Return the stored grant."""
        return self._token

    def swap(self, expected_version: int, token: Token) -> bool:
        """Store `token` if the stored version still is `expected_version`."""
        with self._lock:
            if (self._token.version if self._token else 0) != expected_version:
                return False
            self._token = replace(token, version=expected_version + 1)
            return True

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the right to renew."""
        with self._lock:
            yield
