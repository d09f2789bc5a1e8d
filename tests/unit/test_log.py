"""Logs: one line an event, no secret in any of them, whatever shape it comes in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from syncd import log

CANARY = "canary-4711/äß+x"


@pytest.fixture
def lines() -> Iterator[StringIO]:
    before = structlog.get_config()
    stream = StringIO()
    log.configure(stream=stream, json=True, level="debug")
    log.hide(CANARY)
    yield stream
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def _hidden_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_hidden", dict(log._hidden))


# -- scrub ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("https://u:p@host/x", "https://***@host/x"),
        ("https://u:p@ss@host/x", "https://***@host/x"),
        ("postgresql://syncd:geheim@db:5432/syncd", "postgresql://***@db:5432/syncd"),
        ("https://h/x?token=geheim&page=2", "https://h/x?token=***&page=2"),
        ("https://h/x?page=2&access_token=geheim", "https://h/x?page=2&access_token=***"),
        ("https://h/x?client_secret=geheim#top", "https://h/x?client_secret=***#top"),
        ("https://h/x?key=geheim&code=geheim", "https://h/x?key=***&code=***"),
        ("https://h/x?sig=geheim;api_key=geheim", "https://h/x?sig=***;api_key=***"),
        ("Authorization: Bearer geheim.geheim", "Authorization: ***"),
        ("authorization: token geheim", "authorization: ***"),
        ("X-Api-Key: geheim", "X-Api-Key: ***"),
        ("Set-Cookie: session=geheim; Path=/", "Set-Cookie: ***"),
        ("sent Bearer abc123def456", "sent Bearer ***"),
        ("sent Basic dXNlcjpnZWhlaW0=", "sent Basic ***"),
        ("sent Zoho-oauthtoken 1000.abc.def", "sent Zoho-oauthtoken ***"),
        ('{"refresh_token": "geheim", "page": 2}', '{"refresh_token": "***", "page": 2}'),
        ("{'password': 'geheim'}", "{'password': \"***\"}"),
        ("password=geheim next", "password=*** next"),
        ("ghp_0123456789abcdef", "***"),
        ("github_pat_0123456789", "***"),
        ("xoxb-0123456789-abc", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "***"),
    ],
)
def test_secret_is_masked(text: str, scrubbed: str) -> None:
    assert log.scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "assignee=wang design=blue signal=green",
        "Basic information about the project",
        "Bearer of bad news",
        "error code=404 in page_key=7",
        "author: Wang, the cook: Li",
        "https://h/x?page=2&sort=updated",
        "项目周报：完成 72 %",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert log.scrub(text) == text


def test_known_value_is_masked_also_as_a_url_writes_it() -> None:
    log.hide(CANARY)

    text = log.scrub(f"{CANARY} canary-4711%2F%C3%A4%C3%9F%2Bx")

    assert text == "*** ***"


def test_longer_secret_is_masked_whole_when_it_begins_with_another() -> None:
    log.hide("abcdef-1")
    log.hide("abcdef-1-and-more")

    assert log.scrub("x abcdef-1-and-more y abcdef-1 z") == "x *** y *** z"


def test_short_values_are_words_and_stay() -> None:
    log.hide("task")

    assert log.scrub("task list") == "task list"


def test_memory_of_secrets_is_bounded() -> None:
    for number in range(6000):
        log.hide(f"secret-number-{number}")

    assert log.scrub("secret-number-5999") == "***"
    assert len(log._hidden) <= 4096


def test_secret_that_is_hidden_again_is_not_forgotten_first() -> None:
    log.hide("configured-secret")
    for number in range(3000):
        log.hide(f"renewed-secret-{number}")
    log.hide("configured-secret")
    for number in range(3000, 6000):
        log.hide(f"renewed-secret-{number}")

    assert log.scrub("configured-secret") == "***"


# -- one line -------------------------------------------------------------------------------------------------


@given(st.text())
def test_line_stays_one_line(text: str) -> None:
    line = log.one_line(text)

    assert len(line) == len(text)
    assert line.splitlines() in ([line], [])


@pytest.mark.parametrize("mark", ["\x1b[31m", "\x9b31m", "\u202e", "\u2066", "\x00", "\r\n", "\u2028", "\x85"])
def test_control_characters_become_spaces(mark: str) -> None:
    assert log.one_line(f"a{mark}b") == f"a{''.join(c if c.isprintable() else ' ' for c in mark)}b"


# -- lines ----------------------------------------------------------------------------------------------------

WRAPPED: list[Any] = [
    CANARY,
    f"text with {CANARY} inside",
    {"inner": CANARY},
    {CANARY: 1},
    [CANARY, {"deep": [CANARY]}],
    (CANARY,),
    {CANARY},
    ValueError(CANARY),
    SecretStr(CANARY),
    CANARY.encode(),
    {"a": {"b": {"c": {"d": [({"e": CANARY},)]}}}},
]


@pytest.mark.parametrize("value", WRAPPED, ids=lambda value: type(value).__name__)
def test_secret_is_in_no_line_however_wrapped(lines: StringIO, value: Any) -> None:
    log.get().info("something happened", value=value, other=[value])

    said = lines.getvalue()
    assert "canary-4711" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "key", ["password", "client_secret", "token", "Authorization", "api_key", "apikey", "cookie", "sig", "x_signature"]
)
def test_value_under_a_secret_name_is_masked(lines: StringIO, key: str) -> None:
    log.get().info("something happened", **{key: "whatever"}, nested={key: "whatever"})

    line = json.loads(lines.getvalue())
    assert line[key] == "***"
    assert line["nested"][key] == "***"


@pytest.mark.parametrize("key", ["assignee", "design", "idempotency_key", "signal", "records"])
def test_value_under_a_plain_name_stays(lines: StringIO, key: str) -> None:
    log.get().info("something happened", **{key: "whatever"})

    assert json.loads(lines.getvalue())[key] == "whatever"


def test_numbers_under_a_secret_name_are_counts(lines: StringIO) -> None:
    log.get().info("grant renewed", token_seconds=3600, tokens=2)

    line = json.loads(lines.getvalue())
    assert (line["token_seconds"], line["tokens"]) == (3600, 2)


def test_traceback_shows_neither_secret_nor_locals(lines: StringIO) -> None:
    password = "local-canary-value"  # noqa: F841 a local that a traceback with locals would show

    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        log.get().exception("job failed")

    said = lines.getvalue()
    line = json.loads(said)
    assert line["event"] == "job failed"
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "canary-4711" not in said
    assert "local-canary-value" not in said
    assert len(said.splitlines()) == 1


def test_console_traceback_shows_no_secret() -> None:
    before, stream = structlog.get_config(), StringIO()
    log.configure(stream=stream, json=False)
    log.hide(CANARY)

    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        log.get().exception("job failed")
    structlog.configure(**before)

    assert "canary-4711" not in stream.getvalue()
    assert "ValueError: bad ***" in stream.getvalue()


def test_vendor_text_cannot_forge_a_line(lines: StringIO) -> None:
    log.get().info("page stored", title='x"}\n{"event": "admin logged in", "level": "info"}')

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "page stored"


def test_payload_is_cut(lines: StringIO) -> None:
    log.get().info("page stored", title="x" * 1_000_000)

    assert len(lines.getvalue()) < 10_000


def test_facts_level_and_time_stand_in_each_line(lines: StringIO) -> None:
    log.get(connection="acme").warning("connection went down", attempts=3, share=0.5, known=True, missing=None)

    line = json.loads(lines.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "connection went down",
        "level": "warning",
        "connection": "acme",
        "attempts": 3,
        "share": 0.5,
        "known": True,
        "missing": None,
    }


def test_level_below_the_configured_one_is_silent(lines: StringIO) -> None:
    log.configure(stream=lines, json=True, level="warning")

    log.get().info("page stored")

    assert lines.getvalue() == ""


def test_json_is_the_default_outside_a_terminal() -> None:
    before, stream = structlog.get_config(), StringIO()
    log.configure(stream=stream)

    log.get().info("run ended", account="客户")
    structlog.configure(**before)

    assert json.loads(stream.getvalue())["account"] == "客户"
