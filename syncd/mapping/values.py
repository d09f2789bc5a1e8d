"""Vendor values read exactly: text, numbers, dates and stamps as JSON holds them, or an UnfitError.

A date never passes through a time zone here; a number is never guessed from text that may mean two things.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from syncd.log import one_line

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST_NUMBER: Final = 400
EXACT: Final = 2**53  # from here on a float no longer holds every whole number
_SHORT: Final = 60
_LARGEST: Final = 10**60


class UnfitError(ValueError):
    """A value that does not fit; the mapping adds record, field, file and key path to it.

    `part` is the key of the spec that refuses the value (`values`), empty when it is the spec as a whole;
    `known` lists what would have fitted, where that is a closed list.
    """

    def __init__(self, value: Any, problem: str, *, part: str = "", known: str = "") -> None:
        super().__init__(problem)
        self.value = value
        self.problem = problem
        self.part = part
        self.known = known


def short(value: Any) -> str:
    """Return a value as one short line for a message: text in quotes, lists and objects by kind only."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        cut = value if len(value) <= _SHORT else value[: _SHORT - 1] + "…"
        return one_line(json.dumps(cut.encode(errors="replace").decode(), ensure_ascii=False))
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a huge number"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def text_of(value: Any) -> str:
    """Return a scalar as the text that value tables compare: `true`, `12`, `1.5`, `2026-06-30`.

    A float without a fraction is written as a whole number. Raises UnfitError for lists, objects and huge numbers.
    """
    if type(value) is str:
        return value
    if type(value) is int:
        return str(_bounded(value))
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return _text_of_float(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            raise UnfitError(value, "is not a single value")


def _text_of_float(value: float) -> str:
    if not math.isfinite(value):
        raise UnfitError(value, "is not a number")
    return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)


def _bounded(value: int) -> int:
    if -_LARGEST < value < _LARGEST:
        return value
    raise UnfitError(value, "is too large")


def number_of(value: Any) -> int | float | Decimal | None:
    """Return a JSON number or a decimal text as a number, None for blank text; UnfitError for anything else."""
    match value:
        case bool():
            raise UnfitError(value, "is not a number")
        case int():
            return _bounded(value)
        case float() | Decimal():
            if math.isfinite(value):
                return value
        case str():
            return _number_of_text(value)
    raise UnfitError(value, "is not a number")


def _number_of_text(value: str) -> Decimal | int | None:
    text = value.strip()
    if not text:
        return None
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UnfitError(value, "is not a number such as 1200 or 12.50 (no thousands separators)")
    try:
        found = Decimal(text)
    except InvalidOperation as err:
        raise UnfitError(value, "is not a number") from err
    if abs(found) >= _LARGEST:
        raise UnfitError(value, "is too large")
    return int(found) if found == found.to_integral_value() and "." not in text else found


def date_of(value: Any) -> date | None:
    """Return `YYYY-MM-DD` text as a date, None for blank text; UnfitError for anything else, a stamp included."""
    if type(value) is not str:
        raise UnfitError(value, "is not a date such as 2026-06-30")
    # The separators are looked at, since the standard library also reads 20260630 and 2026-W27-2.
    text = value.strip()
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            return date.fromisoformat(text)
        except ValueError as err:
            raise UnfitError(value, "is not a day of the calendar, as 2026-06-30 is") from err
    if not text:
        return None
    hint = "; it has a time: use date_part or datetime_to_date" if _DATE.match(text) else ""
    raise UnfitError(value, f"is not a date such as 2026-06-30{hint}")


def stamp_of(value: Any, timezone: ZoneInfo | None) -> datetime | None:
    """Return an ISO 8601 stamp as aware UTC, None for blank text.

    A stamp without an offset is read in `timezone`, and is an UnfitError when that is None.
    """
    moment = moment_of(value)
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        if timezone is None:
            raise UnfitError(value, "has no offset from UTC; use iso_to_datetime to read it in the connection's zone")
        moment = moment.replace(tzinfo=timezone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as err:
        raise UnfitError(value, "is not a possible time") from err


def moment_of(value: Any) -> datetime | None:
    """Return an ISO 8601 stamp as a datetime, naive when it has no offset, None for blank text."""
    if type(value) is not str:
        if isinstance(value, datetime):
            return value
        raise UnfitError(value, "is not a time such as 2026-06-30T12:00:00Z")
    try:
        return datetime.fromisoformat(value)
    except ValueError as err:
        text = value.strip()
        if text == value and text:
            raise UnfitError(value, "is not a time such as 2026-06-30T12:00:00Z") from err
    return moment_of(text) if text else None
