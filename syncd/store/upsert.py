"""Insert-or-replace, spoken in the dialect at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

_CHUNK: Final = 500  # SQLite takes 32,766 variables a statement, PostgreSQL 65,535; a short one is planned faster
Value = TypeVar("Value")


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, keys: Sequence[str]) -> None:
    """Insert `rows` (all with the same columns); a row whose `keys` exist replaces the other columns."""
    if not rows:
        return
    statement = _insert(connection, table)
    update = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=update), list(rows))


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique key stands in the way; say whether it was inserted."""
    # Of an insert SQLAlchemy keeps the row count only if told so; inline: the new id is not asked for.
    statement = _insert(connection, table).on_conflict_do_nothing().inline()
    result = connection.execute(statement, dict(row), execution_options={"preserve_rowcount": True})
    return result.rowcount == 1


def chunks(values: Sequence[Value]) -> Iterator[list[Value]]:
    """Yield `values` in lists that are short enough for one `IN (…)`."""
    for start in range(0, len(values), _CHUNK):
        yield list(values[start : start + _CHUNK])


def _insert(connection: Connection, table: sa.Table) -> Any:
    return postgresql_insert(table) if connection.dialect.name == "postgresql" else sqlite_insert(table)
