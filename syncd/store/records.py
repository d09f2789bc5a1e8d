"""Raw records and the entities made of them: the page transaction's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from syncd.model.entities import ENTITIES, Entity, entity_id
from syncd.store.tables import changes, entities, records
from syncd.store.upsert import chunks, upsert

_SILENT: Final = frozenset({"id", "ref", "updated_at"})  # no history of these

# Asked for every page: built here, it costs half of what building it each time does.
_KNOWN: Final = sa.select(records.c.remote_id, records.c.content_hash, records.c.deleted_at).where(
    records.c.connection == sa.bindparam("connection"),
    records.c.stream == sa.bindparam("stream"),
    records.c.remote_id.in_(sa.bindparam("remote_ids", expanding=True)),
)


class Landed(NamedTuple):
    """A raw record ready to be stored: its JSON text and the hash of it."""

    remote_id: str
    content_hash: bytes
    data: str
    updated_at: datetime | None


class Known(NamedTuple):
    """What is stored of a record."""

    content_hash: bytes
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Place:
    """One stream of one connection, and the partition being read."""

    connection: str
    stream: str
    partition: str = ""


def known(connection: Connection, place: Place, remote_ids: Sequence[str]) -> dict[str, Known]:
    """Return what is stored of `remote_ids`."""
    found: dict[str, Known] = {}
    for chunk in chunks(remote_ids):
        rows = connection.execute(_KNOWN, {"connection": place.connection, "stream": place.stream, "remote_ids": chunk})
        found.update({row[0]: Known(bytes(row[1]), row[2] is not None) for row in rows})
    return found


def save(connection: Connection, place: Place, landed: Iterable[Landed], *, at: datetime) -> None:
    """Insert or replace raw records."""
    rows = [
        {
            "connection": place.connection,
            "stream": place.stream,
            "partition": place.partition,
            "remote_id": item.remote_id,
            "content_hash": item.content_hash,
            "data": item.data,
            "updated_at": item.updated_at,
            "fetched_at": at,
            "deleted_at": None,
        }
        for item in landed
    ]
    upsert(connection, records, rows, keys=("connection", "stream", "remote_id"))


def save_entities(connection: Connection, made: Sequence[Entity], *, replaces: frozenset[str], at: datetime) -> None:
    """Insert or replace entities; those whose id is in `replaces` are compared with what is stored, field by field."""
    history: list[dict[str, Any]] = []
    if replaces:
        before = {entity.id: entity for entity in load_entities(connection, list(replaces))}
        for entity in made:
            if (old := before.get(entity.id)) is not None:
                history.extend(_differences(old, entity, at))
    upsert(connection, entities, [_entity_row(entity) for entity in made], keys=("id",))
    if history:
        connection.execute(sa.insert(changes), history)


def _entity_row(entity: Entity) -> dict[str, Any]:
    ref = entity.ref
    return {
        "id": entity.id,
        "kind": entity.entity_kind,
        "connection": ref.connection,
        "stream": ref.stream,
        "remote_id": ref.remote_id,
        "project": getattr(entity, "project", None),
        "account": getattr(entity, "account", None),
        "deleted_at": entity.deleted_at,
        "body": dump(entity),
    }


def dump(entity: Entity) -> str:
    """Return the JSON that is stored of an entity; unknown fields are left out."""
    return entity.__pydantic_serializer__.to_json(entity, exclude_none=True).decode()


def parse(kind: str, body: str) -> Entity:
    """Return the entity of a stored body."""
    entity: Entity = ENTITIES[kind].__pydantic_validator__.validate_json(body)
    return entity


def _differences(old: Entity, new: Entity, at: datetime) -> Iterator[dict[str, Any]]:
    if type(old) is not type(new):
        return
    for name in type(new).model_fields:
        if name in _SILENT:
            continue
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield {
                "entity": new.id,
                "field": name,
                "old": _field(before),
                "new": _field(after),
                # A deletion leaves the vendor's last update as it was: it took place when we saw it, not before.
                "at": at if name == "deleted_at" else new.updated_at or at,
                "seen_at": at,
            }


def _field(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value, enc_hook=str).decode()


def load_entities(connection: Connection, ids: Sequence[str]) -> list[Entity]:
    """Return the stored entities with these ids, deleted ones included."""
    found: list[Entity] = []
    for chunk in chunks(ids):
        rows = connection.execute(sa.select(entities.c.kind, entities.c.body).where(entities.c.id.in_(chunk)))
        found.extend(parse(row[0], row[1]) for row in rows)
    return found


def find_entity(connection: Connection, *, source: str, kinds: Sequence[str], remote_id: str) -> Entity | None:
    """Return the entity of one of `kinds` that connection `source` knows as `remote_id`."""
    row = connection.execute(
        sa.select(entities.c.kind, entities.c.body).where(
            entities.c.connection == source, entities.c.kind.in_(list(kinds)), entities.c.remote_id == remote_id
        )
    ).first()
    return parse(row[0], row[1]) if row else None


def entities_of(
    connection: Connection,
    kind: str,
    *,
    project: str | None = None,
    account: str | None = None,
    source: str | None = None,
) -> list[Entity]:
    """Return the entities of `kind` that belong to a project or an account entity, or come from a connection."""
    query = sa.select(entities.c.body).where(entities.c.kind == kind)
    for column, value in (
        (entities.c.project, project),
        (entities.c.account, account),
        (entities.c.connection, source),
    ):
        if value is not None:
            query = query.where(column == value)
    return [parse(kind, row[0]) for row in connection.execute(query.order_by(entities.c.id))]


def mark_deleted(connection: Connection, place: Place, remote_ids: Sequence[str], *, at: datetime) -> int:
    """Mark records and their entities as deleted at the vendor; return how many were not marked before."""
    count = 0
    for chunk in chunks(remote_ids):
        where = (
            records.c.connection == place.connection,
            records.c.stream == place.stream,
            records.c.remote_id.in_(chunk),
            records.c.deleted_at.is_(None),
        )
        count += connection.execute(sa.update(records).where(*where).values(deleted_at=at)).rowcount
        made = load_entities(connection, _ids(place, chunk))
        gone = [entity.model_copy(update={"deleted_at": at}) for entity in made if entity.deleted_at is None]
        save_entities(connection, gone, replaces=frozenset(entity.id for entity in gone), at=at)
    return count


def drop_entities(connection: Connection, place: Place, remote_ids: Sequence[str]) -> None:
    """Forget the entities of records that a changed mapping no longer takes."""
    for chunk in chunks(_ids(place, remote_ids)):
        connection.execute(sa.delete(entities).where(entities.c.id.in_(chunk)))


def _ids(place: Place, remote_ids: Sequence[str]) -> list[str]:
    """Return the ids of the entities that records became: found by primary key, whatever their kind."""
    return [entity_id(place.connection, place.stream, remote_id) for remote_id in remote_ids]


def live_ids(connection: Connection, place: Place) -> set[str]:
    """Return the remote ids of a partition that are not marked as deleted."""
    rows = connection.execute(
        sa.select(records.c.remote_id).where(
            records.c.connection == place.connection,
            records.c.stream == place.stream,
            records.c.partition == place.partition,
            records.c.deleted_at.is_(None),
        )
    )
    return {row[0] for row in rows}


def stored(connection: Connection, place: Place, *, after: int = 0, limit: int = 500) -> list[tuple[int, Landed]]:
    """Return live raw records of a partition in storage order behind row `after`, for replaying a mapping."""
    # `+ ""` keeps the planner off the index over these columns: it would sort the whole stream for every part of it.
    rows = connection.execute(
        sa.select(records.c.id, records.c.remote_id, records.c.content_hash, records.c.data, records.c.updated_at)
        .where(
            records.c.connection + "" == place.connection,
            records.c.stream + "" == place.stream,
            records.c.partition == place.partition,
            records.c.deleted_at.is_(None),
            records.c.id > after,
        )
        .order_by(records.c.id)
        .limit(limit)
    )
    return [(row[0], Landed(row[1], bytes(row[2]), row[3], row[4])) for row in rows]


def changes_of(
    connection: Connection, ids: Sequence[str], *, since: datetime | None = None, field: str | None = None
) -> dict[str, list[tuple[str, str | None, str | None, datetime]]]:
    """Return recorded changes per entity as (field, old JSON, new JSON, at), newest first."""
    found: dict[str, list[tuple[str, str | None, str | None, datetime]]] = {}
    for chunk in chunks(ids):
        query = sa.select(changes.c.entity, changes.c.field, changes.c.old, changes.c.new, changes.c.at).where(
            changes.c.entity.in_(chunk)
        )
        if since is not None:
            query = query.where(changes.c.at >= since)
        if field is not None:
            query = query.where(changes.c.field == field)
        for row in connection.execute(query.order_by(changes.c.id.desc())):
            found.setdefault(row[0], []).append((row[1], row[2], row[3], row[4]))
    return found


def moved_from(connection: Connection, kind: str, project: str, *, since: datetime) -> list[Entity]:
    """Return the entities of one kind that left a project at or after `since`."""
    rows = connection.execute(
        sa.select(changes.c.entity).where(
            changes.c.field == "project", changes.c.old == _field(project), changes.c.at >= since
        )
    )
    found = load_entities(connection, sorted({row[0] for row in rows}))
    return [entity for entity in found if entity.entity_kind == kind]


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return live records per (connection, stream)."""
    rows = connection.execute(
        sa.select(records.c.connection, records.c.stream, sa.func.count())
        .where(records.c.deleted_at.is_(None))
        .group_by(records.c.connection, records.c.stream)
    )
    return {(row[0], row[1]): row[2] for row in rows}
