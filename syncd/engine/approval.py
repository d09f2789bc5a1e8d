"""Approval: a person lets the held commands of a record go, or says no to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from syncd.engine import addressing, compose
from syncd.engine.workspace import Workspace
from syncd.errors import ConfigError
from syncd.model.communication import RecordState
from syncd.settings import AccountSettings
from syncd.store import Connection, audit, communication, outbox
from syncd.store.communication import Kept
from syncd.store.outbox import Row, State

_HELD: Final = (State.HELD,)
_STILL_COUNTS: Final = (State.PENDING, State.CLAIMED, State.UNKNOWN, State.PARKED, State.SENT)


def approve(
    space: Workspace, account: AccountSettings, number: int, *, project: str | None = None, actor: str
) -> list[Row]:
    """Release the held commands of a record; return them.

    ConfigError when there is no such record, when the number stands for several that wait, or when one of the
    readers is no longer meant to get it.
    """
    at = space.now()
    with space.store.begin(durable=True) as connection:
        waiting = _waiting(connection, account, number, project)
        if waiting is None:
            return []
        made = waiting.record
        rows = outbox.rows(connection, record=made.id, states=_HELD)
        later = communication.later_delivered(connection, waiting, compose.rhythms(account))
        if later is not None:
            raise ConfigError(
                f"record {number} is outdated: number {later} was delivered since; nothing was released. "
                f'Cancel it: syncd approve {account.id} {number} --reject "outdated"'
            )
        for row in rows:
            if why := addressing.objection(space, row):
                raise ConfigError(f"record {number}: {why}; nothing was released. Make a new one: syncd run")
        outbox.release(connection, made.id)
        if made.state is RecordState.IN_REVIEW:
            communication.set_state(connection, made.id, RecordState.APPROVED)
        detail = {"commands": len(rows), "recipients": _names(rows)}
        audit.append(connection, "approve", f"{account.id} {number}", detail, actor=actor, at=at)
    return rows


def reject(
    space: Workspace, account: AccountSettings, number: int, *, why: str, project: str | None = None, actor: str
) -> list[Row]:
    """Cancel the held commands of a record for a reason; return them. The next run may make another record."""
    at = space.now()
    with space.store.begin(durable=True) as connection:
        waiting = _waiting(connection, account, number, project)
        if waiting is None:
            return []
        made = waiting.record
        rows = outbox.rows(connection, record=made.id, states=_HELD)
        outbox.cancel_held(connection, [made.id], why=f"rejected: {why}", at=at)
        if not outbox.rows(connection, record=made.id, states=_STILL_COUNTS, limit=1):
            communication.set_state(connection, made.id, RecordState.SUPERSEDED)
        detail = {"commands": len(rows), "recipients": _names(rows), "why": why}
        audit.append(connection, "reject", f"{account.id} {number}", detail, actor=actor, at=at)
    return rows


def _names(rows: Sequence[Row]) -> list[str]:
    return [row.recipient or row.connection for row in rows]


def _waiting(connection: Connection, account: AccountSettings, number: int, project: str | None) -> Kept | None:
    """Return the one record of that number that waits, None when none does."""
    names = [one.name for one in account.projects] if project is None else [project]
    found = [kept for name in names if (kept := communication.load(connection, account.id, number, name))]
    if not found:
        raise ConfigError(f"account {account.id!r} has no record {number}; see: syncd status")
    waiting = [kept for kept in found if outbox.rows(connection, record=kept.record.id, states=_HELD, limit=1)]
    if len(waiting) > 1:
        projects = ", ".join(repr(kept.record.project) for kept in waiting)
        raise ConfigError(f"record {number} waits in several projects ({projects}); name one with --project")
    return waiting[0] if waiting else None
