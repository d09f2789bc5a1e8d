"""The fake's records: objects with their fields, kept by id, and the queries over them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Row = dict[str, Any]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SYSTEM: Final = frozenset(
    {"_id", "tenant_id", "object_describe_api_name", "owner_department", "created_by", "create_time",
     "last_modified_by", "last_modified_time", "life_status", "life_status_before_invalid", "lock_status",
     "is_deleted"}
)  # fmt: skip
_ANYWHERE: Final = frozenset({"name", "owner", "record_type", "remark"})
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "AccountObj": frozenset(
        {"account_no", "account_type", "account_level", "industry", "employee_count", "annual_revenue", "deal_status",
         "account_source", "last_followed_time", "address", "website", "tel"}
    ),
    "ContactObj": frozenset(
        {"account_id", "job_title", "mobile1", "mobile", "email", "add", "is_primary", "primary_contact"}
    ),
    "NewOpportunityObj": frozenset(
        {"account_id", "sales_stage", "sales_status", "amount", "probability", "probability_amount", "close_date",
         "opportunity_type", "industry", "budget"}
    ),
    "ActiveRecordObj": frozenset(
        {"active_record_type", "active_record_content", "interactive_types", "interactive_scenario",
         "related_api_names", "related_object_data", "account_id", "new_opportunity_id"}
    ),
    "ScheduleObj": frozenset({"participants", "content", "begin_time", "end_time", "related_object_data"}),
}  # fmt: skip
LOOKUPS: Final = {"account_id": "AccountObj", "new_opportunity_id": "NewOpportunityObj"}
FOLLOW_UP_TYPES: Final = {
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9": "拜访",
    "1b2c3d4e5f60718293a4b5c6d7e8f90a": "电话",
    "2c3d4e5f60718293a4b5c6d7e8f90a1b": "周报",
}
_LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "active_record_type": FOLLOW_UP_TYPES,
    "sales_stage": {"1": "需求确认", "3": "方案报价", "5": "赢单"},
    "sales_status": {"1": "进行中", "2": "赢单", "3": "输单", "4": "无效"},
}


class Book:
    """All records of the tenant. Ids are 24 or 32 hexadecimal digits, in no order of time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._made = 0
        self.rows: dict[str, dict[str, Row]] = {name: {} for name in FIELDS}
        self.fields: dict[str, set[str]] = {name: set(fields | SYSTEM | _ANYWHERE) for name, fields in FIELDS.items()}
        self.shows_invalid = False

    def define(self, name: str, fields: Sequence[str]) -> None:
        """Add an object, or fields to one that is there."""
        self.rows.setdefault(name, {})
        self.fields.setdefault(name, set(SYSTEM | _ANYWHERE)).update(fields)

    def add(self, name: str, values: Mapping[str, Any], by: str, *, at: datetime | None = None) -> Row:
        """Add a record."""
        stamp = millis(at or self._now())
        row = {
            "_id": self._new_id(),
            "tenant_id": "70001",
            "object_describe_api_name": name,
            "record_type": "default__c",
            "owner": [by],
            **{key: value for key, value in values.items() if value is not None},
            "created_by": [by],
            "create_time": stamp,
            "last_modified_by": [by],
            "last_modified_time": stamp,
            "life_status": "normal",
            "lock_status": "0",
            "is_deleted": False,
        }
        self.rows[name][row["_id"]] = row
        return row

    def edit(self, name: str, remote_id: str, values: Mapping[str, Any], *, at: datetime | None = None) -> Row:
        """Change a record; a value of None empties a field."""
        row = self.rows[name][remote_id]
        row |= {**values, "last_modified_time": millis(at or self._now())}
        return row

    def view(self, row: Row, users: Mapping[str, Row]) -> Row:
        """Return a record as it is sent: labels and names beside the values, empty fields left out."""
        shown = dict(row)
        for field, labels in _LABELS.items():
            if shown.get(field) in labels:
                shown[f"{field}__r"] = labels[shown[field]]
        for field, target in LOOKUPS.items():
            if linked := self.rows[target].get(shown.get(field, "")):
                shown[f"{field}__r"] = linked["name"]
        if owner := users.get(next(iter(shown.get("owner") or ()), "")):
            shown["owner__r"] = {"id": owner["openUserId"], "name": owner["name"]}
        return {key: value for key, value in shown.items() if value is not None}

    def select(self, name: str, filters: Sequence[Mapping[str, Any]], order: tuple[str, bool]) -> list[Row]:
        """Return the rows that fit all filters, in order. Plain queries hide invalid rows (an assumption)."""
        asks_for_invalid = any(f["field_name"] in ("life_status", "is_deleted") for f in filters)
        rows = [
            row
            for row in self.rows[name].values()
            if (asks_for_invalid or self.shows_invalid or row["life_status"] != "invalid")
            and all(fits(row.get(f["field_name"]), f["operator"], f["field_values"]) for f in filters)
        ]
        field, ascending = order
        return sorted(rows, key=lambda row: (str(row.get(field, "")), row["_id"]), reverse=not ascending)

    def _new_id(self) -> str:
        self._made += 1
        size = 16 if self._made % 7 == 0 else 12
        return hashlib.blake2b(str(self._made).encode(), digest_size=size).hexdigest()


def millis(at: datetime) -> int:
    """Return milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, list[str]], bool]:
    def test(value: Any, wanted: list[str]) -> bool:
        if value is None:
            return False
        if isinstance(value, int) and not isinstance(value, bool):
            return compare(value, int(wanted[0]))
        return compare(str(value), wanted[0])

    return test


def _members(value: Any) -> set[str]:
    return {str(one) for one in value} if isinstance(value, list) else {_text(value)}


OPERATORS: Final[Mapping[str, Callable[[Any, list[str]], bool]]] = {
    "EQ": lambda value, wanted: _text(value).lower() == wanted[0].lower() and value is not None,
    "N": lambda value, wanted: _text(value).lower() != wanted[0].lower(),
    "GT": _ordered(lambda value, wanted: value > wanted),
    "GTE": _ordered(lambda value, wanted: value >= wanted),
    "LT": _ordered(lambda value, wanted: value < wanted),
    "LTE": _ordered(lambda value, wanted: value <= wanted),
    "LIKE": lambda value, wanted: wanted[0].lower() in _text(value).lower(),
    "NLIKE": lambda value, wanted: wanted[0].lower() not in _text(value).lower(),
    "IS": lambda value, _: value in (None, "", []),
    "ISN": lambda value, _: value not in (None, "", []),
    "IN": lambda value, wanted: bool(_members(value) & set(wanted)),
    "NIN": lambda value, wanted: not _members(value) & set(wanted),
    "BETWEEN": lambda value, wanted: value is not None and int(wanted[0]) <= int(value) <= int(wanted[1]),
    "HASANYOF": lambda value, wanted: bool(_members(value) & set(wanted)),
    "NHASANYOF": lambda value, wanted: not _members(value) & set(wanted),
    "CONTAINS": lambda value, wanted: set(wanted) <= _members(value),
    "STARTWITH": lambda value, wanted: _text(value).startswith(wanted[0]),
    "ENDWITH": lambda value, wanted: _text(value).endswith(wanted[0]),
}


def fits(value: Any, operator: str, wanted: Sequence[Any]) -> bool:
    """Say whether a value passes one filter; numbers are accepted where texts are documented."""
    return OPERATORS[operator](value, [str(one) for one in wanted])
