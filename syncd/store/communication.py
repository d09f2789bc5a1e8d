"""Communication records: drafts, and what was really delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.model.communication import CommunicationRecord, RecordState
from syncd.store.tables import communication_records


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored record. `schedule` is the rhythm that it belongs to, `slot` what it was made for."""

    record: CommunicationRecord
    schedule: str
    slot: str
    facts_hash: str
    delivered_at: datetime | None


_table = communication_records


def save(connection: Connection, kept: Kept) -> None:
    """Append a record."""
    record = kept.record
    connection.execute(
        sa.insert(_table).values(
            id=record.id,
            account=record.account,
            project=record.project,
            number=record.number,
            schedule=kept.schedule,
            slot=kept.slot,
            state=record.state,
            period_start=record.period_start,
            period_end=record.period_end,
            content_hash=record.content_hash,
            facts_hash=kept.facts_hash,
            made_at=record.made_at,
            delivered_at=kept.delivered_at,
            body=record.model_dump_json(exclude_none=True),
        )
    )


def next_number(connection: Connection, account: str, project: str) -> int:
    """Return the number of the next record of a project, from 1; it is ours until the transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite's write transactions wait for each other anyway
        key = sa.func.hashtextextended(f"{account}\x1f{project}", 7263402)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    highest = connection.execute(
        sa.select(sa.func.max(_table.c.number)).where(_table.c.account == account, _table.c.project == project)
    ).scalar()
    return int(highest or 0) + 1


def number_at(connection: Connection, account: str, project: str, at: datetime) -> int:
    """Return the number that a record has, or would have had, whose period ends at `at`."""
    before = _table.c.period_end < at
    highest = connection.execute(
        sa.select(sa.func.max(_table.c.number)).where(_table.c.account == account, _table.c.project == project, before)
    ).scalar()
    return int(highest or 0) + 1


def latest(
    connection: Connection,
    account: str,
    project: str,
    schedule: str | None = None,
    *,
    delivered: bool = False,
    before: datetime | None = None,
    but: Sequence[str] = (),
) -> Kept | None:
    """Return the newest record of a project (and rhythm), of those delivered, of those whose period ended `before`.

    `but` passes over the records of these rhythms.
    """
    query = sa.select(_table).where(_table.c.account == account, _table.c.project == project)
    if schedule is not None:
        query = query.where(_table.c.schedule == schedule)
    if but:
        query = query.where(_table.c.schedule.not_in(list(but)))
    if delivered:
        query = query.where(_table.c.delivered_at.is_not(None))
    if before is not None:
        query = query.where(_table.c.period_end < before)
    row = connection.execute(query.order_by(_table.c.number.desc()).limit(1)).first()
    return _kept(row) if row else None


def has_slot(connection: Connection, account: str, project: str, schedule: str, slot: str) -> bool:
    """Say whether a rhythm's slot has its record already."""
    return (
        connection.execute(
            sa.select(_table.c.id).where(
                _table.c.account == account,
                _table.c.project == project,
                _table.c.schedule == schedule,
                _table.c.slot == slot,
            )
        ).first()
        is not None
    )


def load(connection: Connection, account: str, number: int, project: str | None = None) -> Kept | None:
    """Return a record by its number."""
    query = sa.select(_table).where(_table.c.account == account, _table.c.number == number)
    if project is not None:
        query = query.where(_table.c.project == project)
    row = connection.execute(query.limit(1)).first()
    return _kept(row) if row else None


def by_id(connection: Connection, record: str) -> Kept | None:
    """Return a record by its id."""
    row = connection.execute(sa.select(_table).where(_table.c.id == record)).first()
    return _kept(row) if row else None


def set_state(connection: Connection, record: str, state: RecordState) -> None:
    """Move a record to another state."""
    connection.execute(sa.update(_table).where(_table.c.id == record).values(state=state))


def mark_delivered(connection: Connection, record: str, *, at: datetime) -> None:
    """Note that at least one reader has received the record; the first time counts."""
    connection.execute(
        sa.update(_table)
        .where(_table.c.id == record, _table.c.delivered_at.is_(None))
        .values(delivered_at=at, state=RecordState.SENT)
    )


def undelivered(
    connection: Connection, account: str, project: str, schedule: str, *, or_not_in: Sequence[str] | None = None
) -> list[str]:
    """Return the ids of records of a rhythm that nobody has received; also of all rhythms that are not among these."""
    belongs = _table.c.schedule == schedule
    if or_not_in is not None:
        belongs |= _table.c.schedule.not_in(list(or_not_in))
    rows = connection.execute(
        sa.select(_table.c.id).where(
            _table.c.account == account,
            _table.c.project == project,
            belongs,
            _table.c.delivered_at.is_(None),
            _table.c.state != RecordState.SUPERSEDED,
        )
    )
    return [row[0] for row in rows]


def later_delivered(connection: Connection, kept: Kept, rhythms: Sequence[str]) -> int | None:
    """Return the highest number above a record's that readers of its rhythm have received, None when there is none.

    A record whose rhythm is not among `rhythms` any more is measured by those of all.
    """
    record = kept.record
    newest = latest(
        connection, record.account, record.project, kept.schedule if kept.schedule in rhythms else None, delivered=True
    )
    return newest.record.number if newest is not None and newest.record.number > record.number else None


def recent(connection: Connection, accounts: Sequence[str]) -> list[Kept]:
    """Return the newest record of every project of the accounts."""
    newest = (
        sa.select(sa.func.max(_table.c.number).label("number"), _table.c.account, _table.c.project)
        .where(_table.c.account.in_(list(accounts)))
        .group_by(_table.c.account, _table.c.project)
        .subquery()
    )
    rows = connection.execute(
        sa.select(_table).join(
            newest,
            (_table.c.account == newest.c.account)
            & (_table.c.project == newest.c.project)
            & (_table.c.number == newest.c.number),
        )
    )
    return [_kept(row) for row in rows]


def _kept(row: sa.Row[tuple[object, ...]]) -> Kept:
    fields = row._mapping
    record = CommunicationRecord.model_validate_json(fields["body"])
    record = record.model_copy(update={"state": RecordState(fields["state"])})
    return Kept(record, fields["schedule"], fields["slot"], fields["facts_hash"], fields["delivered_at"])
