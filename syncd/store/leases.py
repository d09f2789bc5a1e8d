"""Leases: the right to do something alone, for a while, whatever process asks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from syncd.errors import BusyError, StoreError
from syncd.store.session import Store
from syncd.store.tables import leases
from syncd.store.upsert import insert_new


def new_holder() -> str:
    """Return a name for a holder that tells people which process it is: host, process id, and a mark of its own."""
    return f"{_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@cache
def _machine() -> str:
    """Return a name for where process ids mean what ours do: two containers may share a host name, but not this."""
    spaces = [_text_of(Path("/proc/sys/kernel/random/boot_id"))]
    with contextlib.suppress(OSError):
        spaces.append(str(Path("/proc/self/ns/pid").readlink()))
    mark = hashlib.blake2b("".join(spaces).encode(), digest_size=3).hexdigest()
    return f"{socket.gethostname()[:32]}~{mark}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""


def take(store: Store, name: str, holder: str, *, at: datetime, term: timedelta) -> bool:
    """Take or prolong a lease; False while somebody else holds it, has not died, and it has not run out."""
    with store.begin() as connection:
        found = connection.execute(sa.select(leases.c.holder).where(leases.c.name == name)).scalar()
        may_replace = (leases.c.holder == holder) | (leases.c.until <= at)
        if found is not None and has_died(found):
            may_replace |= leases.c.holder == found
        result = connection.execute(
            sa.update(leases).where(leases.c.name == name, may_replace).values(holder=holder, until=at + term)
        )
        if result.rowcount == 1:
            return True
        return insert_new(connection, leases, {"name": name, "holder": holder, "until": at + term})


def _prolonged(store: Store, name: str, holder: str, *, until: datetime) -> bool:
    """Prolong a lease that is still ours; a free one is not, since another holder may have come and gone."""
    ours = (leases.c.name == name) & (leases.c.holder == holder)
    with store.begin() as connection:
        return connection.execute(sa.update(leases).where(ours).values(until=until)).rowcount == 1


def has_died(holder: str) -> bool:
    """Say whether `holder` is a process that we would see, and that is gone; elsewhere only the term can tell."""
    host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    if host != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


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

    With `wait`, ask again every 0.2 s for up to `wait_seconds`. What takes longer than a term prolongs the lease, or
    lets `beating` do so. A prolongation that comes too late raises BusyError: the holder must stop, another one may
    have begun.
    """
    holder = new_holder()
    waited = 0.0
    while not take(store, name, holder, at=now(), term=term):
        if wait is None or waited >= wait_seconds:
            raise BusyError(f"{name}: held by {holder_of(store, name, at=now()) or 'another process'}; try again later")
        wait(0.2)
        waited += 0.2

    def prolong() -> None:
        if not _prolonged(store, name, holder, until=now() + term):
            raise BusyError(f"{name}: the lease was lost to another process; stopping")

    try:
        yield prolong
    finally:
        release(store, name, holder)


@contextmanager
def beating(held: Sequence[Callable[[], None]], term: timedelta) -> Iterator[None]:
    """Prolong leases of `term` in the background, all in one thread, three times a term.

    A missed beat is made up for by the next one, or noticed when the lease is lost.
    """
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(term.total_seconds() / 3):
            for prolong in held:
                with contextlib.suppress(StoreError):
                    prolong()

    thread = threading.Thread(target=beats, name="leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
