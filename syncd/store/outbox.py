"""The outbox: every intended write with its key, its delivery class and, in the end, its receipt.

pending → claimed → sent | parked | unknown. `held` waits for an approval, `cancelled` will never be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.errors import StoreError
from syncd.sdk.connector import Command, Delivery, Receipt
from syncd.store.tables import outbox
from syncd.store.upsert import insert_new


class State(StrEnum):
    """Where a command stands."""

    HELD = "held"
    PENDING = "pending"
    CLAIMED = "claimed"
    SENT = "sent"
    PARKED = "parked"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Intent:
    """A command as it is put into the outbox."""

    idempotency_key: str
    account: str
    project: str
    record: str
    audience: str
    recipient: str
    connection: str
    operation: str
    delivery: Delivery
    target_id: str | None
    payload: Mapping[str, Any]
    payload_hash: str
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A command as it stands in the outbox."""

    id: int
    idempotency_key: str
    account: str
    project: str
    record: str
    audience: str
    recipient: str
    connection: str
    operation: str
    delivery: Delivery
    target_id: str | None
    payload: Mapping[str, Any]
    payload_hash: str
    state: State
    attempts: int
    not_before: datetime | None
    remote_id: str | None
    outcome: str | None
    url: str | None
    detail: str | None
    made_at: datetime
    settled_at: datetime | None

    @property
    def command(self) -> Command:
        """What the connector is asked to do."""
        return Command(self.operation, self.idempotency_key, self.payload, self.target_id)


def put(connection: Connection, intent: Intent, *, held: bool, at: datetime) -> bool:
    """Put a command in unless its key is there; False when it is. StoreError for the same key with other content."""
    row = {
        "idempotency_key": intent.idempotency_key,
        "account": intent.account,
        "project": intent.project,
        "record": intent.record,
        "audience": intent.audience,
        "recipient": intent.recipient,
        "connection": intent.connection,
        "operation": intent.operation,
        "delivery": intent.delivery.value,
        "target_id": intent.target_id,
        "payload": msgspec.json.encode(intent.payload).decode(),
        "payload_hash": intent.payload_hash,
        "is_quiet": int(intent.is_quiet),
        "state": State.HELD if held else State.PENDING,
        "made_at": at,
        "attempts": 0,
    }
    if insert_new(connection, outbox, row):
        return True
    known = connection.execute(
        sa.select(outbox.c.connection, outbox.c.operation, outbox.c.target_id, outbox.c.payload_hash).where(
            outbox.c.idempotency_key == intent.idempotency_key
        )
    ).one()
    if tuple(known) != (intent.connection, intent.operation, intent.target_id, intent.payload_hash):
        raise StoreError(f"outbox: key {intent.idempotency_key} is in use for another command; nothing was queued")
    return False


def due(connection: Connection, *, at: datetime, source: str | None = None, account: str | None = None) -> list[int]:
    """Return the ids of commands that may be sent now, oldest first."""
    query = (
        sa.select(outbox.c.id)
        .where(outbox.c.state == State.PENDING, (outbox.c.not_before.is_(None)) | (outbox.c.not_before <= at))
        .order_by(outbox.c.id)
    )
    if source is not None:
        query = query.where(outbox.c.connection == source)
    if account is not None:
        query = query.where(outbox.c.account == account)
    return [row[0] for row in connection.execute(query)]


def due_connections(connection: Connection, *, at: datetime) -> list[str]:
    """Return the connections that have commands to be sent now, or claims of a process that died."""
    is_due = (outbox.c.state == State.PENDING) & ((outbox.c.not_before.is_(None)) | (outbox.c.not_before <= at))
    is_dead = (outbox.c.state == State.CLAIMED) & (outbox.c.claimed_until <= at)
    query = sa.select(outbox.c.connection.distinct()).where(is_due | is_dead)
    return sorted(row[0] for row in connection.execute(query))


def claim(connection: Connection, number: int, holder: str, *, at: datetime, term: timedelta) -> Row | None:
    """Claim one command that is due; None when somebody else was faster, even if it was put back for later since."""
    is_due = (outbox.c.not_before.is_(None)) | (outbox.c.not_before <= at)
    result = connection.execute(
        sa.update(outbox)
        .where(outbox.c.id == number, outbox.c.state == State.PENDING, is_due)
        .values(state=State.CLAIMED, claimed_by=holder, claimed_until=at + term, attempts=outbox.c.attempts + 1)
    )
    return load(connection, number) if result.rowcount == 1 else None


