"""Grants at rest: encrypted, replaced by compare-and-set, renewed under a lease."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from syncd.errors import ConfigError
from syncd.sdk.tokens import Token
from syncd.store import leases
from syncd.store.session import Store
from syncd.store.tables import tokens
from syncd.store.upsert import insert_new

_SHORTEST_KEY = 32


def cipher(key: str) -> Fernet:
    """Return the cipher for the configured key; ConfigError when it is too short."""
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(
            f"secrets.key: needs {_SHORTEST_KEY} characters or more; make one with: openssl rand -base64 48"
        )
    derived = HKDF(algorithm=SHA256(), length=32, salt=b"syncd", info=b"tokens").derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


class StoredTokens:
    """The token store of one connection in the database."""

    def __init__(
        self,
        store: Store,
        connection: str,
        cipher: Fernet,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._connection = connection
        self._cipher = cipher
        self._now = now
        self._wait = wait

    def load(self) -> Token | None:
        """Return the stored grant; ConfigError when it was encrypted with another key."""
        with self._store.read() as connection:
            row = connection.execute(
                sa.select(tokens.c.body, tokens.c.version).where(tokens.c.connection == self._connection)
            ).first()
        if row is None:
            return None
        try:
            body = self._cipher.decrypt(bytes(row[0]))
        except InvalidToken as err:
            raise ConfigError(
                f"secrets.key: cannot decrypt the stored grant of {self._connection!r}: it was stored with another. "
                "Give back the old key, or forget the grant with: syncd db forget-grant " + self._connection
            ) from err
        return replace(msgspec.json.decode(body, type=Token), version=row[1])

    def swap(self, expected_version: int, token: Token) -> bool:
        """Store `token` if the stored version still is `expected_version`."""
        body = self._cipher.encrypt(msgspec.json.encode(token))
        values = {"body": body, "version": expected_version + 1, "changed_at": self._now()}
        with self._store.begin(durable=True) as connection:
            if expected_version == 0:
                return insert_new(connection, tokens, {"connection": self._connection, **values})
            result = connection.execute(
                sa.update(tokens)
                .where(tokens.c.connection == self._connection, tokens.c.version == expected_version)
                .values(**values)
            )
            return result.rowcount == 1

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the right to renew, in whatever process."""
        with leases.held(
            self._store,
            f"token:{self._connection}",
            now=self._now,
            term=timedelta(seconds=90),
            wait=self._wait,
            wait_seconds=120.0,
        ):
            yield


def forget(store: Store, connection_name: str) -> bool:
    """Delete a stored grant, when a person asks for it; say whether there was one."""
    with store.begin() as connection:
        return connection.execute(sa.delete(tokens).where(tokens.c.connection == connection_name)).rowcount == 1
