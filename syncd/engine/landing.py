"""Landing: raw records become stored records and entities; what does not fit is parked, never dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import msgspec

from syncd.engine.workspace import Workspace
from syncd.errors import MappingError
from syncd.model.entities import Entity
from syncd.sdk.connector import Page, Record
from syncd.store import Connection, cursors, outbox, parked, records, runs
from syncd.store.cursors import Position
from syncd.store.parked import Parked
from syncd.store.records import Known, Landed, Place
from syncd.store.runs import Balance

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_REPLAY_ROWS: Final = 500


@dataclass(slots=True)
class _Mapped:
    """What the mapping made of `items`: entities, records it does not take, and faults by remote id."""

    items: list[Landed] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    faults: dict[str, tuple[Landed, MappingError]] = field(default_factory=dict)


def store_page(space: Workspace, run: str, place: Place, page: Page, position: Position) -> Balance:
    """Store a page with its entities, parked records, balance and cursor; all of it or nothing.

    A record that comes twice in a page counts once as written and once as unchanged; the last one wins. What we have
    written ourselves comes back as an echo: it is known by its receipt, and skipped.
    """
    at = space.now()
    last = {record.remote_id: record for record in page.records}
    live = {remote_id: record for remote_id, record in last.items() if not record.deleted}
    gone = last.keys() - live.keys()
    with space.store.read() as connection:
        known = records.known(connection, place, list(last))
        echoes = outbox.own(connection, place.connection, [remote_id for remote_id in live if remote_id not in known])
    # One record after the other, since a page of them is more than a processor keeps at hand.
    landed = (_land(record) for remote_id, record in live.items() if remote_id not in echoes)
    mapped = _map(space, place, (item for item in landed if _differs(item, known.get(item.remote_id))), live)
    with space.store.begin() as connection:
        declined = _store(connection, place, mapped, known=known.keys(), at=at)
        deleted = records.mark_deleted(connection, place, list(gone), at=at)
        # Whatever fits now, is as it was before it was parked, or is gone at the vendor, waits for nobody any more.
        parked.settle(connection, place, [remote_id for remote_id in last if remote_id not in mapped.faults], at=at)
        balance = Balance(
            read=len(page.records),
            written=len(mapped.entities) + deleted,
            unchanged=len(live)
            - len(mapped.items)
            - len(echoes)
            + len(page.records)
            - len(live)
            - len(gone)
            + len(gone & known.keys())
            - deleted,
            skipped=len(mapped.skipped) + len(echoes) + len(gone - known.keys()) + declined,
            parked=len(mapped.faults) - declined,
        )
        runs.add(connection, run, balance)
        cursors.save(connection, replace(position, mapping=_fingerprint(space, place)))
    return balance


def _land(record: Record) -> Landed:
    data = _encode(record.data)
    return Landed(record.remote_id, hashlib.blake2b(data, digest_size=16).digest(), data.decode(), record.updated_at)


def _differs(item: Landed, known: Known | None) -> bool:
    return known is None or known.is_deleted or known.content_hash != item.content_hash


def _map(space: Workspace, place: Place, items: Iterable[Landed], live: dict[str, Record]) -> _Mapped:
    mapping, zone = space.mapping(place.connection), space.timezone(place.connection)
    result = _Mapped()
    for item in items:
        result.items.append(item)
        try:
            entity = mapping.entity(live[item.remote_id], connection=place.connection, timezone=zone)
        except MappingError as err:
            result.faults[item.remote_id] = (item, err)
            continue
        if entity is None:
            result.skipped.append(item.remote_id)
        else:
            result.entities.append(entity)
    return result


def _store(
    connection: Connection,
    place: Place,
    mapped: _Mapped,
    *,
    known: Collection[str],
    at: datetime,
) -> int:
    """Store what was mapped and park the faults; return how many of these a person has declined before."""
    stored = [item for item in mapped.items if item.remote_id not in mapped.faults]
    records.save(connection, place, stored, at=at)
    replaced = frozenset(entity.id for entity in mapped.entities if entity.ref.remote_id in known)
    records.save_entities(connection, mapped.entities, replaces=replaced, at=at)
    records.drop_entities(connection, place, [remote_id for remote_id in mapped.skipped if remote_id in known])
    return sum(
        not parked.park(connection, place, item, str(fault), at=at, field=fault.field, value=fault.value)
        for item, fault in mapped.faults.values()
    )


def _fingerprint(space: Workspace, place: Place) -> str:
    return space.mapping(place.connection).fingerprint[:32]


def replay_if_changed(space: Workspace, position: Position) -> tuple[Position, int]:
    """Apply a changed mapping to what is stored, without a fetch; return the new state and how many records it took."""
    fingerprint = _fingerprint(space, position.place)
    if position.mapping in (None, fingerprint):
        return replace(position, mapping=fingerprint), 0
    count, after = 0, 0
    while True:
        with space.store.read() as connection:
            rows = records.stored(connection, position.place, after=after, limit=_REPLAY_ROWS)
        if not rows:
            break
        count += len(rows)
        after = rows[-1][0]
        _replay(space, position.place, [item for _, item in rows])
    retry_parked(space, position.place)
    position = replace(position, mapping=fingerprint)
    with space.store.begin() as connection:
        cursors.save(connection, position)
    return position, count


def _replay(space: Workspace, place: Place, items: Sequence[Landed]) -> _Mapped:
    live = {item.remote_id: _record(place, item) for item in items}
    mapped = _map(space, place, items, live)
    with space.store.begin() as connection:
        at = space.now()
        _store(connection, place, mapped, known=live.keys(), at=at)
        parked.settle(
            connection, place, [item.remote_id for item in items if item.remote_id not in mapped.faults], at=at
        )
    return mapped


def _record(place: Place, item: Landed) -> Record:
    return Record(place.stream, item.remote_id, msgspec.json.decode(item.data), item.updated_at)


def retry_parked(space: Workspace, place: Place | None = None, *, only: Parked | None = None) -> tuple[int, int]:
    """Map parked records again; return how many went through and how many are parked still."""
    through = still = 0
    for row in [only] if only else _open_rows(space, place):
        if row.remote_id.startswith(parked.CENSUS) or (place is not None and row.place != place):
            continue
        mapped = _replay(space, row.place, [row.landed])
        through += not mapped.faults
        still += len(mapped.faults)
    return through, still


def _open_rows(space: Workspace, place: Place | None) -> Iterator[Parked]:
    after = 0
    while True:
        with space.store.read() as connection:
            rows = parked.open_rows(connection, source=place.connection if place else None, after=after)
        if not rows:
            return
        yield from rows
        after = rows[-1].id
