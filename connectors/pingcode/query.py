"""How the fake filters its lists: the parameters of both list dialects, and the search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

_HIDDEN: Final = frozenset(
    {"id", "url", "identifier", "short_id", "html_url", "public_image_token", "is_archived", "is_deleted"}
)
_TIMES: Final = frozenset({"created_at", "updated_at", "completed_at", "start_at", "end_at"})
_TEXTS: Final = frozenset({"title", "description"})
_LATEST: Final = 10**10  # a stamp of more digits is in milliseconds
_MOST_IDS: Final = 20

Item = dict[str, Any]


class BadRequestError(Exception):
    """The vendor answers 400 with this code."""

    def __init__(self, message: str, code: str = "100003") -> None:
        super().__init__(message)
        self.code = code


def generation_of(groups: tuple[str, ...]) -> str:
    """Return the generation of a path by its area and its name for work items; none for a mixture."""
    area, name = groups[0], groups[1].removesuffix("s")
    return {("project", "work_item"): "a", ("pjm", "work_item"): "b", ("pjm", "workitem"): "c"}.get((area, name), "")


def window(asked: Mapping[str, Any]) -> tuple[int, int]:
    """Return page index (from 0) and size (30 unless told, 100 at most)."""
    try:
        index, size = int(asked.get("page_index", 0)), int(asked.get("page_size", 30))
    except ValueError as err:
        raise BadRequestError("page_index 或 page_size 错误") from err
    if index < 0 or not 1 <= size <= 100:
        raise BadRequestError("page_index 或 page_size 错误")
    return index, size


def visible(items: Iterable[Item], asked: Mapping[str, Any]) -> list[Item]:
    """Leave out deleted and archived objects unless they are asked for."""
    deleted, archived = (_truth(asked, f"include_{kind}") for kind in ("deleted", "archived"))
    return [i for i in list(items) if (deleted or not i["is_deleted"]) and (archived or not i["is_archived"])]


def _truth(asked: Mapping[str, Any], key: str) -> bool:
    value = asked.get(key, False)
    if value not in (True, False, "true", "false"):
        raise BadRequestError(f"{key} 错误", "100005")
    return value in (True, "true")


def equals(item: Item, asked: Mapping[str, str], *keys: str) -> bool:
    """Say whether plain fields have the values that were asked for."""
    return all(item.get(key) == asked[key] for key in keys if key in asked)


def in_generation_a(item: Item, asked: Mapping[str, str]) -> bool:
    """Filter by comma lists of ids and by ranges of seconds."""
    plural = {"project_ids": "project", "state_ids": "state", "sprint_ids": "sprint", "assignee_ids": "assignee"}
    for key, name in plural.items():
        if key in asked and (item[name] or {}).get("id") not in _ids(asked, key):
            return False
    if "type_ids" in asked and item["type"] not in _ids(asked, "type_ids"):
        return False
    ranges = (key for key in asked if key.endswith("_between"))
    return equals(item, asked, "identifier") and all(_is_between(item, key, asked[key]) for key in ranges)


def _ids(asked: Mapping[str, str], key: str) -> list[str]:
    ids = asked[key].split(",")
    if len(ids) > _MOST_IDS:
        raise BadRequestError(f"{key} 过多")
    return ids


def _is_between(item: Item, key: str, value: str) -> bool:
    low, _, high = value.partition(",")
    at = item[key.replace("_between", "_at")] or 0
    return (not low or at >= seconds(low)) and (not high or at <= seconds(high))


def seconds(value: Any) -> int:
    """Return a stamp in unix seconds; code 100004 for 0, for milliseconds and for anything else."""
    try:
        at = int(value)
    except (TypeError, ValueError) as err:
        raise BadRequestError("时间错误", "100004") from err
    if not 0 < at < _LATEST:
        raise BadRequestError("时间错误", "100004")
    return at


def check_times(body: Mapping[str, Any], *keys: str) -> None:
    """Refuse stamps that are none."""
    for key in keys:
        if key in body:
            seconds(body[key])


def in_generation_bc(item: Item, asked: Mapping[str, str]) -> bool:
    """Filter by single ids; there is no filter by time."""
    single = {"project_id": "project", "state_id": "state", "sprint_id": "sprint", "assignee_id": "assignee"}
    for key, name in single.items():
        if key in asked and (item[name] or {}).get("id") != asked[key]:
            return False
    return asked.get("type_id", item["type"]) == item["type"] and equals(item, asked, "identifier")


def filter_of(wanted: Mapping[str, Any], timezone: ZoneInfo) -> Callable[[Item], bool]:
    """Return the search filter: one operator a field, all fields must hold; times compare by the team's day."""
    tests = [_test(field, operators, timezone) for field, operators in wanted.items()]
    return lambda item: all(test(item) for test in tests)


def _test(field: str, operators: Any, timezone: ZoneInfo) -> Callable[[Item], bool]:
    if field in _HIDDEN or not isinstance(operators, dict) or len(operators) != 1:
        raise BadRequestError(f"filter {field} 错误")
    ((operator, value),) = operators.items()
    if field in _TIMES:
        return _time_test(field, operator, value, timezone)
    if field in _TEXTS or field.startswith("properties."):
        return _text_test(field, operator, value)
    if operator not in ("in", "nin") or not isinstance(value, list):
        raise BadRequestError(f"filter {field}.{operator} 错误")
    return lambda item: (_value(item, field) in value) is (operator == "in")


def _time_test(field: str, operator: str, value: Any, timezone: ZoneInfo) -> Callable[[Item], bool]:
    def day(at: Any) -> int:
        return datetime.fromtimestamp(seconds(at), UTC).astimezone(timezone).toordinal()

    compare: dict[str, Callable[[int, int], bool]] = {
        "gte": lambda a, b: a >= b,
        "gt": lambda a, b: a > b,
        "lte": lambda a, b: a <= b,
        "lt": lambda a, b: a < b,
    }
    if operator not in compare:
        raise BadRequestError(f"filter {field}.{operator} 错误")
    limit = day(value)
    return lambda item: item[field] is not None and compare[operator](day(item[field]), limit)


def _text_test(field: str, operator: str, value: Any) -> Callable[[Item], bool]:
    if operator != "contains" or not isinstance(value, str):
        raise BadRequestError(f"filter {field}.{operator} 错误")
    return lambda item: value in str(_value(item, field) or "")


def _value(item: Item, field: str) -> Any:
    found: Any = item
    for key in field.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
