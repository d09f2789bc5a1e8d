"""Where each stream's next read starts, and how current the last one was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.sdk.connector import Cursor
from syncd.store.records import Place
from syncd.store.tables import cursors
from syncd.store.upsert import upsert


@dataclass(frozen=True, slots=True)
class Position:
    """The state of one partition of a stream.

    `as_of` is the start of the last read that ran to its end, `full_at` of the last complete one from nothing;
    `failed_at` and `error` describe a later failure. `mapping` is the fingerprint of the mapping last used.
    """

    place: Place
    cursor: Cursor | None = None
    reading_full: bool = False
    as_of: datetime | None = None
    full_at: datetime | None = None
    mapping: str | None = None
    failed_at: datetime | None = None
    error: str | None = None


def load(connection: Connection, place: Place) -> Position:
    """Return the state of a partition; an empty one when it was never read."""
    row = connection.execute(
        sa.select(cursors).where(
            cursors.c.connection == place.connection,
            cursors.c.stream == place.stream,
            cursors.c.partition == place.partition,
        )
    ).first()
    return _position(row) if row else Position(place)


def all_of(connection: Connection, source: str | None = None) -> list[Position]:
    """Return all states, or those of one connection."""
    query = sa.select(cursors).order_by(cursors.c.connection, cursors.c.stream, cursors.c.partition)
    if source is not None:
        query = query.where(cursors.c.connection == source)
    return [_position(row) for row in connection.execute(query)]


def _position(row: sa.Row[tuple[object, ...]]) -> Position:
    fields = row._mapping
    cursor = fields["cursor"]
    return Position(
        Place(fields["connection"], fields["stream"], fields["partition"]),
        cursor=msgspec.json.decode(cursor) if cursor else None,
        reading_full=bool(fields["reading_full"]),
        as_of=fields["as_of"],
        full_at=fields["full_at"],
        mapping=fields["mapping"],
        failed_at=fields["failed_at"],
        error=fields["error"],
    )


def save(connection: Connection, position: Position) -> None:
    """Insert or replace the state of a partition."""
    row = {
        "connection": position.place.connection,
        "stream": position.place.stream,
        "partition": position.place.partition,
        "cursor": msgspec.json.encode(position.cursor).decode() if position.cursor is not None else None,
        "reading_full": int(position.reading_full),
        "as_of": position.as_of,
        "full_at": position.full_at,
        "mapping": position.mapping,
        "failed_at": position.failed_at,
        "error": position.error,
    }
    upsert(connection, cursors, [row], keys=["connection", "stream", "partition"])
