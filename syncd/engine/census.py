"""Census: a complete read shows what has vanished at the vendor. Many at once wait for a person."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

import msgspec

from syncd.engine.workspace import Workspace
from syncd.store import Connection, parked, records
from syncd.store.parked import Parked
from syncd.store.records import Landed, Place

FREE_COUNT: Final = 10
FREE_SHARE: Final = 0.10


def may_delete(held: int, vanished: int) -> bool:
    """Say whether so many may be marked as deleted at once: max(10, 10 % of what we hold), never all of it."""
    return vanished <= max(FREE_COUNT, FREE_SHARE * held) and vanished < held


def settle(space: Workspace, place: Place, seen: AbstractSet[str], *, at: datetime) -> tuple[int, int]:
    """Compare a complete read (every id in `seen`) with what we hold; return (marked as deleted, quarantined).

    A parked record that has vanished waits for nobody any more.
    """
    with space.store.read() as connection:
        held = records.live_ids(connection, place) | parked.open_ids(connection, place)
    gone = sorted(held - seen)
    if gone and not may_delete(len(held), len(gone)):
        return 0, _quarantine(space, place, gone, held=len(held), at=at)
    with space.store.begin() as connection:
        return _mark(connection, place, gone, key=_key(place), at=at), 0


def _mark(connection: Connection, place: Place, gone: Sequence[str], *, key: str, at: datetime) -> int:
    parked.settle(connection, place, [key, *gone], at=at)
    return records.mark_deleted(connection, place, gone, at=at)


def _quarantine(space: Workspace, place: Place, gone: Sequence[str], *, held: int, at: datetime) -> int:
    """Park the deletions; return how many wait: none when a person has said no to exactly these."""
    reason = (
        f"{place.connection} {place.stream}: {len(gone):,} of {held:,} records are gone from the vendor at once; "
        "nothing was marked as deleted. If they are really gone: syncd parked retry; if not: syncd parked skip --why"
    )
    data = msgspec.json.encode(gone)
    landed = Landed(_key(place), hashlib.blake2b(data, digest_size=16).digest(), data.decode(), at)
    with space.store.begin() as connection:
        waits = parked.park(connection, place, landed, reason, at=at, field="census", value=str(len(gone)))
    return len(gone) if waits else 0


def is_census(row: Parked) -> bool:
    """Say whether a parked row holds quarantined deletions."""
    return row.remote_id.startswith(parked.CENSUS)


def confirm(space: Workspace, row: Parked) -> int:
    """A person says that quarantined records are really gone: mark them as deleted; return how many."""
    gone: list[str] = msgspec.json.decode(row.data or "[]")
    with space.store.begin() as connection:
        return _mark(connection, row.place, gone, key=row.remote_id, at=space.now())


def _key(place: Place) -> str:
    """Return the remote id under which a partition's quarantine is parked."""
    return f"{parked.CENSUS}{place.partition}"[:255]
