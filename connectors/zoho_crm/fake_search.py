"""The fake's search criteria: `((Stage:equals:Qualification)and(Amount:greater_than:100))`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors.zoho_crm.fake_book import Row
from connectors.zoho_crm.fake_coql import sort_key

MAX_CRITERIA: Final = 10
_PART: Final = re.compile(r"\s*(?:(and|or)(?=\()|([()])|((?:\\.|[^()\\])+))")
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "greater_than": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "less_than": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
}


def matches(row: Row, query: Mapping[str, str]) -> bool:
    """Say whether `row` is found by the one search parameter in `query`; ValueError for criteria that make no sense."""
    if criteria := query.get("criteria"):
        return _Criteria(criteria).holds(row)
    name = next(key for key in ("email", "phone", "word") if key in query)
    wanted = query[name].lower()
    fields = {"email": ("Email",), "phone": ("Phone", "Mobile")}.get(name, tuple(row))
    return any(wanted in value.lower() for field in fields if isinstance(value := row.get(field), str))


class _Criteria:
    def __init__(self, text: str) -> None:
        self._parts = [found.group(0).strip() for found in _PART.finditer(text) if found.group(0).strip()]
        if sum(":" in part for part in self._parts) > MAX_CRITERIA:
            raise ValueError(f"more than {MAX_CRITERIA} criteria")
        self._at = 0

    def holds(self, row: Row) -> bool:
        self._at = 0
        held = self._group(row)
        if self._at != len(self._parts):
            raise ValueError("criteria do not end where they should")
        return held

    def _group(self, row: Row) -> bool:
        held = self._one(row)
        while self._at < len(self._parts) and self._parts[self._at] in ("and", "or"):
            joint = self._take()
            other = self._one(row)
            held = (held and other) if joint == "and" else (held or other)
        return held

    def _one(self, row: Row) -> bool:
        if self._take() != "(":
            raise ValueError("criteria must stand in brackets")
        inner = self._parts[self._at] if self._at < len(self._parts) else ""
        held = _holds(row, self._take()) if ":" in inner else self._group(row)
        if self._take() != ")":
            raise ValueError("a bracket is not closed")
        return held

    def _take(self) -> str:
        if self._at >= len(self._parts):
            raise ValueError("criteria end too early")
        self._at += 1
        return self._parts[self._at - 1]


def _holds(row: Row, criterion: str) -> bool:
    name, operator, value = (re.sub(r"\\(.)", r"\1", part) for part in criterion.split(":", 2))
    have = row.get(name)
    have = have.get("id") if isinstance(have, Mapping) else have
    if operator in ("equals", "not_equal"):
        text = str(have if have is not None else "")
        found = value.lower() in text.lower() if isinstance(have, str) else text == value
        return found is (operator == "equals")
    if operator == "starts_with":
        return str(have or "").lower().startswith(value.lower())
    if operator == "in":
        return str(have) in value.split(",")
    if operator == "between":
        low, high = value.split(",", 1)
        return have is not None and sort_key(low) <= sort_key(have) <= sort_key(high)
    if operator in _ORDER and have is not None:
        return _ORDER[operator](sort_key(have), sort_key(type(have)(value)))
    if operator not in _ORDER:
        raise ValueError(f"unknown operator {operator}")
    return False
