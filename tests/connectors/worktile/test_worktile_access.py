"""Signing in, what `check` tells, and how refusals and limits are understood."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from connectors.worktile import Worktile
from connectors.worktile.dialect import code_of, has_failed, is_refused, moment, unwrapped
from connectors.worktile.fake import Fake
from syncd.sdk import AuthError, ContractError
from syncd.sdk.fake import Fault
from syncd.sdk.testing import Clock

Connect = Callable[..., Worktile]


def test_check_names_the_application_and_that_it_only_reads(fake: Fake, connect: Connect) -> None:
    fake.add_task(fake.add_project("Orbit"), "task")

    identity = connect().check()

    assert identity.name == "application wt-client-41d0"
    assert identity.missing == ()
    assert identity.notes == ("only reads; allow_writes is false",)
    assert identity.clock_skew_seconds is not None


def test_check_says_when_it_may_write_and_when_it_sees_nothing(connect: Connect) -> None:
    identity = connect(allow_writes=True).check()

    assert identity.notes == (
        "may create projects",
        "no project is visible to this application, so reading tasks was not tried",
    )


def test_check_tries_the_configured_project(fake: Fake, connect: Connect) -> None:
    fake.add_project("Other")
    ours = fake.add_project("Ours")

    connect(projects=["Ours"]).check()

    assert [c.query["project_id"] for c in fake.calls if "project_id" in c.query] == [ours]


def test_check_names_the_calls_that_are_refused(fake: Fake, connect: Connect) -> None:
    fake.add_task(fake.add_project("Orbit"), "task")
    fake.misbehave(Fault.FORBIDDEN, path="get-members", times=9)
    fake.misbehave(Fault.FORBIDDEN, path="get-tasks-by-ids", times=9)

    identity = connect().check()

    assert identity.missing == (
        "read members (contact/get-members-by-page)",
        "read task details (mission/get-tasks-by-ids)",
    )


def test_token_goes_into_query_and_header_and_is_asked_for_once(fake: Fake, connect: Connect) -> None:
    connector = connect()

    for _ in range(3):
        list(connector.read("users", None))

    assert fake.count("/tenant-access-token") == 1
    assert all(call.query["access_token"].startswith("eyJ") for call in fake.calls[1:])


@pytest.mark.parametrize("status", [200, 401])
def test_revoked_token_is_replaced_however_that_is_told(fake: Fake, connect: Connect, status: int) -> None:
    fake.expired_status = status
    fake.add_member("王丽")
    connector = connect()
    list(connector.read("users", None))
    fake.revoke_tokens()

    found = [record for page in connector.read("users", None) for record in page.records]

    assert len(found) == 1
    assert fake.count("/tenant-access-token") == 2


def test_token_is_renewed_a_minute_before_its_end(fake: Fake, clock: Clock, connect: Connect) -> None:
    connector = connect()
    list(connector.read("users", None))
    clock.wait(timedelta(hours=2, seconds=-60).total_seconds())

    list(connector.read("users", None))

    assert [call.path.rpartition("/")[2] for call in fake.calls] == [
        "tenant-access-token",
        "get-members-by-page",
        "tenant-access-token",
        "get-members-by-page",
    ]


def test_wrong_secret_is_named_without_being_shown(connect: Connect) -> None:
    with pytest.raises(AuthError, match=r"200 code 1101: .* client_secret of connections\.contract_case") as caught:
        connect(client_secret=SecretStr("wt-wrong-7731")).check()

    assert "wt-wrong-7731" not in str(caught.value)


def test_wrong_address_is_named_with_the_right_one(fake: Fake, connect: Connect) -> None:
    with pytest.raises(ContractError, match=r"config\.base_url to https://dev\.worktile\.com/open-api"):
        connect(base_url=f"{fake.url}/api").check()


def test_page_of_html_is_waited_out_by_its_status(fake: Fake, clock: Clock, connect: Connect) -> None:
    fake.add_member("王丽")
    connector = connect()
    list(connector.read("users", None))
    fake.misbehave(Fault.RATE_LIMITED, retry_after=12.0)
    fake.misbehave(Fault.SERVER_ERROR)

    found = [record for page in connector.read("users", None) for record in page.records]

    assert len(found) == 1
    assert sum(clock.waits) >= 12.0


def test_too_many_calls_at_once_are_refused_with_a_page(fake: Fake) -> None:
    inside, through = threading.Barrier(9), threading.Event()

    def hold(_: object) -> None:
        inside.wait(10.0)
        through.wait(10.0)

    fake.before_each(hold)
    with ThreadPoolExecutor(8) as pool:
        held = [pool.submit(httpx.get, f"{fake.url}/open-api/x", timeout=20.0) for _ in range(8)]
        inside.wait(10.0)
        one_more = httpx.get(f"{fake.url}/open-api/x", timeout=20.0)
        through.set()
        others = [answer.result().status_code for answer in held]

    assert (one_more.status_code, one_more.headers["content-type"]) == (429, "text/html")
    assert others == [404] * 8


# -- the table of answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "failed", "code"),
    [
        ({"ok": False, "error_code": 1103, "error_message": "invalid access token"}, True, "1103"),
        ({"ok": False}, True, None),
        ({"error_code": 100005, "error_message": "…", "request": "…"}, True, "100005"),
        ({"ok": True, "value": []}, False, None),
        ({"items": [], "error_code": 0}, False, None),
        ([], False, None),
        ("ok", False, None),
        (None, False, None),
    ],
)
def test_error_is_told_by_the_body(body: object, failed: bool, code: str | None) -> None:
    assert (has_failed(body), code_of(body)) == (failed, code)


@pytest.mark.parametrize(
    ("status", "content", "refused"),
    [
        (401, b"", True),
        (200, b'{"ok":false,"error_code":1102}', True),
        (200, b'{"ok":false,"error_code":1103}', True),
        (200, b'{"ok":false,"error_code":1001}', False),
        (200, b'{"ok":false,"error_', False),
        (429, b"<html>429</html>", False),
        (200, b'{"items":["' + b"1103" * 5000 + b'"]}', False),
    ],
)
def test_refused_token_is_told_by_status_or_code(status: int, content: bytes, refused: bool) -> None:
    assert is_refused(httpx.Response(status, content=content)) is refused


@pytest.mark.parametrize(
    ("body", "inner"),
    [
        ({"data": {"value": {"_id": "1"}}}, {"_id": "1"}),
        ({"value": {"_id": "1"}}, {"_id": "1"}),
        ({"data": {"_id": "1"}}, {"_id": "1"}),
        ({"data": [1]}, [1]),
        ({"_id": "1"}, {"_id": "1"}),
        ([1], [1]),
        (None, None),
    ],
)
def test_wrappings_are_taken_off(body: object, inner: object) -> None:
    assert unwrapped(body) == inner


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (1767225600, datetime(2026, 1, 1, tzinfo=UTC)),
        (0, None),
        (None, None),
        (True, None),
        ("1767225600", None),
        (10**18, None),
    ],
)
def test_stamps_are_seconds_and_zero_is_none(value: object, at: datetime | None) -> None:
    assert moment(value) == at
