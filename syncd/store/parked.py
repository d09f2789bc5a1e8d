"""Records that could not be mapped, and deletions that wait for a person: kept, counted, never lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.records import Landed, Place
from syncd.store.tables import parked, records
from syncd.store.upsert import chunks, insert_new

CENSUS: Final = "(census)"  # remote id of the row that holds a stream's quarantined deletions

# Said for every page: built here, it costs a third of what building it each time does.
_SETTLE: Final = (
    sa.update(parked)
    .where(
        parked.c.connection == sa.bindparam("source"),
        parked.c.stream == sa.bindparam("from_stream"),
        parked.c.remote_id.in_(sa.bindparam("remote_ids", expanding=True)),
        parked.c.state != "settled",
    )
    .values(state="settled", last_at=sa.bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked thing with the reason and, for a record, the raw data to try again with."""

    id: int
    place: Place
    remote_id: str
    reason: str
    field: str
    value: str
    content_hash: bytes | None
    data: str | None
    updated_at: datetime | None
    times: int
    first_at: datetime
    last_at: datetime
    state: str
    why: str | None

    @property
    def landed(self) -> Landed:
        """The raw record, to try again."""
        return Landed(self.remote_id, self.content_hash or b"", self.data or "{}", self.updated_at)


def park(
    connection: Connection,
    place: Place,
    landed: Landed,
    reason: str,
    *,
    at: datetime,
    field: str = "",
    value: str = "",
) -> bool:
    """Park a record, or note that it still does not fit; False when a person has said no to exactly this content."""
    key = (parked.c.connection == place.connection) & (parked.c.stream == place.stream)
    key &= parked.c.remote_id == landed.remote_id
    fresh: dict[str, Any] = {
        "partition": place.partition,
        "reason": reason,
        "field": field[:64],
        "value": value[:200],
        "content_hash": landed.content_hash,
        "data": landed.data,
        "updated_at": landed.updated_at,
        "last_at": at,
        "state": "open",
        "why": None,
    }
    row = {"connection": place.connection, "stream": place.stream, "remote_id": landed.remote_id}
    if insert_new(connection, parked, {**row, **fresh, "times": 1, "first_at": at}):
        return True
    known = connection.execute(sa.select(parked.c.state, parked.c.content_hash).where(key)).one()
    if known[0] == "skipped" and known[1] is not None and bytes(known[1]) == landed.content_hash:
        return False
    connection.execute(sa.update(parked).where(key).values(**fresh, times=parked.c.times + 1))
    return True


def settle(connection: Connection, place: Place, remote_ids: Sequence[str], *, at: datetime) -> None:
    """Close the parked rows of records that have been stored now."""
    for chunk in chunks(remote_ids):
        values = {"source": place.connection, "from_stream": place.stream, "remote_ids": chunk, "at": at}
        connection.execute(_SETTLE, values)


def skip(connection: Connection, number: int, why: str, *, at: datetime) -> bool:
    """Close a parked row with a person's reason; say whether there was an open one."""
    result = connection.execute(
        sa.update(parked)
        .where(parked.c.id == number, parked.c.state == "open")
        .values(state="skipped", why=why, last_at=at)
    )
    return result.rowcount == 1


def load(connection: Connection, number: int) -> Parked | None:
    """Return one parked row."""
    row = connection.execute(sa.select(parked).where(parked.c.id == number)).first()
    return _parked(dict(row._mapping)) if row else None


def open_rows(connection: Connection, *, source: str | None = None, after: int = 0, limit: int = 1000) -> list[Parked]:
    """Return the open rows behind row `after`, oldest first."""
    query = sa.select(parked).where(parked.c.state == "open", parked.c.id > after).order_by(parked.c.id).limit(limit)
    if source is not None:
        query = query.where(parked.c.connection == source)
    return [_parked(dict(row._mapping)) for row in connection.execute(query)]


def open_ids(connection: Connection, place: Place) -> set[str]:
    """Return the remote ids of a partition's records that are parked; its quarantined deletions are no record."""
    rows = connection.execute(
        sa.select(parked.c.remote_id).where(
            parked.c.connection == place.connection,
            parked.c.stream == place.stream,
            parked.c.partition == place.partition,
            parked.c.state == "open",
            ~parked.c.remote_id.startswith(CENSUS, autoescape=True),
        )
    )
    return {row[0] for row in rows}


def open_counts(connection: Connection) -> dict[str, int]:
    """Return how many rows are open per connection."""
    rows = connection.execute(
        sa.select(parked.c.connection, sa.func.count()).where(parked.c.state == "open").group_by(parked.c.connection)
    )
    return {row[0]: row[1] for row in rows}


def share_of(
    connection: Connection, source: str, streams: Collection[str], partitions: Collection[str]
) -> tuple[int, int]:
    """Return how many records of these streams and partitions are parked, and how many there are with the live ones."""
    query = sa.select(sa.func.count()).where(
        parked.c.connection == source,
        parked.c.stream.in_(list(streams)),
        parked.c.partition.in_(list(partitions)),
        parked.c.state == "open",
        ~parked.c.remote_id.startswith(CENSUS, autoescape=True),
    )
    waiting = int(connection.execute(query).scalar_one())
    if not waiting:  # the usual case, for which the many are not counted
        return 0, 0
    is_parked = sa.exists().where(
        parked.c.connection == records.c.connection,
        parked.c.stream == records.c.stream,
        parked.c.remote_id == records.c.remote_id,
        parked.c.state == "open",
    )
    query = sa.select(sa.func.count()).where(
        records.c.connection == source,
        records.c.stream.in_(list(streams)),
        records.c.partition.in_(list(partitions)),
        records.c.deleted_at.is_(None),
        ~is_parked,
    )
    return waiting, waiting + int(connection.execute(query).scalar_one())


def _parked(row: Mapping[str, Any]) -> Parked:
    fields = dict(row)
    place = Place(fields.pop("connection"), fields.pop("stream"), fields.pop("partition"))
    if fields["content_hash"] is not None:
        fields["content_hash"] = bytes(fields["content_hash"])
    return Parked(place=place, **fields)
