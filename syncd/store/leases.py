"""Leases: the right to do something alone, for a while, whatever process asks."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.errors import BusyError
from syncd.store.session import Store
from syncd.store.tables import leases
from syncd.store.upsert import insert_new


def new_holder() -> str:
    """Return a name for a holder that tells people which process it is."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def take(store: Store, name: str, holder: str, *, at: datetime, term: timedelta) -> bool:
    """Take or prolong a lease; False while somebody else holds it and it has not run out."""
    with store.begin() as connection:
        result = connection.execute(
            sa.update(leases)
            .where(leases.c.name == name, (leases.c.holder == holder) | (leases.c.until <= at))
            .values(holder=holder, until=at + term)
        )
        if result.rowcount == 1:
            return True
        return insert_new(connection, leases, {"name": name, "holder": holder, "until": at + term})


def release(store: Store, name: str, holder: str) -> None:
    """Give a lease back."""
    with store.begin() as connection:
        connection.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def holder_of(store: Store, name: str, *, at: datetime) -> str | None:
    """Return who holds a lease now."""
    with store.read() as connection:
        row = connection.execute(sa.select(leases.c.holder).where(leases.c.name == name, leases.c.until > at)).first()
    return row[0] if row else None


@contextmanager
def held(
    store: Store,
    name: str,
    *,
    now: Callable[[], datetime],
    term: timedelta = timedelta(minutes=5),
    wait: Callable[[float], None] | None = None,
    wait_seconds: float = 0.0,
) -> Iterator[Callable[[], None]]:
    """Hold a lease for a block; yields a function that prolongs it. BusyError when somebody else has it.

    With `wait`, ask again every 0.2 s for up to `wait_seconds`. A prolongation that comes too late raises BusyError:
    the holder must stop, another one may have begun.
    """
    holder = new_holder()
    waited = 0.0
    while not take(store, name, holder, at=now(), term=term):
        if wait is None or waited >= wait_seconds:
            raise BusyError(f"{name}: held by {holder_of(store, name, at=now()) or 'another process'}; try again later")
        wait(0.2)
        waited += 0.2

    def prolong() -> None:
        if not take(store, name, holder, at=now(), term=term):
            raise BusyError(f"{name}: the lease was lost to another process; stopping")

    try:
        yield prolong
    finally:
        release(store, name, holder)
