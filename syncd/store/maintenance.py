"""Looking after the database: renaming a connection without losing its place."""

from __future__ import annotations

import sqlalchemy as sa

from syncd.errors import ConfigError
from syncd.store.session import Store
from syncd.store.tables import changes, connections, cursors, entities, links, outbox, parked, records, tokens

_NAMED = ((cursors, cursors.c.connection), (records, records.c.connection), (parked, parked.c.connection),
          (outbox, outbox.c.connection), (tokens, tokens.c.connection), (connections, connections.c.name))  # fmt: skip


def rename_connection(store: Store, old: str, new: str) -> int:
    """Give a connection's rows another name; return how many. ConfigError when the new name has rows already.

    Entity ids are made from the connection's name, so its entities, their history and links are made anew: the
    mapping is replayed over the stored records at the next run. Grants and cursors stay.
    """
    with store.begin(durable=True) as connection:
        taken = connection.execute(
            sa.select(sa.func.count()).select_from(records).where(records.c.connection == new)
        ).scalar_one()
        if taken:
            raise ConfigError(
                f"the database has {taken:,} records of a connection {new!r} already; choose another name"
            )
        ids = sa.select(entities.c.id).where(entities.c.connection == old)
        connection.execute(sa.delete(links).where(links.c.entity.in_(ids)))
        connection.execute(sa.delete(changes).where(changes.c.entity.in_(ids)))
        connection.execute(sa.delete(entities).where(entities.c.connection == old))
        count = 0
        for table, column in _NAMED:
            count += connection.execute(sa.update(table).where(column == old).values({column.name: new})).rowcount
        connection.execute(sa.update(cursors).where(cursors.c.connection == new).values(mapping="renamed"))
        return count
