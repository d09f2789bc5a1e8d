"""The audit trail: append-only, each entry carrying the hash of the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.tables import audit

_FIRST: Final = "0" * 64


def append(
    connection: Connection, action: str, subject: str, detail: Mapping[str, Any], *, actor: str, at: datetime
) -> None:
    """Add an entry; part of the transaction of the thing that it tells."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(7263401)"
        )  # one appender at a time, as SQLite has anyway
    previous = connection.execute(sa.select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar() or _FIRST
    text = msgspec.json.encode(detail, order="sorted").decode()
    digest = _hash(previous, at, actor, action, subject, text)
    connection.execute(
        sa.insert(audit).values(
            at=at, actor=actor, action=action, subject=subject[:255], detail=text, previous_hash=previous, hash=digest
        )
    )


def first_broken(connection: Connection) -> int | None:
    """Return the id of the first entry that does not fit the chain; None when the trail is whole."""
    previous = _FIRST
    query = sa.select(audit).order_by(audit.c.id).execution_options(yield_per=1000)
    with connection.execute(query) as entries:
        for row in entries:
            expected = _hash(previous, row.at, row.actor, row.action, row.subject, row.detail)
            if row.previous_hash != previous or row.hash != expected:
                return int(row.id)
            previous = row.hash
    return None


def _hash(previous: str, at: datetime, actor: str, action: str, subject: str, detail: str) -> str:
    stamp = at.astimezone(UTC).isoformat(timespec="microseconds")
    # As JSON, so that no text can pass for the end of one part and the beginning of the next.
    return hashlib.sha256(msgspec.json.encode((previous, stamp, actor, action, subject[:255], detail))).hexdigest()
