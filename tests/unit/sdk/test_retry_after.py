"""Headers of an answer: how long to wait, where the list goes on, what the vendor's clock says."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from syncd.errors import ContractError, TransientError
from syncd.sdk import Reply
from syncd.sdk.api import retry_after_seconds, where

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def reply(body: bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(429, httpx.Headers(named), body, "https://vendor.test/api/v3/items?page=1&token=geheim")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("-5", 0.0),
        ("Mon, 02 Mar 2026 09:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 17:00:30 +0800", 30.0),
        ("Mon, 02 Mar 2026 08:59:00 GMT", 0.0),
        ("Monday, 02-Mar-26 09:00:30 GMT", 30.0),
        ("99999999999999999999", 86_400.0),
        ("Fri, 31 Dec 2199 23:59:59 GMT", 86_400.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("7 seconds", None),
        ("٧", 7.0),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    headers = httpx.Headers([(b"retry-after", value.encode())])

    assert retry_after_seconds(Reply(429, headers, b"", "https://vendor.test"), NOW) == seconds


def test_date_is_compared_with_the_vendors_own_clock() -> None:
    answer = reply(retry_after="Mon, 02 Mar 2026 12:00:30 GMT", date="Mon, 02 Mar 2026 12:00:00 GMT")

    assert retry_after_seconds(answer, NOW) == 30.0


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ('<https://vendor.test/items?page=2>; rel="next"', "https://vendor.test/items?page=2"),
        ('<https://vendor.test/a>; rel="prev", <https://vendor.test/b>; rel="next"', "https://vendor.test/b"),
        ("<https://vendor.test/b>; rel=next", "https://vendor.test/b"),
        ('<https://vendor.test/b>; rel="last next"', "https://vendor.test/b"),
        ('<https://vendor.test/b>; rel="NEXT"', "https://vendor.test/b"),
        ('</api/v3/items?page=2>; rel="next"', "https://vendor.test/api/v3/items?page=2"),
        ('<?page=2>; rel="next"', "https://vendor.test/api/v3/items?page=2"),
        ('<https://vendor.test/b>; rel="last"', None),
        ("", None),
        ("rubbish", None),
    ],
)
def test_next_link_is_read(link: str, target: str | None) -> None:
    assert reply(link=link).next_url == target


@pytest.mark.parametrize("value", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT", "0"])
def test_unreadable_date_is_none(value: str) -> None:
    assert reply(date=value).date is None


def test_date_is_utc() -> None:
    assert reply(date="Mon, 02 Mar 2026 09:00:00 GMT").date == NOW


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:geheim@vendor.test:8443/a/b?token=geheim#geheim", "vendor.test:8443/a/b"),
        ("https://vendor.test:port/a", "vendor.test:port/a"),
        ("/relative?token=geheim", "/relative"),
        ("https://vendor.test/a\nb", "vendor.test/ab"),
        ("", ""),
    ],
)
def test_place_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert where(url) == shown


def test_member_that_is_missing_is_named() -> None:
    with pytest.raises(ContractError, match=r"vendor\.test/api/v3/items: the answer has no 'items'"):
        reply(b'{"values": []}').member("items")


def test_member_of_a_list_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="'items'"):
        reply(b"[]").member("items")


def test_body_that_is_no_json_names_the_place() -> None:
    with pytest.raises(TransientError, match=r"vendor\.test/api/v3/items: the answer is not JSON"):
        _ = reply(b"<html>").json


def test_empty_body_is_none() -> None:
    assert reply(b"").json is None
