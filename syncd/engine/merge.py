"""One thing, several systems: the owner's value wins, field by field, and both values of a conflict are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from syncd.model.entities import Entity
from syncd.store.links import Conflict

# What a connection says of itself and what differs by nature is no conflict.
_OWN: Final = frozenset(
    {"id", "ref", "url", "created_at", "updated_at", "deleted_at", "remote_status", "custom_fields", "visibility",
     "account", "owner", "parent", "manager", "opportunity", "key", "description", "status"}
)  # fmt: skip


def merge(canonical: str, entities: Sequence[Entity], owners: Sequence[str]) -> tuple[dict[str, Any], list[Conflict]]:
    """Return the merged fields and the conflicts of entities that are one thing.

    `owners` are connections in order of precedence for this kind of entity: the first that knows a field decides it;
    the others follow in the order given.
    """
    ranked = sorted(entities, key=lambda entity: _rank(entity.ref.connection, owners))
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    conflicts: list[Conflict] = []
    for entity in ranked:
        for name, value in _known_fields(entity).items():
            if name not in merged:
                merged[name], origin[name] = value, entity.ref.connection
            elif not _same(merged[name], value) and origin[name] != entity.ref.connection:
                rule = "owner" if origin[name] in owners else "first listed"
                conflicts.append(
                    Conflict(
                        canonical, name, _json(merged[name]), _json(value), origin[name], entity.ref.connection, rule
                    )
                )
    return merged, _one_each(conflicts)


def _rank(connection: str, owners: Sequence[str]) -> int:
    return owners.index(connection) if connection in owners else len(owners)


def _known_fields(entity: Entity) -> Mapping[str, Any]:
    names = [name for name in type(entity).model_fields if name not in _OWN]
    return {name: value for name in names if (value := getattr(entity, name)) not in (None, [], "")}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return bool(one == other)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _one_each(conflicts: Sequence[Conflict]) -> list[Conflict]:
    """Keep one conflict per field and connection: the first."""
    found: dict[tuple[str, str], Conflict] = {}
    for conflict in conflicts:
        found.setdefault((conflict.field, conflict.other_from), conflict)
    return list(found.values())
