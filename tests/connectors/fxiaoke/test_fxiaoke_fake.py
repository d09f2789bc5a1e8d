"""The fake is as strict as Fxiaoke: its limits, its refusals, its queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.fxiaoke.fake import APP_ID, APP_SECRET, PERMANENT_CODE, Fake
from syncd.sdk.testing import Clock

AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
APP = {"appId": APP_ID, "appSecret": APP_SECRET, "permanentCode": PERMANENT_CODE}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(fake: Fake) -> Iterator[Call]:
    """POST as a client of the body style does; the token is fetched at the first call."""
    login: dict[str, str] = {}
    client = httpx.Client()

    def send(path: str, **body: Any) -> dict[str, Any]:
        if not login:
            got = client.post(f"{fake.url}/cgi/corpAccessToken/get/V2", json=APP).json()
            login.update(corpAccessToken=got["corpAccessToken"], corpId=got["corpId"], currentOpenUserId=fake.admin)
        answer = client.post(f"{fake.url}{path}", json={**login, **body})
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    yield send
    client.close()


def query(call: Call, *filters: tuple[str, str, list[Any]], **search: Any) -> dict[str, Any]:
    wanted = [{"field_name": f, "operator": o, "field_values": v} for f, o, v in filters]
    data = {
        "dataObjectApiName": "AccountObj",
        "find_explicit_total_num": True,
        "search_query_info": {"limit": 100, "offset": 0, "filters": wanted, **search},
    }
    return call("/cgi/crm/v2/data/query", data=data)


def test_token_is_the_same_for_6600_seconds_and_both_work_then(fake: Fake, clock: Clock) -> None:
    def token() -> str:
        return str(httpx.post(f"{fake.url}/cgi/corpAccessToken/get/V2", json=APP).json()["corpAccessToken"])

    first = token()
    clock.wait(6599)
    same = token()
    clock.wait(2)
    newer = token()

    assert first == same
    assert newer != first
    for one in (first, newer):
        body = {"corpAccessToken": one, "corpId": "FSCID_FAKE01", "departmentId": 999999, "fetchChild": True}
        assert httpx.post(f"{fake.url}/cgi/user/list", json=body).json()["errorCode"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, 20017), ({"corpAccessToken": "forged", "corpId": "FSCID_FAKE01", "currentOpenUserId": "FSUID_1"}, 20016)],
)
def test_login_is_refused_with_the_recorded_codes(fake: Fake, body: dict[str, str], code: int) -> None:
    answer = httpx.post(f"{fake.url}/cgi/crm/v2/data/query", json=body)

    assert (answer.status_code, answer.json()["errorCode"]) == (200, code)


def test_unknown_path_is_10006_inside_a_200(fake: Fake) -> None:
    answer = httpx.post(f"{fake.url}/cgi/no/such", json={})

    assert (answer.status_code, answer.json()["errorCode"]) == (200, 10006)


def test_hundred_and_first_call_of_an_interface_in_20_seconds_is_refused(fake: Fake, call: Call, clock: Clock) -> None:
    codes = [query(call)["errorCode"] for _ in range(101)]
    other = call("/cgi/crm/v2/object/list")["errorCode"]
    clock.wait(20.1)

    assert (codes[:100], codes[100], other) == ([0] * 100, 14001, 0)
    assert query(call)["errorCode"] == 0


@pytest.mark.parametrize(
    ("search", "code"),
    [
        ({"limit": 101}, 12004),
        ({"limit": 0}, 12004),
        ({"offset": 50}, 12004),
        ({"offset": 10_000}, 0),
        ({"offset": 10_100}, 10013),
    ],
)
def test_page_limits(call: Call, search: dict[str, int], code: int) -> None:
    assert query(call, **search)["errorCode"] == code


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (("name", "EQ", ["甲"]), "甲"),
        (("name", "N", ["甲"]), "乙丙"),
        (("name", "LIKE", ["乙"]), "乙"),
        (("tel", "IS", []), "丙"),
        (("tel", "ISN", []), "甲乙"),
        (("tel", "STARTWITH", ["021"]), "甲"),
        (("tel", "ENDWITH", ["8"]), "乙"),
        (("name", "IN", ["甲", "丙"]), "甲丙"),
        (("name", "NIN", ["甲", "丙"]), "乙"),
        (("owner", "HASANYOF", ["FSUID_FAKE0001"]), "甲乙丙"),
        (("create_time", "GT", ["1772434800000"]), "乙丙"),
        (("create_time", "LTE", [1772434800000]), "甲"),
        (("create_time", "BETWEEN", ["1772434800000", "1772434860000"]), "甲乙"),
    ],
)
def test_operators(fake: Fake, call: Call, condition: tuple[str, str, list[Any]], names: str) -> None:
    fake.add_account("甲", at=AT, tel="021-1")
    fake.add_account("乙", at=AT.replace(minute=1), tel="0571-8")
    fake.add_account("丙", at=AT.replace(minute=2))

    rows = query(call, condition)["data"]["dataList"]

    assert {row["name"] for row in rows} == set(names)


def test_empty_fields_are_left_out_and_labels_added(fake: Fake, call: Call) -> None:
    deal = fake.add_opportunity("二期", account=fake.add_account("澄远"))
    fake.edit("NewOpportunityObj", deal, amount=None)

    row = call("/cgi/crm/v2/data/get", data={"dataObjectApiName": "NewOpportunityObj", "objectDataId": deal})["data"]

    assert "amount" not in row
    assert (row["sales_stage__r"], row["account_id__r"], row["owner__r"]["name"]) == ("需求确认", "澄远", "王敏")


def test_clients_are_seeded_with_people_and_opportunities(fake: Fake) -> None:
    seeded = fake.seed_clients(at=AT)

    assert list(seeded) == ["上海澄远科技有限公司", "杭州示例软件", "Northwind Shanghai Ltd"]
    assert [len(fake.records(name)) for name in ("AccountObj", "ContactObj", "NewOpportunityObj")] == [3, 3, 3]
