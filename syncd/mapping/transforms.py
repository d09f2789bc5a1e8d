"""The closed registry of transforms: small pure functions from one vendor value to one plain value.

A step takes the value and the scope (connection and time zone) and never sees null. It returns None for "not known"
and raises UnfitError for a value that it cannot read; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from syncd.mapping.markup import html_to_text as text_of_html
from syncd.mapping.values import EXACT, UnfitError, date_of, moment_of, number_of, stamp_of, text_of
from syncd.model.entities import referred_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOST: Final = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_](?:[\w-]{0,61}[^\W_])?")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a transform may know besides the value: the connection's name and its time zone."""

    connection: str
    timezone: ZoneInfo


Step = Callable[[Any, Scope], Any]


@dataclass(frozen=True, slots=True)
class Transform:
    """A named transform: `make` turns its arguments into a step, its docstring is the documentation.

    `arguments` maps each argument to its kind: `text` or `count` (a whole number from 1 up). All are needed.
    `takes_table` transforms have a free table of value → result instead. `gives` is the type of every result that
    is not None, where it is one; a field of that type takes it as it is.
    """

    make: Callable[..., Step]
    arguments: Mapping[str, str] = field(default_factory=dict)
    takes_table: bool = False
    gives: type | None = None

    @property
    def name(self) -> str:
        """The name that mapping files use."""
        return self.make.__name__

    @property
    def doc(self) -> str:
        """What it does, as `syncd connectors explain` and the documentation show it."""
        return self.make.__doc__ or ""


def _unix_moment(value: Any, unit: str) -> datetime | None:
    count = number_of(value)
    if count is None:
        return None
    try:
        return _EPOCH + timedelta(**{unit: float(count)})
    except OverflowError as err:
        hint = " (milliseconds?)" if unit == "seconds" else ""
        raise UnfitError(value, f"is not a possible time in {unit} since 1970{hint}") from err


def _unix_to_datetime(unit: str) -> Step:
    return lambda value, _: _unix_moment(value, unit)


def _unix_to_date(unit: str) -> Step:
    def step(value: Any, scope: Scope) -> date | None:
        moment = _unix_moment(value, unit)
        return None if moment is None else _local_date(moment, value, scope)

    return step


def unix_seconds_to_datetime() -> Step:
    """Seconds since 1970 as a point in time."""
    return _unix_to_datetime("seconds")


def unix_seconds_to_date() -> Step:
    """Seconds since 1970 as the date they fall on in the connection's time zone."""
    return _unix_to_date("seconds")


def unix_millis_to_datetime() -> Step:
    """Milliseconds since 1970 as a point in time."""
    return _unix_to_datetime("milliseconds")


def unix_millis_to_date() -> Step:
    """Milliseconds since 1970 as the date they fall on in the connection's time zone."""
    return _unix_to_date("milliseconds")


def iso_to_datetime() -> Step:
    """ISO 8601 stamp as a point in time; one without an offset, or a bare date, is read in the connection's zone."""

    def step(value: Any, scope: Scope) -> datetime | None:
        return stamp_of(value, scope.timezone)

    return step


def iso_to_date() -> Step:
    """`YYYY-MM-DD` text as a date; text with a time is refused."""

    def step(value: Any, _: Scope) -> date | None:
        return date_of(value)

    return step


def date_part() -> Step:
    """The first ten characters as a date, whatever time and zone follow: the day that the vendor wrote."""

    def step(value: Any, _: Scope) -> date | None:
        return date_of(value[:10] if isinstance(value, str) else value)

    return step


def datetime_to_date() -> Step:
    """A point in time as the date it falls on in the connection's time zone."""

    def step(value: Any, scope: Scope) -> date | None:
        moment = moment_of(value)
        if moment is None:
            return None
        return moment.date() if moment.tzinfo is None else _local_date(moment, value, scope)

    return step


def _local_date(moment: datetime, value: Any, scope: Scope) -> date:
    try:
        return moment.astimezone(scope.timezone).date()
    except (OverflowError, ValueError) as err:
        raise UnfitError(value, "is not a possible time") from err


def ref(stream: str) -> Step:
    """Remote id as the id of the entity made from that record of `stream`; a list of ids gives a list."""

    def step(value: Any, scope: Scope) -> str | list[str] | None:
        if type(value) is int and 0 <= value < EXACT:
            return referred_id(scope.connection, stream, str(value))
        if isinstance(value, list):
            return [referred_id(scope.connection, stream, _remote_id(m)) for m in value if m not in (None, "")]
        return None if value == "" else referred_id(scope.connection, stream, _remote_id(value))

    return step


def _remote_id(value: Any) -> str:
    if type(value) is str:
        return value
    # A float this large has lost digits on its way, so that it would name another record.
    if isinstance(value, bool) or (isinstance(value, float) and (not value.is_integer() or abs(value) >= EXACT)):
        raise UnfitError(value, "is not a remote id")
    return text_of(value)


def url_tail(parts: int) -> Step:
    """The last `parts` segments of a URL's path, joined by a slash."""

    def step(value: Any, _: Scope) -> str:
        return _tail_of(value if type(value) is str else text_of(value), parts)

    return step


# The records of a project name the same few addresses again and again.
@lru_cache(maxsize=1024)
def _tail_of(text: str, parts: int) -> str:
    url = text.partition("#")[0].partition("?")[0].rstrip("/")
    path = url.partition("://")[2].partition("/")[2] if "://" in url else url
    segments = path.rsplit("/", parts)[-parts:]
    if len(segments) < parts or "" in segments:
        raise UnfitError(text, f"has fewer than {parts} path segments")
    return "/".join(segments)


