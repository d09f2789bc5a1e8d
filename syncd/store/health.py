"""Whether each connection is up, so that a failure and its end are told once each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.tables import connections
from syncd.store.upsert import insert_new

UP, DOWN, PAUSED = "up", "down", "paused"


def note(connection: Connection, name: str, state: str, *, at: datetime, error: str | None = None) -> bool:
    """Note the state of a connection; say whether it is another one than before (a new connection is up)."""
    if insert_new(connection, connections, {"name": name, "state": state, "since": at, "error": error}):
        return state != UP
    this = connections.c.name == name
    moved = connection.execute(
        sa.update(connections).where(this, connections.c.state != state).values(state=state, since=at, error=error)
    )
    if moved.rowcount == 0 and state != UP:
        connection.execute(sa.update(connections).where(this).values(error=error))
    return moved.rowcount == 1


def all_of(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Return the known states by connection."""
    return {row.name: dict(row._mapping) for row in connection.execute(sa.select(connections))}


def is_paused(connection: Connection, name: str) -> bool:
    """Say whether a connection waits for a person."""
    row = connection.execute(sa.select(connections.c.state).where(connections.c.name == name)).first()
    return bool(row and row[0] == PAUSED)
