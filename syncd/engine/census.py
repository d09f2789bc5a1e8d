"""Census: a complete read shows what has vanished at the vendor. Many at once wait for a person."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

import msgspec

from syncd.engine.workspace import Workspace
from syncd.store import parked, records
from syncd.store.parked import Parked
from syncd.store.records import Landed, Place

FREE_COUNT: Final = 10
FREE_SHARE: Final = 0.10


def may_delete(held: int, vanished: int) -> bool:
    """Say whether so many may be marked as deleted at once: max(10, 10 % of what we hold), never all of it."""
    return vanished <= max(FREE_COUNT, FREE_SHARE * held) and (vanished < held or held <= 1)


def settle(space: Workspace, place: Place, seen: AbstractSet[str], *, at: datetime) -> tuple[int, int]:
    """Compare a complete read (every id in `seen`) with what we hold; return (marked as deleted, quarantined)."""
    with space.store.read() as connection:
        held = records.live_ids(connection, place)
    gone = sorted(held - seen)
    key = Landed(_key(place), b"", "{}", None)
    if not gone:
        with space.store.begin() as connection:
            parked.settle(connection, place, [key.remote_id], at=at)
        return 0, 0
    if may_delete(len(held), len(gone)):
        with space.store.begin() as connection:
            parked.settle(connection, place, [key.remote_id], at=at)
            return records.mark_deleted(connection, place, gone, at=at), 0
    reason = (
        f"{place.connection} {place.stream}: {len(gone):,} of {len(held):,} records are gone from the vendor at once; "
        "nothing was marked as deleted. If they are really gone: syncd parked retry; if not: syncd parked skip --why"
    )
    landed = Landed(key.remote_id, b"", msgspec.json.encode(gone).decode(), at)
    with space.store.begin() as connection:
        parked.park(connection, place, landed, reason, at=at, field="census", value=str(len(gone)))
    return 0, len(gone)


def is_census(row: Parked) -> bool:
    """Say whether a parked row holds quarantined deletions."""
    return row.remote_id.startswith(parked.CENSUS)


def confirm(space: Workspace, row: Parked) -> int:
    """A person says that quarantined records are really gone: mark them as deleted; return how many."""
    gone: list[str] = msgspec.json.decode(row.data or "[]")
    with space.store.begin() as connection:
        count = records.mark_deleted(connection, row.place, gone, at=space.now())
        parked.settle(connection, row.place, [row.remote_id], at=space.now())
    return count


def _key(place: Place) -> str:
    """Return the remote id under which a partition's quarantine is parked."""
    return f"{parked.CENSUS}{place.partition}"[:255]
