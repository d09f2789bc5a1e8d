"""Runs, and the balance that each of them must show."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.store.tables import runs


@dataclass(slots=True)
class Balance:
    """What became of the records that were read: read = written + unchanged + skipped + parked."""

    read: int = 0
    written: int = 0
    unchanged: int = 0
    skipped: int = 0
    parked: int = 0

    @property
    def is_even(self) -> bool:
        """Whether every record that was read is accounted for."""
        return self.read == self.written + self.unchanged + self.skipped + self.parked

    def add(self, other: Balance) -> None:
        """Add another balance to this one."""
        self.read += other.read
        self.written += other.written
        self.unchanged += other.unchanged
        self.skipped += other.skipped
        self.parked += other.parked

    def __str__(self) -> str:
        return (
            f"read {self.read:,} = written {self.written:,} + unchanged {self.unchanged:,} "
            f"+ skipped {self.skipped:,} + parked {self.parked:,}"
        )


_COUNTS: Final = ("read", "written", "unchanged", "skipped", "parked")
# Said for every page: built here, it costs a third of what building it each time does.
_ADD: Final = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("run"))
    .values({name: runs.c[name] + sa.bindparam(f"more_{name}") for name in _COUNTS})
)


def start(connection: Connection, command: str, scope: Mapping[str, Any], *, at: datetime) -> str:
    """Open a run and return its id; `scope` is what it was asked to do."""
    run = str(uuid.uuid4())
    connection.execute(
        sa.insert(runs).values(
            id=run, command=command, scope=msgspec.json.encode(scope).decode(), state="running", started_at=at
        )
    )
    return run


def add(connection: Connection, run: str, part: Balance) -> None:
    """Add a page's balance to the run, in the page's own transaction."""
    connection.execute(_ADD, {"run": run, **{f"more_{name}": getattr(part, name) for name in _COUNTS}})


def end(connection: Connection, run: str, state: str, *, at: datetime, error: str | None = None) -> None:
    """Close a run as ok, attention, failed or interrupted."""
    connection.execute(sa.update(runs).where(runs.c.id == run).values(state=state, ended_at=at, error=error))


def close_abandoned(connection: Connection, *, before: datetime, at: datetime) -> int:
    """Mark runs that are still "running" since before `before` as interrupted (their process died)."""
    result = connection.execute(
        sa.update(runs)
        .where(runs.c.state == "running", runs.c.started_at < before)
        .values(state="interrupted", ended_at=at)
    )
    return int(result.rowcount)


def prune(connection: Connection, *, command: str, before: datetime) -> int:
    """Forget ended runs of a command of long ago."""
    statement = sa.delete(runs).where(runs.c.command == command, runs.c.ended_at < before)
    return int(connection.execute(statement).rowcount)


def latest(connection: Connection, *, limit: int = 1, command: str | None = None) -> list[Mapping[str, Any]]:
    """Return the newest runs as rows."""
    query = sa.select(runs).order_by(runs.c.started_at.desc()).limit(limit)
    if command is not None:
        query = query.where(runs.c.command == command)
    return [dict(row._mapping) for row in connection.execute(query)]


def balance_of(row: Mapping[str, Any]) -> Balance:
    """Return the balance of a run's row."""
    return Balance(row["read"], row["written"], row["unchanged"], row["skipped"], row["parked"])
