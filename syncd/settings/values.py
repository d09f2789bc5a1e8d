"""Values that people write in the files: spans, places, addresses, rhythms, and references to secrets.

Each check names the value and what would be right; where a secret could stand, the value is not shown.
"""

from __future__ import annotations

import difflib
import os
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from syncd import log
from syncd.errors import ConfigError
from syncd.rhythm import When

LOCALES: Final = ("zh-CN", "en")
_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NAMED: Final = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_REFERENCE: Final = re.compile(r"(env|file):(.+)", re.DOTALL)
BY_REFERENCE: Final = "a secret is given by reference only; write env:NAME or file:/path instead of the value"
_ADDRESS: Final = re.compile(r"[^@\s,;<>\x00-\x1f\x7f]+@[^@\s,;<>\x00-\x1f\x7f]+")
_PASSWORD: Final = re.compile(r"[^:/\s]+://[^/@\s]*:[^/@\s]+@|[^?]*\?(.*&)?password=", re.IGNORECASE)


def parse_duration(value: Any) -> timedelta:
    """Parse `30s`, `5m`, `1h`, `2d`, `1w`, `hourly`, `daily` or `weekly`; ValueError otherwise."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    if text in _NAMED:
        return _NAMED[text]
    found = _DURATION.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m, 1h, 2d or weekly")
    if len(found[1]) > 6:
        raise ValueError(f"{value!r} is too long a time")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@cache
def _zones() -> dict[str, str]:
    """Return the IANA zones by their names in lower case; asking for them reads many files."""
    return {zone.lower(): zone for zone in available_timezones()}


def _timezone(value: str) -> str:
    known = _zones()
    if known.get(value.lower()) != value:
        close = difflib.get_close_matches(value.lower(), known, n=1)
        meant = f"did you mean {known[close[0]]!r}?" if close else "write it like Asia/Shanghai, Europe/Berlin or UTC"
        raise ValueError(f"{value!r} is not an IANA time zone; {meant}")
    return value


def _locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"{value!r} is not a locale that digests are written in; choose one of {', '.join(LOCALES)}")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is not an e-mail address such as li@acme.example")
    return value


def _country(value: str) -> str:
    from holidays import list_supported_countries  # late: holidays is slow to import

    known = list_supported_countries(include_aliases=True)
    country, _, part = value.partition("-")
    if country not in known or (part and part not in known[country]):
        raise ValueError(f"{value!r} is not a country with a calendar; write an ISO 3166 code such as CN, DE or DE-BY")
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{value!r} is not an address to listen on such as 127.0.0.1:8080")
    return value


def _web_url(value: str) -> str:
    if not re.match(r"https?://[^/\s@]+(/|$)", value):
        raise ValueError("must be an address such as https://syncd.agency.example, without a password in it")
    return value.rstrip("/")


def _secret_reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError(BY_REFERENCE)
    return value


def _database(value: str) -> str:
    if not is_reference(value) and _PASSWORD.match(value):
        raise ValueError("holds a password; put the whole address into an environment variable and write env:NAME")
    return value


def _remote_id(value: Any) -> Any:
    # A plain int only: ruamel marks those that were written otherwise (0123, 0x1F), whose text is lost.
    return str(value) if type(value) is int else value


def _span(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d? working days?", value):
        raise ValueError(f"{value!r} is not a span such as 2 working days")
    return value


def _when(value: Any) -> Any:
    return value if isinstance(value, When) else When.parse(value)


_TEXT: Final = {"type": "string"}
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({**_TEXT, "pattern": r"^(\d+ ?[smhdw]|hourly|daily|weekly)$", "examples": ["5m", "1h", "weekly"]}),
]
Timezone = Annotated[str, AfterValidator(_timezone), WithJsonSchema({**_TEXT, "examples": ["Asia/Shanghai"]})]
Locale = Annotated[str, AfterValidator(_locale), WithJsonSchema({**_TEXT, "enum": list(LOCALES)})]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({**_TEXT, "format": "email"})]
Country = Annotated[str, AfterValidator(_country), WithJsonSchema({**_TEXT, "examples": ["CN", "DE-BY"]})]
RemoteId = Annotated[str, BeforeValidator(_remote_id), WithJsonSchema({"type": ["string", "integer"]})]
ListenAddress = Annotated[str, AfterValidator(_listen)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
SecretReference = Annotated[str, AfterValidator(_secret_reference)]
DatabaseAddress = Annotated[str, AfterValidator(_database)]
WorkingDays = Annotated[str, AfterValidator(_span)]
Rhythm = Annotated[
    When,
    BeforeValidator(_when),
    WithJsonSchema({**_TEXT, "examples": ["friday 16:00", "weekdays 09:30", "monthly 1 09:00", "with digest"]}),
]


def resolve_reference(value: str, *, where: str) -> str:
    """Return what `env:NAME` or `file:/path` refers to; ConfigError when it is missing, unreadable or empty."""
    found = _REFERENCE.fullmatch(value)
    if not found:
        raise ConfigError(f"{where}: {BY_REFERENCE}")
    kind, name = found[1], found[2].strip()
    secret = os.environ.get(name, "") if kind == "env" else _read_secret(Path(name), where)
    if not secret:
        what = f"environment variable {name} is not set" if kind == "env" else f"{name} is empty"
        raise ConfigError(f"{where}: {what}; set it, or point the reference elsewhere")
    log.hide(secret)
    return secret


def _read_secret(path: Path, where: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{where}: {path} cannot be read ({err.__class__.__name__}); check path and rights") from err


def is_reference(value: Any) -> bool:
    """Say whether a value of a file refers to a secret elsewhere."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