def recover(connection: Connection, *, at: datetime) -> int:
    """Deal with claims whose holder died: keyed and findable ones may be tried again, blind ones are unknown."""
    dead = (outbox.c.state == State.CLAIMED) & (outbox.c.claimed_until <= at)
    blind = outbox.c.delivery == Delivery.BLIND.value
    unknown = connection.execute(
        sa.update(outbox)
        .where(dead & blind)
        .values(
            state=State.UNKNOWN,
            claimed_by=None,
            claimed_until=None,
            settled_at=at,
            detail="the process that was sending it died; look whether it arrived",
        )
    )
    again = connection.execute(
        sa.update(outbox).where(dead & ~blind).values(state=State.PENDING, claimed_by=None, claimed_until=None)
    )
    return int(unknown.rowcount + again.rowcount)


def recover_lost(
    connection: Connection, *, at: datetime, is_dead: Callable[[str], bool], not_before: datetime
) -> list[Row]:
    """Deal with claims that have run out, and at once with those whose holder `is_dead`; return them as they stand now.

    A findable one of the dead is tried again from `not_before` on: what it may have written must be visible by then.
    """
    query = sa.select(outbox.c.id, outbox.c.claimed_by, outbox.c.claimed_until).where(outbox.c.state == State.CLAIMED)
    claimed = connection.execute(query).all()
    dead = [row.id for row in claimed if row.claimed_until > at and is_dead(row.claimed_by)]
    over = [row.id for row in claimed if row.claimed_until <= at]
    if dead:
        these = outbox.c.id.in_(dead)
        connection.execute(sa.update(outbox).where(these).values(claimed_until=at))
        is_findable = outbox.c.delivery == Delivery.FINDABLE.value
        connection.execute(sa.update(outbox).where(these, is_findable).values(not_before=not_before))
    if not dead and not over:
        return []
    recover(connection, at=at)
    found = connection.execute(sa.select(outbox).where(outbox.c.id.in_([*dead, *over])).order_by(outbox.c.id))
    return [_row(dict(row._mapping)) for row in found]


def settle(connection: Connection, number: int, holder: str, receipt: Receipt, *, at: datetime) -> None:
    """Record the receipt of a command that we have claimed; StoreError when the claim was lost meanwhile."""
    _end(
        connection,
        number,
        holder,
        state=State.SENT,
        remote_id=receipt.remote_id,
        outcome=receipt.outcome.value,
        url=receipt.url,
        detail=receipt.detail or None,
        settled_at=at,
    )


def fail(connection: Connection, number: int, holder: str, state: State, detail: str, *, at: datetime) -> None:
    """End a claimed command as parked or unknown, with the reason."""
    _end(connection, number, holder, state=state, detail=detail, settled_at=at)


def put_back(connection: Connection, number: int, holder: str, *, not_before: datetime, detail: str) -> None:
    """Give a claimed command back, to be tried again from `not_before` on."""
    _end(connection, number, holder, state=State.PENDING, not_before=not_before, detail=detail)


def _end(connection: Connection, number: int, holder: str, **values: Any) -> None:
    result = connection.execute(
        sa.update(outbox)
        .where(outbox.c.id == number, outbox.c.state == State.CLAIMED, outbox.c.claimed_by == holder)
        .values(**values, claimed_by=None, claimed_until=None)
    )
    if result.rowcount != 1:
        raise StoreError(f"outbox: command {number} is no longer claimed by {holder}")


def decide(connection: Connection, number: int, *, retry: bool, why: str, at: datetime) -> bool:
    """A person settles a parked or unknown command: try it again, or leave it with a reason. Say whether it applied."""
    state = State.PENDING if retry else State.CANCELLED
    values: dict[str, Any] = {"state": state, "detail": why, "not_before": None, "settled_at": None if retry else at}
    result = connection.execute(
        sa.update(outbox)
        .where(outbox.c.id == number, outbox.c.state.in_([State.PARKED, State.UNKNOWN]))
        .values(**values)
    )
    return result.rowcount == 1


