"""The fake refuses what Zoho refuses: lists, page tokens, queries, searches, writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.zoho_crm.fake import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Fake
from syncd.sdk.testing import Clock

AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LOGIN = {
    "grant_type": "refresh_token",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def client(fake: Fake) -> Iterator[httpx.Client]:
    """A client with a login."""
    with httpx.Client(base_url=fake.url, trust_env=False) as client:
        token = client.post("/oauth/v2/token", data=LOGIN).json()["access_token"]
        client.headers["Authorization"] = f"Zoho-oauthtoken {token}"
        yield client


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    """Send a request below the API version; returns status and body."""

    def send(method: str, path: str, **rest: Any) -> tuple[int, Any]:
        answer = client.request(method, f"/crm/v8/{path}", **rest)
        return answer.status_code, answer.json() if answer.content else None

    return send


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["code"]


def test_header_with_another_scheme_is_no_login(fake: Fake, client: httpx.Client) -> None:
    client.headers["Authorization"] = client.headers["Authorization"].replace("Zoho-oauthtoken", "Bearer")

    answer = client.get("/crm/v8/org")

    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")


def test_token_ends_after_an_hour(clock: Clock, ask: Ask) -> None:
    clock.wait(3600)

    assert code(ask("GET", "org")) == (401, "INVALID_TOKEN")


def test_eleventh_token_in_ten_minutes_is_denied_in_a_200(fake: Fake, client: httpx.Client, clock: Clock) -> None:
    answers = [client.post("/oauth/v2/token", data=LOGIN) for _ in range(10)]
    clock.wait(600)
    later = client.post("/oauth/v2/token", data=LOGIN)

    assert answers[-1].status_code == 200
    assert answers[-1].json()["error"] == "Access Denied"
    assert "access_token" in later.json()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "REQUIRED_PARAM_MISSING"),
        ({"fields": ",".join(f"F{n}" for n in range(51))}, "LIMIT_EXCEEDED"),
        ({"fields": "id", "sort_by": "Account_Name"}, "INVALID_DATA"),
        ({"fields": "id", "per_page": "201"}, "INVALID_DATA"),
        ({"fields": "id", "page": "11"}, "DISCRETE_PAGINATION_LIMIT_EXCEEDED"),
        ({"fields": "id", "page": "1", "page_token": "x"}, "AMBIGUITY_DURING_PROCESSING"),
        ({"fields": "id", "page_token": "x"}, "TOKEN_BOUND_DATA_MISMATCH"),
    ],
)
def test_list_refuses(fake: Fake, ask: Ask, params: dict[str, str], expected: str) -> None:
    fake.add_account("精密制造")

    assert code(ask("GET", "Accounts", params=params)) == (400, expected)


def test_unknown_parameter_is_refused_and_noted(fake: Fake, ask: Ask) -> None:
    status, _ = ask("GET", "Accounts", params={"fields": "id", "filter": "x"})

    assert status == 400
    assert fake.refused == ["GET /crm/v8/Accounts: filter"]
    fake.refused.clear()


def test_page_token_is_bound_to_its_parameters_and_to_a_day(fake: Fake, clock: Clock, client: httpx.Client) -> None:
    for number in range(300):
        fake.add_account(f"客户 {number}")
    first = client.get("/crm/v8/Accounts", params={"fields": "id"}).json()["info"]
    token = {"fields": "id", "page_token": first["next_page_token"]}

    second = client.get("/crm/v8/Accounts", params=token).json()
    other = client.get("/crm/v8/Accounts", params={**token, "fields": "Account_Name"}).json()
    clock.wait(timedelta(hours=25).total_seconds())
    fresh = client.post("/oauth/v2/token", data=LOGIN).json()["access_token"]
    client.headers["Authorization"] = f"Zoho-oauthtoken {fresh}"
    late = client.get("/crm/v8/Accounts", params=token).json()

    assert (first["count"], first["more_records"]) == (200, True)
    assert (second["info"]["count"], second["info"]["more_records"]) == (100, False)
    assert second["info"]["next_page_token"] is None
    assert other["code"] == "TOKEN_BOUND_DATA_MISMATCH"
    assert late["code"] == "EXPIRED_VALUE"


def test_page_tokens_end_at_their_wall(fake: Fake, ask: Ask) -> None:
    fake.token_wall = 200
    for number in range(300):
        fake.add_account(f"客户 {number}")
    token = ask("GET", "Accounts", params={"fields": "id"})[1]["info"]["next_page_token"]

    answer = ask("GET", "Accounts", params={"fields": "id", "page_token": token})

    assert code(answer) == (400, "PAGINATION_LIMIT_EXCEEDED")


def test_no_rows_are_204_and_nothing_new_is_304(fake: Fake, ask: Ask) -> None:
    empty = ask("GET", "Accounts", params={"fields": "id"})
    fake.add_account("精密制造", at=AT)
    since = {"If-Modified-Since": "2026-03-02T07:00:01+00:00"}

    assert empty == (204, None)
    assert ask("GET", "Accounts", params={"fields": "id"}, headers=since) == (304, None)


def test_rows_hold_the_fields_that_were_asked_for(fake: Fake, ask: Ask) -> None:
    account = fake.add_account("精密制造", at=AT)

    _, body = ask("GET", "Accounts", params={"fields": "Account_Name,Website,Modified_Time,No_Such_Field"})

    assert body["data"] == [
        {"id": account, "Account_Name": "精密制造", "Website": None, "Modified_Time": "2026-03-02T15:00:00+08:00"}
    ]


def test_unknown_module_is_refused(ask: Ask) -> None:
    assert code(ask("GET", "Projects", params={"fields": "id"})) == (400, "INVALID_MODULE")


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Amount >= 200", ["b", "c"]),
        ("Amount > 100 and Amount < 300", ["b"]),
        ("(Stage = 'Won' or Stage = 'Lost') and (Amount != 100)", ["b", "c"]),
        ("Stage in ('Won', 'Open')", ["a", "c"]),
        ("Stage not in ('Won', 'Open')", ["b"]),
        ("Deal_Name like '%B%'", ["b"]),
        ("Deal_Name not like 'a%'", ["b", "c"]),
        ("Amount between 150 and 250", ["b"]),
        ("Next_Step is null", ["a", "c"]),
        ("Next_Step is not null", ["b"]),
        ("Next_Step = 'it\\'s late'", ["b"]),
        ("Modified_Time >= '2026-03-02T07:01:00+00:00'", ["b", "c"]),
        ("Account_Name.Account_Name = '精密制造'", ["a", "b", "c"]),
    ],
)
def test_query_selects(fake: Fake, ask: Ask, where: str, names: list[str]) -> None:
    account = fake.add_account("精密制造")
    fake.add_deal("a", account=account, amount=100.0, stage="Open", at=AT)
    fake.add_deal("b", account=account, amount=200.0, stage="Lost", at=AT + timedelta(minutes=1), Next_Step="it's late")
    fake.add_deal("c", account=account, amount=300.0, stage="Won", at=AT + timedelta(minutes=2))

    query = f"select Deal_Name from Deals where {where} order by Amount asc, id desc limit 0, 10"
    _, body = ask("POST", "coql", json={"select_query": query})

    assert [row["Deal_Name"] for row in body["data"]] == names


def test_query_pages_by_offset_and_follows_a_lookup(fake: Fake, ask: Ask) -> None:
    account = fake.add_account("精密制造")
    for name in "abc":
        fake.add_deal(name, account=account)

    query = (
        "select Deal_Name, Account_Name.Account_Name from Deals where id > 0 order by Deal_Name desc limit 1 offset 1"
    )
    _, body = ask("POST", "coql", json={"select_query": query})

    [row] = body["data"]
    assert (row["Deal_Name"], row["Account_Name.Account_Name"]) == ("b", "精密制造")
    assert body["info"] == {"count": 1, "more_records": True}
    assert ask("POST", "coql", json={"select_query": "select id from Deals where id = 7"}) == (204, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select id from Deals", "SYNTAX_ERROR"),
        ("delete from Deals where id = 1", "SYNTAX_ERROR"),
        ("select id from Deals where Amount >", "SYNTAX_ERROR"),
        ("select id from Deals where (id = 1", "SYNTAX_ERROR"),
        ("select id from Deals where id = 1 limit 2001", "LIMIT_EXCEEDED"),
        ("select Nothing from Deals where id = 1", "INVALID_QUERY"),
        ("select id from Notes where id = 1", "INVALID_QUERY"),
        ("select id from Tasks where Description like '%x%'", "INVALID_QUERY"),
        ("select id from Deals where id = 1 group by id", "SYNTAX_ERROR"),
    ],
)
def test_query_is_refused(ask: Ask, query: str, expected: str) -> None:
    assert code(ask("POST", "coql", json={"select_query": query})) == (400, expected)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"criteria": "(Stage:equals:Won)"}, ["b"]),
        ({"criteria": "((Stage:starts_with:o)and(Amount:greater_than:50))"}, ["a"]),
        ({"criteria": "((Stage:in:Won,Open)or(Amount:less_equal:1))"}, ["a", "b"]),
        ({"criteria": r"(Deal_Name:equals:c\,d)"}, ["c,d"]),
        ({"word": "quote"}, ["b"]),
    ],
)
def test_search_finds(fake: Fake, ask: Ask, query: dict[str, str], names: list[str]) -> None:
    fake.add_deal("a", amount=100.0, stage="Open")
    fake.add_deal("b", amount=200.0, stage="Won", Next_Step="send quote")
    fake.add_deal("c,d", amount=300.0, stage="Lost")

    _, body = ask("GET", "Deals/search", params=query)

    assert [row["Deal_Name"] for row in body["data"]] == names


def test_search_is_late_where_told_so(fake: Fake, clock: Clock, ask: Ask) -> None:
    fake.search_delay = timedelta(minutes=1)
    fake.add_contact("Kraus", email="lena@northwind.example")

    early = ask("GET", "Contacts/search", params={"email": "lena@northwind.example"})
    clock.wait(61)
    late = ask("GET", "Contacts/search", params={"email": "lena@northwind.example"})

    assert (early[0], late[0]) == (204, 200)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "REQUIRED_PARAM_MISSING"),
        ({"criteria": "(Stage:sounds_like:Won)"}, "INVALID_QUERY"),
        ({"criteria": "((Stage:equals:Won)"}, "INVALID_QUERY"),
        ({"word": "a", "page": "11"}, "LIMIT_REACHED"),
    ],
)
def test_search_is_refused(fake: Fake, ask: Ask, query: dict[str, str], expected: str) -> None:
    fake.add_deal("a")

    assert code(ask("GET", "Deals/search", params=query)) == (400, expected)


def test_deletions_are_listed_by_kind_and_for_their_days(fake: Fake, ask: Ask) -> None:
    old, binned, gone = (fake.add_account(name) for name in ("旧", "删", "没"))
    fake.remove("Accounts", old, at=AT - timedelta(days=61))
    fake.remove("Accounts", binned, at=AT)
    fake.remove("Accounts", gone, at=AT - timedelta(days=100), for_good=True)

    _, everything = ask("GET", "Accounts/deleted", params={"type": "all"})
    _, recycled = ask("GET", "Accounts/deleted", params={"type": "recycle"})

    assert [row["id"] for row in everything["data"]] == [binned, gone]
    assert [(row["display_name"], row["deleted_time"]) for row in recycled["data"]] == [
        ("删", "2026-03-02T15:00:00+08:00")
    ]
    assert code(ask("GET", "Accounts/deleted", params={"type": "some"})) == (400, "PATTERN_NOT_MATCHED")
    assert ask("GET", "Notes/deleted")[0] == 404


def test_create_judges_each_element(fake: Fake, ask: Ask) -> None:
    status, body = ask("POST", "Accounts", json={"data": [{"Account_Name": "Contoso AB"}, {"Phone": "+46 8 1"}]})

    assert status == 207
    assert [element["code"] for element in body["data"]] == ["SUCCESS", "MANDATORY_NOT_FOUND"]
    assert body["data"][1]["details"] == {"api_name": "Account_Name", "json_path": "$.data[1].Account_Name"}
    assert len(fake.records("Accounts")) == 1


@pytest.mark.parametrize(
    ("record", "details"),
    [
        ({"Amount": "12"}, {"expected_data_type": "currency"}),
        ({"Closing_Date": "2026-02-30"}, {"expected_data_type": "date"}),
        ({"Account_Name": "Contoso"}, {"expected_data_type": "jsonobject"}),
        ({"Account_Name": {"id": "7"}}, {"id": "7"}),
        ({"Owner": {"id": "7"}}, {"expected_data_type": "id of a user"}),
        ({"Next_Step": "x" * 256}, {"maximum_length": 255}),
        ({"Nothing": 1}, {"expected_data_type": "a field of the module"}),
    ],
)
def test_wrong_value_is_invalid_data(ask: Ask, record: dict[str, Any], details: dict[str, Any]) -> None:
    status, body = ask("POST", "Deals", json={"data": [{"Deal_Name": "a", "Stage": "Open", **record}]})

    [element] = body["data"]
    assert (status, element["code"]) == (400, "INVALID_DATA")
    assert details.items() <= element["details"].items()


def test_more_than_a_hundred_records_are_refused(ask: Ask) -> None:
    records = [{"Account_Name": f"客户 {number}"} for number in range(101)]

    assert code(ask("POST", "Accounts", json={"data": records})) == (400, "LIMIT_EXCEEDED")


def test_upsert_tells_what_it_did(ask: Ask) -> None:
    body = {"data": [{"Account_Name": "Contoso AB"}], "duplicate_check_fields": ["Account_Name"]}

    first, second = ask("POST", "Accounts/upsert", json=body)[1], ask("POST", "Accounts/upsert", json=body)[1]

    assert [(e["action"], e["duplicate_field"]) for e in first["data"]] == [("insert", None)]
    assert [(e["action"], e["duplicate_field"]) for e in second["data"]] == [("update", "Account_Name")]
    assert code(ask("POST", "Tasks/upsert", json={"data": [{"Subject": "x"}]})) == (400, "INVALID_MODULE")


def test_update_after_somebody_elses_is_412(fake: Fake, ask: Ask) -> None:
    deal = fake.add_deal("a", at=AT)
    header = {"If-Unmodified-Since": (AT - timedelta(seconds=1)).isoformat()}

    status, body = ask("PUT", f"Deals/{deal}", json={"data": [{"Stage": "Won"}]}, headers=header)

    assert (status, body["data"][0]["code"]) == (412, "ALREADY_MODIFIED")


def test_delete_moves_to_the_recycle_bin(fake: Fake, ask: Ask) -> None:
    deal = fake.add_deal("a")

    status, body = ask("DELETE", "Deals", params={"ids": f"{deal},7"})

    assert status == 207
    assert [element["code"] for element in body["data"]] == ["SUCCESS", "INVALID_DATA"]
    assert ask("GET", f"Deals/{deal}") == (204, None)


def test_note_may_be_made_under_its_record(fake: Fake, ask: Ask) -> None:
    deal = fake.add_deal("a")

    ask("POST", f"Deals/{deal}/Notes", json={"data": [{"Note_Content": "Asked for references."}]})

    _, body = ask("GET", f"Deals/{deal}/Notes", params={"fields": "Note_Content,Parent_Id"})
    [note] = body["data"]
    assert note["Parent_Id"]["module"]["api_name"] == "Deals"


def test_metadata_names_modules_and_fields(fake: Fake, ask: Ask) -> None:
    fake.add_field("Deals", "Project_Key")

    _, modules = ask("GET", "settings/modules")
    _, fields = ask("GET", "settings/fields", params={"module": "Deals"})

    assert [m["api_name"] for m in modules["modules"]] == ["Accounts", "Contacts", "Deals", "Tasks", "Notes"]
    found = {field["api_name"]: field for field in fields["fields"]}
    assert found["Amount"]["json_type"] == "double"
    assert found["Project_Key"]["custom_field"] is True
    assert found["Account_Name"]["lookup"]["module"]["api_name"] == "Accounts"


def test_credits_left_are_told_in_a_header(fake: Fake, client: httpx.Client) -> None:
    fake.credits_left = 77

    assert client.get("/crm/v8/org").headers["X-API-CREDITS-REMAINING"] == "77"


def test_queries_and_logins_are_no_writes(fake: Fake, ask: Ask) -> None:
    fake.add_deal("a")

    ask("POST", "coql", json={"select_query": "select id from Deals where id > 0"})

    assert fake.writes == 0


def test_seeded_clients_are_linked(fake: Fake) -> None:
    seeded = fake.seed_clients(at=AT)

    deal = next(row for row in fake.records("Deals") if row["id"] == seeded["精密制造有限公司"]["deal"])
    assert deal["Account_Name"] == {"name": "精密制造有限公司", "id": seeded["精密制造有限公司"]["account"]}
    assert deal["Contact_Name"]["name"] == "王 芳"
    assert deal["Deal_Name"] == "精密制造有限公司 – 客户门户"
