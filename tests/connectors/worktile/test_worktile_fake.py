"""The imitation is as strict as the vendor, and stricter where nobody knows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from connectors.worktile.fake import Fake


class Client:
    """Calls the fake as a program other than the connector would: the token in the query alone."""

    def __init__(self, fake: Fake) -> None:
        self._url = f"{fake.url}/open-api"
        login = {"client_id": fake.client_id, "client_secret": fake.client_secret}
        self._token = httpx.post(f"{self._url}/tenant-access-token", json=login).json()["tenant_access_token"]

    def ask(self, path: str, **params: Any) -> Any:
        query = {"access_token": self._token, **params}
        return httpx.get(f"{self._url}/{path}", params=query).json()


@pytest.fixture
def client(fake: Fake) -> Client:
    return Client(fake)


@pytest.mark.parametrize(("status", "headers"), [(200, {}), (401, {"Authorization": "Bearer nobody"})])
def test_token_that_was_not_issued_is_refused(fake: Fake, status: int, headers: dict[str, str]) -> None:
    fake.expired_status = status

    answer = httpx.get(f"{fake.url}/open-api/contact/get-members-by-page", headers=headers)

    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": 1103, "error_message": "invalid access token"}


def test_token_ends_after_two_hours(fake: Fake, client: Client) -> None:
    before = client.ask("contact/get-members-by-page", page_index=0, page_size=1)
    fake.advance(timedelta(hours=2))

    after = client.ask("contact/get-members-by-page", page_index=0, page_size=1)

    assert (before["items"], after["error_code"]) == ([], 1103)


def test_pages_count_from_zero(fake: Fake, client: Client) -> None:
    for number in range(120):
        fake.add_member(str(number))

    first, second, beyond = (
        client.ask("contact/get-members-by-page", page_index=page, page_size=100) for page in range(3)
    )

    assert [(len(page["items"]), page["total"], page["has_more"]) for page in (first, second, beyond)] == [
        (100, 120, True),
        (20, 120, False),
        (0, 120, False),
    ]
    assert second["items"][0]["display_name"] == "100"


@pytest.mark.parametrize("window", [{}, {"page_index": -1, "page_size": 10}, {"page_index": 0, "page_size": 101}])
def test_bad_window_is_refused_inside_a_200(client: Client, window: dict[str, int]) -> None:
    assert client.ask("mission/get-projects-by-page", **window)["error_code"] == 1001


def test_list_has_no_properties_and_details_only_those_asked_for(fake: Fake, client: Client) -> None:
    project = fake.add_project("Orbit")
    task = fake.add_task(project, "task", desc="long", due=date(2026, 1, 9), properties={"phase": "A"})

    row = client.ask("mission/get-project-tasks-by-page", project_id=project, page_index=0, page_size=1)["items"][0]
    (detail,) = client.ask("mission/get-tasks-by-ids", task_ids=f"{task},unknown", fields="due,phase")

    assert "properties" not in row
    assert detail["properties"] == {"due": {"date": 1767888000, "with_time": 0}, "phase": "A"}


def test_more_than_twenty_ids_are_refused(client: Client) -> None:
    assert client.ask("mission/get-tasks-by-ids", task_ids=",".join("x" * 21), fields="due")["error_code"] == 1001


def test_single_task_is_little_more_than_an_id_without_columns(fake: Fake, client: Client) -> None:
    task = fake.add_task(fake.add_project("Orbit"), "task", desc="long")
    fake.add_comment(task, "hello")

    bare = client.ask(f"mission/tasks/{task}")
    full = client.ask(f"mission/tasks/{task}", columns="properties,comments")["data"]["value"]

    assert bare == {"data": {"value": {"_id": task, "title": "task"}}}
    assert full["properties"]["desc"] == {"value": "long"}
    assert [comment["content"] for comment in full["comments"]] == ["hello"]


def test_history_can_be_lived_through(fake: Fake) -> None:
    project = fake.add_project("Orbit")
    fake.tenant.add_state(project, "联调中", 2)
    fake.tenant.add_type(project, "联调")
    task = fake.add_task(project, "task", type="联调")
    fake.advance(timedelta(days=7))
    fake.set_state(task, "联调中")
    fake.tenant.set_property(task, "due", date(2026, 2, 1))
    fake.advance(timedelta(days=7))
    fake.set_state(task, "已完成")

    found = fake.tenant.tasks[task]

    assert found["completed_at"] - found["created_at"] == 14 * 24 * 3600
    assert (found["task_state"]["name"], found["state_type"], found["task_type"]["name"]) == ("已完成", 3, "联调")
    assert found["properties"]["due"] == {"date": 1769875200, "with_time": 0}


def test_reopened_task_is_not_completed_any_more(fake: Fake) -> None:
    task = fake.add_task(fake.add_project("Orbit"), "task", state="已完成")

    fake.set_state(task, "进行中")

    assert fake.tenant.tasks[task]["completed_at"] == 0


def test_deleted_task_takes_its_comments_along(fake: Fake) -> None:
    task = fake.add_task(fake.add_project("Orbit"), "task")
    fake.add_comment(task, "hello")

    fake.tenant.delete(task)

    assert (fake.tenant.tasks, fake.tenant.comments) == ({}, {})
