"""An answer of a vendor, and what its standard headers say."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from syncd import log
from syncd.errors import ContractError, TransientError

_LONGEST_PAUSE: Final = 86_400.0  # a vendor that asks for more than a day is taken to be mistaken


@dataclass(frozen=True)
class Reply:
    """An answer of the vendor: status, headers (case-insensitive), raw body, final URL."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: str

    @cached_property
    def json(self) -> Any:
        """The decoded body, None when it is empty; TransientError when it is not JSON (cut off on its way)."""
        if not self.content:
            return None
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as err:
            raise TransientError(
                f"{where(self.url)}: the answer is not JSON ({err}); it was cut off or is not the vendor's",
                status=self.status,
            ) from err

    def member(self, name: str) -> Any:
        """Return `name` of the decoded object; ContractError when the body is no object or does not have it."""
        body = self.json
        if not isinstance(body, dict) or name not in body:
            raise ContractError(
                f"{where(self.url)}: the answer has no {name!r}; the vendor no longer answers as documented",
                status=self.status,
            )
        return body[name]

    @property
    def next_url(self) -> str | None:
        """The `rel="next"` target of the Link header (RFC 8288), made absolute."""
        for link in httpx.Response(200, headers=self.headers).links.values():
            if "next" in (link.get("rel") or "").lower().split() and link.get("url"):
                return urljoin(self.url, link["url"])
        return None

    @property
    def date(self) -> datetime | None:
        """The vendor's clock, from the Date header, aware UTC."""
        return parse_date(self.headers.get("date", ""))


def where(url: str) -> str:
    """Return `url` without scheme, query, fragment, userinfo and known secrets, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all
        return "?"
    host = parts.netloc.rpartition("@")[2]
    return log.one_line(log.scrub(f"{host}{parts.path}"))


def retry_after_seconds(reply: Reply, now: datetime) -> float | None:
    """Read `Retry-After` as seconds or as an HTTP date; never negative, None when absent or unreadable.

    A date is compared with the vendor's own clock where the answer shows it, so a wrong clock here does no harm.
    """
    value = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", value):
        seconds = float(value)
    elif (at := parse_date(value)) is not None:
        seconds = (at - (reply.date or now)).total_seconds()
    else:
        return None
    return min(max(0.0, seconds), _LONGEST_PAUSE) if math.isfinite(seconds) else None


def parse_date(value: str) -> datetime | None:
    """Parse an HTTP date into aware UTC; None when it is none."""
    try:
        at = parsedate_to_datetime(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
