"""Insert-or-replace, spoken in the dialect at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

_CHUNK: Final = 500  # SQLite takes 32,766 variables a statement, PostgreSQL 65,535; a short one is planned faster
Value = TypeVar("Value")
Bind = Callable[[Any], Any]


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, keys: Sequence[str]) -> None:
    """Insert `rows` (all with the same columns); a row whose `keys` exist replaces the other columns."""
    if rows:
        plan = _plan(table, tuple(rows[0]), tuple(keys), connection.dialect)
        connection.exec_driver_sql(plan.sql, plan.parameters(rows))


class _Plan(NamedTuple):
    """A statement as the driver takes it: `binds` convert the columns of its parameters, None where they fit.

    SQLAlchemy would process every value of every row anew; that costs more than SQLite needs to store them.
    """

    sql: str
    names: tuple[str, ...]
    binds: tuple[Bind | None, ...]
    is_positional: bool

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the rows as tuples, or as dicts where the driver wants names."""
        columns = zip(*map(itemgetter(*self.names), rows), strict=True)
        values = zip(*(_bound(column, bind) for column, bind in zip(columns, self.binds, strict=True)), strict=True)
        return list(values) if self.is_positional else [dict(zip(self.names, row, strict=True)) for row in values]


def _bound(column: Sequence[Any], bind: Bind | None) -> Sequence[Any]:
    if bind is None:
        return column
    converted = {value: bind(value) for value in set(column)}  # most are the same time, or none, in every row
    return [converted[value] for value in column]


@lru_cache(maxsize=128)
def _plan(table: sa.Table, names: tuple[str, ...], keys: tuple[str, ...], dialect: sa.Dialect) -> _Plan:
    statement = _insert(dialect, table)
    update = {name: statement.excluded[name] for name in names if name not in keys}
    upserting = statement.on_conflict_do_update(index_elements=list(keys), set_=update)
    compiled = upserting.compile(dialect=dialect, column_keys=list(names))
    ordered = tuple(compiled.positiontup or names)
    binds = tuple(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in ordered)
    return _Plan(str(compiled), ordered, binds, is_positional=bool(compiled.positional))


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique key stands in the way; say whether it was inserted."""
    # Of an insert SQLAlchemy keeps the row count only if told so; inline: the new id is not asked for.
    statement = _insert(connection.dialect, table).on_conflict_do_nothing().inline()
    result = connection.execute(statement, dict(row), execution_options={"preserve_rowcount": True})
    return result.rowcount == 1


def chunks(values: Sequence[Value]) -> Iterator[list[Value]]:
    """Yield `values` in lists that are short enough for one `IN (…)`."""
    for start in range(0, len(values), _CHUNK):
        yield list(values[start : start + _CHUNK])


def _insert(dialect: sa.Dialect, table: sa.Table) -> Any:
    return postgresql_insert(table) if dialect.name == "postgresql" else sqlite_insert(table)
