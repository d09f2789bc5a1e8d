"""What each field of an entity takes: mapped values are brought to its type exactly, never guessed into it."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Union, get_args, get_origin

from pydantic import AwareDatetime

from syncd.mapping.values import UnfitError, date_of, number_of, stamp_of, text_of
from syncd.model.entities import Entity

Fit = Callable[[Any], Any]

# Made by the engine from the record itself, so that a mapping cannot set them.
OWN_FIELDS: Final = frozenset({"id", "ref"})
# These hold entity ids; a remote id in one of them would name nothing.
REFERENCES: Final = frozenset(
    {"account", "assignee", "contact", "contacts", "manager", "milestone", "opportunity", "owner", "parent",
     "project", "reporter", "task"}
)  # fmt: skip


def names(entity: type[Entity]) -> list[str]:
    """Return the fields of `entity` that a mapping may set."""
    return [name for name in entity.model_fields if name not in OWN_FIELDS]


def required(entity: type[Entity]) -> list[str]:
    """Return the fields that `entity` cannot do without."""
    return [name for name in names(entity) if entity.model_fields[name].is_required()]


@lru_cache(maxsize=1024)
def fit(entity: type[Entity], name: str) -> Fit:
    """Return the function that brings a mapped value to the type of field `name`, or raises UnfitError."""
    kind = _kind(entity.model_fields[name].annotation)
    if get_origin(kind) is list and get_args(kind) == (str,):
        return _texts
    if get_origin(kind) is dict:
        return _object
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choice(kind)
    return _FITS.get(kind, _as_it_is)


def takes(entity: type[Entity], name: str, given: type | None) -> bool:
    """Return whether every value of type `given` is right for field `name` as it is."""
    kind = _kind(entity.model_fields[name].annotation)
    return given is not None and given is (datetime if kind is AwareDatetime else kind)


def is_list(entity: type[Entity], name: str) -> bool:
    """Return whether field `name` holds a list."""
    return get_origin(_kind(entity.model_fields[name].annotation)) is list


def fit_member(entity: type[Entity], name: str) -> Fit:
    """Return what brings one result of a value table to the type of field `name`, or of its members."""
    return _text if is_list(entity, name) else fit(entity, name)


def _kind(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bool):
        raise UnfitError(value, "is not text; use the transform text, or a value table")
    return text_of(value)


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [_text(member) for member in value if member is not None]
    return [_text(value)]


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise UnfitError(value, "is not an object")


def _choice(kind: type[StrEnum]) -> Fit:
    members: dict[Any, StrEnum] = {member.value: member for member in kind}

    def choose(value: Any) -> StrEnum:
        found = members.get(value) if isinstance(value, str) else None
        if found is None:
            raise UnfitError(value, f"is not one of {', '.join(members)}; add a table under `values`")
        return found

    return choose


def _date(value: Any) -> date | None:
    if isinstance(value, datetime):
        raise UnfitError(value.isoformat(), "is a time, where a date is wanted; use datetime_to_date")
    return value if isinstance(value, date) else date_of(value)


def _stamp(value: Any) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        raise UnfitError(value.isoformat(), "is a date, where a time is wanted")
    return stamp_of(value, None)


def _float(value: Any) -> float | None:
    found = number_of(value)
    return None if found is None else float(found)


def _decimal(value: Any) -> Decimal | None:
    found = number_of(value)
    return None if found is None else Decimal(repr(found)) if isinstance(found, float) else Decimal(found)


def _integer(value: Any) -> int | None:
    found = number_of(value)
    if found is not None and found != int(found):
        raise UnfitError(value, "is not a whole number")
    return None if found is None else int(found)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise UnfitError(value, "is not true or false; add a table under `values`")


_FITS: Final[Mapping[Any, Fit]] = {
    str: _text,
    date: _date,
    AwareDatetime: _stamp,
    float: _float,
    Decimal: _decimal,
    int: _integer,
    bool: _boolean,
}
