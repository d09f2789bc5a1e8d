"""Which entities of different systems are the same thing, and where their values disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.tables import conflicts, links
from syncd.store.upsert import chunks, insert_new


@dataclass(frozen=True, slots=True)
class Link:
    """`entity` is one of what `canonical` names ("project:Portal", "person:li@acme.example"), and how we know."""

    canonical: str
    kind: str
    entity: str
    how: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two connections give different values for one field; the rule chose one, both are kept (as JSON text)."""

    canonical: str
    field: str
    chosen: str | None
    other: str | None
    chosen_from: str
    other_from: str
    rule: str


def save_links(connection: Connection, account: str, found: Sequence[Link], *, at: datetime) -> int:
    """Make the automatic links of an account exactly `found`; a person's links stay. Return how many changed."""
    rows = connection.execute(
        sa.select(links.c.id, links.c.canonical, links.c.kind, links.c.entity, links.c.how).where(
            links.c.account == account, links.c.how != "person"
        )
    ).all()
    wanted = dict.fromkeys(found)
    known = {Link(*row[1:]): row[0] for row in rows}
    gone = [number for link, number in known.items() if link not in wanted]
    for chunk in chunks(gone):
        connection.execute(sa.delete(links).where(links.c.id.in_(chunk)))
    fresh = 0
    for link in wanted:
        if link not in known:
            fresh += insert_new(connection, links, {**_row(link), "account": account, "made_at": at})
    return len(gone) + fresh


def _row(link: Link) -> dict[str, Any]:
    return {name: getattr(link, name) for name in Link.__slots__}


def links_of(connection: Connection, account: str) -> list[Link]:
    """Return an account's links."""
    rows = connection.execute(
        sa.select(links.c.canonical, links.c.kind, links.c.entity, links.c.how)
        .where(links.c.account == account)
        .order_by(links.c.canonical, links.c.entity)
    )
    return [Link(*row) for row in rows]


def save_conflicts(connection: Connection, account: str, found: Sequence[Conflict], *, at: datetime) -> int:
    """Record the conflicts of an account as they are now; return how many are new or have new values."""
    rows = connection.execute(sa.select(conflicts).where(conflicts.c.account == account)).all()
    known = {(row.canonical, row.field, row.other_from): row for row in rows}
    changed = 0
    for conflict in found:
        row = known.pop((conflict.canonical, conflict.field, conflict.other_from), None)
        if row is None:
            values = {"account": account, **_values(conflict), "first_seen_at": at, "last_seen_at": at}
            connection.execute(sa.insert(conflicts).values(**values))
            changed += 1
        elif row.gone_at is not None or any(getattr(row, name) != value for name, value in _values(conflict).items()):
            values = {**_values(conflict), "last_seen_at": at, "gone_at": None}
            connection.execute(sa.update(conflicts).where(conflicts.c.id == row.id).values(**values))
            changed += 1
    for row in known.values():
        if row.gone_at is None:
            connection.execute(sa.update(conflicts).where(conflicts.c.id == row.id).values(gone_at=at))
            changed += 1
    return changed


def _values(conflict: Conflict) -> dict[str, Any]:
    return {name: getattr(conflict, name) for name in Conflict.__slots__}


def open_conflicts(connection: Connection, account: str | None = None) -> list[Mapping[str, Any]]:
    """Return the conflicts that stand, as rows."""
    query = sa.select(conflicts).where(conflicts.c.gone_at.is_(None)).order_by(conflicts.c.id)
    if account is not None:
        query = query.where(conflicts.c.account == account)
    return [dict(row._mapping) for row in connection.execute(query)]