def release(connection: Connection, record: str) -> int:
    """Let the held commands of an approved record go; return how many."""
    result = connection.execute(
        sa.update(outbox).where(outbox.c.record == record, outbox.c.state == State.HELD).values(state=State.PENDING)
    )
    return int(result.rowcount)


def cancel_superseded(connection: Connection, records: Sequence[str], *, at: datetime) -> int:
    """Cancel what waits for an approval of records that a newer one replaces."""
    return cancel_held(connection, records, why="a newer digest replaced it before it was approved", at=at)


def cancel_held(connection: Connection, records: Sequence[str], *, why: str, at: datetime) -> int:
    """Cancel what waits for an approval of these records; return how many commands."""
    return _cancel(connection, records, outbox.c.state == State.HELD, why, at)


def cancel_unsent(connection: Connection, records: Sequence[str], *, why: str, at: datetime) -> int:
    """Cancel what waits to be sent of these records and has not taken effect for certain; return how many commands.

    A blind command is put back only when it was not sent; of another one that was tried, it is not known.
    """
    never = (outbox.c.attempts == 0) | (outbox.c.delivery == Delivery.BLIND.value)
    return _cancel(connection, records, (outbox.c.state == State.PENDING) & never, why, at)


def _cancel(
    connection: Connection, records: Sequence[str], those: sa.ColumnElement[bool], why: str, at: datetime
) -> int:
    if not records:
        return 0
    result = connection.execute(
        sa.update(outbox)
        .where(outbox.c.record.in_(list(records)), those)
        .values(state=State.CANCELLED, settled_at=at, detail=why)
    )
    return int(result.rowcount)


def known_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Return those of `keys` that commands have."""
    found = connection.execute(sa.select(outbox.c.idempotency_key).where(outbox.c.idempotency_key.in_(list(keys))))
    return {row[0] for row in found}


def own(connection: Connection, source: str, remote_ids: Sequence[str]) -> set[str]:
    """Return those of `remote_ids` that we have made at a connection ourselves, by our receipts."""
    if not remote_ids:
        return set()
    query = sa.select(outbox.c.remote_id).where(
        outbox.c.connection == source, outbox.c.state == State.SENT, outbox.c.remote_id.in_(list(remote_ids))
    )
    return {row[0] for row in connection.execute(query)}


def last_sent(connection: Connection, account: str, project: str, recipient: str) -> str | None:
    """Return the remote id of the newest message that this reader has been sent about a project."""
    found: str | None = connection.execute(
        sa.select(outbox.c.remote_id)
        .where(
            outbox.c.account == account,
            outbox.c.project == project,
            outbox.c.recipient == recipient,
            outbox.c.state == State.SENT,
        )
        .order_by(outbox.c.id.desc())
        .limit(1)
    ).scalar()
    return found


def load(connection: Connection, number: int) -> Row | None:
    """Return one command."""
    row = connection.execute(sa.select(outbox).where(outbox.c.id == number)).first()
    return _row(dict(row._mapping)) if row else None


def rows(
    connection: Connection,
    *,
    states: Sequence[State] | None = None,
    record: str | None = None,
    account: str | None = None,
    since: int = 0,
    limit: int = 1000,
) -> list[Row]:
    """Return commands, oldest first."""
    query = sa.select(outbox).where(outbox.c.id > since).order_by(outbox.c.id).limit(limit)
    if states is not None:
        query = query.where(outbox.c.state.in_([state.value for state in states]))
    if record is not None:
        query = query.where(outbox.c.record == record)
    if account is not None:
        query = query.where(outbox.c.account == account)
    return [_row(dict(row._mapping)) for row in connection.execute(query)]


def state_counts(connection: Connection) -> dict[str, int]:
    """Return how many commands are in each state."""
    found = connection.execute(sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state))
    return {row[0]: row[1] for row in found}


def _row(fields: dict[str, Any]) -> Row:
    fields = {name: fields[name] for name in Row.__slots__}
    fields["payload"] = msgspec.json.decode(fields["payload"])
    fields["delivery"] = Delivery(fields["delivery"])
    fields["state"] = State(fields["state"])
    return Row(**fields)
