"""The imitation is as strict as the vendor: what a careless connector would get away with is refused here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.pingcode.fake import Fake
from syncd.sdk.testing import Clock


class Client:
    """Calls the fake as a program other than the connector would."""

    def __init__(self, fake: Fake) -> None:
        grant = {
            "grant_type": "client_credentials",
            "client_id": fake.client_id,
            "client_secret": fake.client_secret,
        }
        token = httpx.get(f"{fake.url}/v1/auth/token", params=grant).json()["access_token"]
        self._url, self._headers = fake.url, {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        answer = httpx.request(method, self._url + path, headers=self._headers, **request)
        body = answer.json()
        return answer.status_code, body["code"] if answer.status_code >= 400 else body

    def search(self, wanted: dict[str, Any], **payload: Any) -> tuple[int, Any]:
        body = {"mode": "query", "payload": {"filter": wanted, **payload}}
        return self.ask("POST", "/v1/pjm/work_items/search", json=body)


@pytest.fixture
def client(fake: Fake) -> Client:
    return Client(fake)


def test_bearer_that_was_not_issued_is_refused(fake: Fake) -> None:
    answer = httpx.get(f"{fake.url}/v1/pjm/projects", headers={"Authorization": "Bearer nobody"})

    assert answer.status_code == 401


def test_wrong_secret_is_a_400(fake: Fake) -> None:
    answer = httpx.get(
        f"{fake.url}/v1/auth/token", params={"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "100024")


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, (30, 0)),
        ({"page_size": 100, "page_index": 1}, (20, 100)),
        ({"page_index": 9}, (0, None)),
    ],
)
def test_pages_count_from_zero(fake: Fake, client: Client, window: dict[str, int], expected: Any) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    for number in range(120):
        fake.add_work_item(project, str(number))

    status, body = client.ask("GET", "/v1/pjm/work_items", params=window)

    first = int(body["values"][0]["title"]) if body["values"] else None
    assert (status, body["total"], len(body["values"]), first) == (200, 120, *expected)


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/v1/pjm/work_items", {"page_size": 101}, "100003"),
        ("/v1/pjm/work_items", {"updated_between": "1767225600"}, "100003"),
        ("/v1/project/work_items", {"updated_between": "1767225600000"}, "100004"),
        ("/v1/project/work_items", {"project_ids": ",".join("x" * 21)}, "100003"),
        ("/v1/pjm/work_items", {"include_deleted": "yes"}, "100005"),
        ("/v1/pjm/work_items/ORB-1", {}, "100317"),
        ("/v1/pjm/workitems", {}, "100002"),
        ("/v1/comments", {"principal_type": "workitem", "principal_id": "x"}, "100049"),
    ],
)
def test_bad_reads_are_refused(fake: Fake, client: Client, path: str, params: dict[str, Any], code: str) -> None:
    fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "task")

    assert client.ask("GET", path, params=params)[1] == code


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"identifier": {"in": ["ORB-1"]}}, "100003"),
        ({"updated_at": {"gte": 1767225600, "lte": 1769904000}}, "100003"),
        ({"updated_at": {"gte": 1767225600000}}, "100004"),
        ({"project.id": {"eq": "x"}}, "100003"),
    ],
)
def test_bad_searches_are_refused(client: Client, wanted: dict[str, Any], code: str) -> None:
    assert client.search(wanted) == (400, code)


def test_search_compares_times_by_the_teams_day(fake: Fake, client: Client) -> None:
    fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "changed at 17:00 in Shanghai")
    at = int(fake.now().timestamp())

    same_day = client.search({"updated_at": {"gte": at + 6 * 3600}})[1]
    next_day = client.search({"updated_at": {"gte": at + 8 * 3600}})[1]

    assert (same_day["total"], next_day["total"]) == (1, 0)


def test_deleted_items_are_shown_only_when_asked_for(fake: Fake, client: Client) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "task")

    status, gone = client.ask("DELETE", f"/v1/pjm/work_items/{item}")

    assert (status, gone["is_deleted"]) == (200, 1)
    assert client.ask("GET", "/v1/pjm/work_items")[1]["total"] == 0
    assert client.ask("GET", "/v1/pjm/work_items", params={"include_deleted": "true"})[1]["total"] == 1


def test_state_must_be_reachable_by_the_flow(fake: Fake, client: Client) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    item = fake.add_work_item(project, "task", state="已关闭")
    states = {state["name"]: state["id"] for state in fake.tenant.states[project]}

    def move(state: str) -> Any:
        return client.ask("PATCH", f"/v1/pjm/work_items/{item}", json={"state_id": state})[1]

    assert move("66c000000000000000000bad") == "100303"
    assert move(states["进行中"]) == "100379"
    assert move(states["新建"])["state"]["name"] == "新建"


def test_unknown_body_fields_are_dropped_like_the_vendor_does_but_noted(fake: Fake, client: Client) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    body = {"project_id": project, "type_id": "task", "title": "task", "deadline": 1, "assignee_id": None}

    status, made = client.ask("POST", "/v1/pjm/work_items", json=body)

    assert (status, made["assignee"]) == (201, None)
    assert fake.refused == ["POST /v1/pjm/work_items: deadline"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "no type"}, "100006"),
        ({"title": "t", "type_id": "task", "end_at": 0}, "100004"),
        ({"title": "t", "type_id": "task", "assignee_id": ""}, "100003"),
        ({"title": "t", "type_id": "nonsense"}, "100003"),
    ],
)
def test_bad_writes_are_refused(fake: Fake, client: Client, body: dict[str, Any], code: str) -> None:
    project = fake.add_project("Orbit", identifier="ORB")

    assert client.ask("POST", "/v1/pjm/work_items", json={"project_id": project, **body})[1] == code
    assert fake.tenant.work_items == {}


def test_history_can_be_lived_through(fake: Fake, clock: Clock) -> None:
    project = fake.add_project("Orbit", identifier="ORB", language="en")
    item = fake.add_work_item(project, "task")
    fake.advance(timedelta(days=7))
    fake.set_state(item, "In progress")
    fake.advance(timedelta(days=7))
    fake.set_state(item, "Done")

    task = fake.tenant.work_items[item]

    assert [h["to_state"]["name"] for h in fake.tenant.histories[item]] == ["New", "In progress", "Done"]
    assert task["completed_at"] - task["created_at"] == 14 * 24 * 3600