def url_after(segment: str, parts: int) -> Step:
    """The `parts` path segments of a URL that follow the first one called `segment`, joined by a slash."""

    def step(value: Any, _: Scope) -> str | None:
        path = text_of(value).partition("#")[0].partition("?")[0]
        segments = [part for part in path.partition(f"/{segment}/")[2].split("/") if part]
        if len(segments) < parts:
            raise UnfitError(value, f"has fewer than {parts} path segments after {segment!r}")
        return "/".join(segments[:parts])

    return step


def _host_of_url(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def domain() -> Step:
    """The host of an e-mail address or a URL in lower case, without `www.`; null when there is none in the text."""

    def step(value: Any, _: Scope) -> str | None:
        text = text_of(value).strip().lower()
        if "@" in text and "/" not in text:
            host = text.rpartition("@")[2]
        else:
            host = _host_of_url(text if "://" in text else f"//{text}")
        host = host.removeprefix("www.").rstrip(".>")
        return host if _HOST.fullmatch(host) else None

    return step


def email() -> Step:
    """An e-mail address without blanks around it and in lower case; null when blank."""

    def step(value: Any, _: Scope) -> str | None:
        return text_of(value).strip().lower() or None

    return step


def html_to_text() -> Step:
    """HTML as plain text: blocks on lines of their own, entities decoded, scripts and styles dropped."""

    def step(value: Any, _: Scope) -> str:
        return text_of_html(text_of(value))

    return step


def first() -> Step:
    """The first member of a list (or the value itself); null when the list is empty."""

    def step(value: Any, _: Scope) -> Any:
        return next(iter(_members(value)), None)

    return step


def first_in(table: Mapping[str, Any]) -> Step:
    """The result of the table's first entry that occurs in a list (or is the value); null when none does."""

    entries = tuple(table.items())

    def step(value: Any, _: Scope) -> Any:
        found = [m if type(m) is str else text_of(m) for m in _members(value) if isinstance(m, (str, int, float))]
        for key, result in entries:
            if key in found:
                return result
        return None

    return step


def pairs(key: str, value: str) -> Step:
    """A list of objects as one mapping, from what each has under `key` to what it has under `value`."""

    def step(found: Any, _: Scope) -> dict[str, Any]:
        try:
            return {text_of(member[key]): member.get(value) for member in _members(found)}
        except (AttributeError, KeyError, TypeError) as err:
            raise UnfitError(found, f"is not a list of objects that have {key!r}") from err

    return step


def join(by: str) -> Step:
    """The members of a list as one text with `by` between them; null when the list is empty."""

    def step(value: Any, _: Scope) -> str | None:
        return by.join(text_of(member) for member in _members(value) if member is not None) or None

    return step


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def lower() -> Step:
    """Text, or each text of a list, in lower case."""

    def step(value: Any, _: Scope) -> Any:
        return [text_of(member).lower() for member in value] if isinstance(value, list) else text_of(value).lower()

    return step


def strip() -> Step:
    """Text, or each text of a list, without blanks around it; null when nothing is left."""

    def step(value: Any, _: Scope) -> Any:
        if isinstance(value, list):
            return [text for member in value if (text := text_of(member).strip())]
        return text_of(value).strip() or None

    return step


def truncate(max: int) -> Step:  # noqa: A002 - the argument's name in mapping files
    """Text cut to `max` characters, the last of them an ellipsis when something was cut."""

    def step(value: Any, _: Scope) -> str:
        text = text_of(value)
        return text if len(text) <= max else text[: max - 1].rstrip() + "…"

    return step


def number() -> Step:
    """Decimal text or a number as a number; null when blank. Thousands separators are refused, not guessed."""

    def step(value: Any, _: Scope) -> int | float | Decimal | None:
        return number_of(value)

    return step


def percent_fraction_to_percent() -> Step:
    """A fraction from 0 to 1 as percent: 0.25 gives 25."""

    def step(value: Any, _: Scope) -> float | None:
        fraction = number_of(value)
        return None if fraction is None else round(float(fraction) * 100, 6)

    return step


def percent_to_fraction() -> Step:
    """Percent as a fraction from 0 to 1: 25 gives 0.25, as `probability` wants it."""

    def step(value: Any, _: Scope) -> float | None:
        percent = number_of(value)
        return None if percent is None else round(float(percent) / 100, 8)

    return step


def text() -> Step:
    """Any single value as text: 12 gives "12", true gives "true"."""

    def step(value: Any, _: Scope) -> str:
        return text_of(value)

    return step


TRANSFORMS: Final[Mapping[str, Transform]] = {
    transform.name: transform
    for transform in (
        Transform(ref, {"stream": "text"}),
        Transform(url_tail, {"parts": "count"}, gives=str),
        Transform(url_after, {"segment": "text", "parts": "count"}, gives=str),
        Transform(unix_seconds_to_datetime, gives=datetime),
        Transform(unix_seconds_to_date, gives=date),
        Transform(unix_millis_to_datetime, gives=datetime),
        Transform(unix_millis_to_date, gives=date),
        Transform(iso_to_datetime, gives=datetime),
        Transform(iso_to_date, gives=date),
        Transform(date_part, gives=date),
        Transform(datetime_to_date, gives=date),
        Transform(html_to_text, gives=str),
        Transform(first),
        Transform(first_in, takes_table=True),
        Transform(pairs, {"key": "text", "value": "text"}, gives=dict),
        Transform(join, {"by": "text"}, gives=str),
        Transform(lower),
        Transform(strip),
        Transform(truncate, {"max": "count"}, gives=str),
        Transform(number),
        Transform(percent_fraction_to_percent, gives=float),
        Transform(percent_to_fraction, gives=float),
        Transform(domain, gives=str),
        Transform(email, gives=str),
        Transform(text, gives=str),
    )
}
