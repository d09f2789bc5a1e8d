"""Firings: a schedule's slot is one unique row, so it fires once however many processes run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.tables import firings
from syncd.store.upsert import insert_new, upsert


def claim(
    connection: Connection, schedule: str, due_at: datetime, *, at: datetime, config_version: str, holder: str
) -> bool:
    """Claim a slot; False when it has fired before."""
    row = {
        "schedule": schedule,
        "due_at": due_at,
        "fired_at": at,
        "config_version": config_version,
        "holder": holder,
        "state": "running",
    }
    return insert_new(connection, firings, row)


def register(connection: Connection, schedule: str, *, at: datetime, config_version: str, holder: str) -> None:
    """Note when a schedule was first seen: slots before that time were never missed."""
    if latest(connection, schedule) is None:
        claim(connection, schedule, at, at=at, config_version=config_version, holder=holder)
        end(connection, schedule, at, at=at)


def register_all(
    connection: Connection, schedules: Iterable[str], *, at: datetime, config_version: str, holder: str
) -> None:
    """Note many schedules as first seen now; the caller knows that none of them has fired before."""
    row = {"due_at": at, "fired_at": at, "config_version": config_version, "holder": holder}
    rows = [{"schedule": schedule, **row, "state": "seen", "ended_at": at, "error": None} for schedule in schedules]
    upsert(connection, firings, rows, keys=["schedule", "due_at"])


def end(connection: Connection, schedule: str, due_at: datetime, *, at: datetime, error: str | None = None) -> None:
    """Note how a firing ended."""
    connection.execute(
        sa.update(firings)
        .where(firings.c.schedule == schedule, firings.c.due_at == due_at)
        .values(state="failed" if error else "done", ended_at=at, error=error)
    )


def latest(connection: Connection, schedule: str) -> datetime | None:
    """Return the newest slot of a schedule that has fired."""
    found: datetime | None = connection.execute(
        sa.select(sa.func.max(firings.c.due_at)).where(firings.c.schedule == schedule)
    ).scalar()
    return found


def newest(connection: Connection, prefix: str, *, until: datetime | None = None) -> dict[str, datetime]:
    """Return the newest slot that has fired of each schedule whose name begins with `prefix`; none after `until`."""
    query = (
        sa.select(firings.c.schedule, sa.func.max(firings.c.due_at))
        .where(firings.c.schedule.startswith(prefix, autoescape=True))
        .group_by(firings.c.schedule)
    )
    if until is not None:
        query = query.where(firings.c.due_at <= until)
    return {row[0]: row[1] for row in connection.execute(query)}


def unended(connection: Connection, prefix: str) -> list[tuple[str, datetime]]:
    """Return the slots that were begun and not ended, whoever holds them, oldest first."""
    query = (
        sa.select(firings.c.schedule, firings.c.due_at)
        .where(firings.c.state == "running", firings.c.schedule.startswith(prefix, autoescape=True))
        .order_by(firings.c.due_at)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def state_counts(connection: Connection, prefix: str) -> dict[str, int]:
    """Return how many slots are in each state, of the schedules whose name begins with `prefix`."""
    query = (
        sa.select(firings.c.state, sa.func.count())
        .where(firings.c.schedule.startswith(prefix, autoescape=True))
        .group_by(firings.c.state)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def prune(connection: Connection, *, before: datetime, prefix: str = "") -> int:
    """Forget ended slots of long ago, but never a schedule's newest one."""
    other = firings.alias("other")
    last = sa.select(sa.func.max(other.c.due_at)).where(other.c.schedule == firings.c.schedule).scalar_subquery()
    statement = sa.delete(firings).where(
        firings.c.ended_at < before,
        firings.c.due_at < last,
        firings.c.schedule.startswith(prefix, autoescape=True),
    )
    return int(connection.execute(statement).rowcount)


def abandoned(connection: Connection, prefix: str, holder: str) -> list[tuple[str, datetime]]:
    """Return slots that another holder began and never ended: their process died."""
    rows = connection.execute(
        sa.select(firings.c.schedule, firings.c.due_at)
        .where(
            firings.c.state == "running",
            firings.c.schedule.startswith(prefix, autoescape=True),
            firings.c.holder != holder,
        )
        .order_by(firings.c.due_at)
    )
    return [(row[0], row[1]) for row in rows]


def state_of(connection: Connection, schedule: str, due_at: datetime) -> tuple[str, str] | None:
    """Return (state, holder) of a slot, None when nobody has claimed it."""
    row = connection.execute(
        sa.select(firings.c.state, firings.c.holder).where(firings.c.schedule == schedule, firings.c.due_at == due_at)
    ).first()
    return (row[0], row[1]) if row else None


def take_over(connection: Connection, schedule: str, due_at: datetime, *, holder: str, at: datetime) -> bool:
    """Go on with an abandoned slot; False when somebody else has taken it over."""
    result = connection.execute(
        sa.update(firings)
        .where(
            firings.c.schedule == schedule,
            firings.c.due_at == due_at,
            firings.c.state == "running",
            firings.c.holder != holder,
        )
        .values(holder=holder, fired_at=at)
    )
    return result.rowcount == 1


def try_again(
    connection: Connection, schedule: str, due_at: datetime, *, holder: str, at: datetime, failed_before: datetime
) -> bool:
    """Begin a slot anew that failed, when that was before `failed_before`; False when there is no such slot."""
    result = connection.execute(
        sa.update(firings)
        .where(
            firings.c.schedule == schedule,
            firings.c.due_at == due_at,
            firings.c.state == "failed",
            firings.c.ended_at <= failed_before,
        )
        .values(state="running", holder=holder, fired_at=at, ended_at=None, error=None)
    )
    return result.rowcount == 1


def count(connection: Connection, prefix: str = "") -> int:
    """Return how many slots have fired."""
    return int(
        connection.execute(
            sa.select(sa.func.count())
            .select_from(firings)
            .where(firings.c.schedule.startswith(prefix, autoescape=True))
        ).scalar_one()
    )
