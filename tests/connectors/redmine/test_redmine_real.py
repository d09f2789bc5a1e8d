"""The connector on a Redmine that others wrote, and the fake beside it: where they disagree, Redmine is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from connectors.redmine import Redmine, RedmineConfig
from connectors.redmine.fake import Fake
from connectors.redmine.writing import mark_of
from syncd.sdk import AddressGuard, AuthError, Command, ConnectorContext, Outcome, RejectedError
from tests.integration.redmine_stage import CLOSED, RESOLVED, Server

pytestmark = pytest.mark.needs("SYNCD_TEST_REDMINE")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., Redmine]]:
    made: list[Redmine] = []

    def connect(*projects: str, key: str = "") -> Redmine:
        config = RedmineConfig(base_url=server.url, api_key=SecretStr(key or server.key), projects=projects)
        guard = AddressGuard(private_hosts=frozenset({"127.0.0.1"}))
        made.append(Redmine(config, context=ConnectorContext(guard=guard)))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def test_second_that_fills_pages_is_read_whole(
    server: Server, connect: Callable[..., Redmine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One second holds several pages, in an order of fractions that are not shown."""
    monkeypatch.setattr("connectors.redmine.walk.PAGE_SIZE", 2)
    titles = {f"Task {n:02}" for n in range(20)}
    for title in sorted(titles):
        server.issue(title)

    pages = list(connect(server.name).read("issues", None, partition=server.name))

    found = [record.data["subject"] for page in pages for record in page.records]
    assert set(found) == titles
    assert len(found) == 20
    assert len({record.updated_at for page in pages for record in page.records}) < 20


def test_comment_is_written_found_and_never_taken_for_granted(server: Server, connect: Callable[..., Redmine]) -> None:
    number = server.issue("Report")
    ours = connect(server.name)
    command = Command("create_comment", uuid4().hex, {"notes": "进度 **80 %** 🙂"}, str(number))

    before, receipt, after = ours.find(command), ours.write(command), ours.find(command)

    assert before is None
    assert receipt.outcome is Outcome.CREATED
    assert after is not None
    assert after.remote_id == receipt.remote_id
    assert server.notes_of(number) == [f"进度 **80 %** 🙂\n\n{mark_of(command.idempotency_key)}"]


def test_fields_are_set_and_what_redmine_drops_is_named(server: Server, connect: Callable[..., Redmine]) -> None:
    number, version = server.issue("Export"), server.version("Gamma")["id"]
    field = next(
        row for row in server.ask("GET", "custom_fields.json")["custom_fields"] if row["name"] == "Client reference"
    )
    ours = connect()
    wish = {
        "status_id": RESOLVED,
        "done_ratio": 70,
        "fixed_version_id": version,
        "due_date": "2030-04-01",
        "estimated_hours": 3,
        "custom_fields": [{"id": field["id"], "value": "A-7"}],
    }

    done = ours.write(Command("update_issue", "k", wish, str(number)))
    again = ours.write(Command("update_issue", "k", wish, str(number)))

    assert (done.outcome, again.outcome) == (Outcome.UPDATED, Outcome.UNCHANGED)
    row = server.ask("GET", f"issues/{number}.json?include=journals")["issue"]
    assert (row["status"]["id"], row["done_ratio"], row["due_date"]) == (RESOLVED, 70, "2030-04-01")
    assert len(row["journals"]) == 1
    with pytest.raises(RejectedError, match="ignored status_id"):
        ours.write(Command("update_issue", "k2", {"status_id": 9999}, str(number)))
    with pytest.raises(RejectedError, match="Subject cannot be blank"):
        ours.write(Command("update_issue", "k3", {"subject": ""}, str(number)))


def test_check_of_a_developer_and_of_a_stranger(server: Server, connect: Callable[..., Redmine]) -> None:
    _, key = server.member()

    identity = connect(server.name, "no-such-project", key=key).check()

    assert identity.missing == ("no-such-project: it does not exist, is archived, or the user may not see it (404)",)
    assert identity.notes[-1].startswith("not an administrator")
    with pytest.raises(AuthError, match="does not know the key"):
        connect(key="0" * 40).check()


def test_every_stream_of_a_developer_but_custom_fields_is_read(server: Server, connect: Callable[..., Redmine]) -> None:
    start, end = server.issue("Start"), server.issue("End")
    server.post(f"issues/{start}/relations", relation={"issue_to_id": end, "relation_type": "precedes"})
    server.change(start, notes="Begun")
    server.version("One")
    number, key = server.member()
    ours = connect(key=key)

    found = {
        spec.name: [
            record
            for partition in ours.partitions(spec.name)
            for page in ours.read(spec.name, None, partition=partition)
            for record in page.records
        ]
        for spec in ours.spec.streams
        if spec.name != "custom_fields"
    }

    assert [record.remote_id for record in found["projects"]] == [server.name]
    assert [record.remote_id for record in found["users"]] == [f"users/{number}"]
    assert [record.data["name"] for record in found["versions"]] == ["One"]
    assert {record.remote_id for record in found["issues"]} == {str(start), str(end)}
    assert [record.data["notes"] for record in found["journals"] if record.data["notes"]] == ["Begun"]
    assert [(r.data["issue_id"], r.data["relation_type"]) for r in found["relations"]] == [(start, "precedes")]
    assert {record.data["name"] for record in found["statuses"]} >= {"New", "Closed", "Rejected"}
    with pytest.raises(AuthError):
        list(ours.read("custom_fields", None))


def shape(value: Any) -> Any:
    """Return the names and types in an answer; what is null or empty tells no type."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else None
    return None if value is None else type(value).__name__


def disagreements(real: Any, fake: Any, path: str = "") -> list[str]:
    """Return where two shapes differ."""
    if isinstance(real, dict) and isinstance(fake, dict):
        missing = [f"{path}/{name}: only one has it" for name in sorted(real.keys() ^ fake.keys())]
        both = sorted(real.keys() & fake.keys())
        return missing + [one for name in both for one in disagreements(real[name], fake[name], f"{path}/{name}")]
    if isinstance(real, list) and isinstance(fake, list):
        return disagreements(real[0], fake[0], f"{path}[]")
    return [] if real == fake or real is None or fake is None else [f"{path}: {real} and {fake}"]


def test_fake_shows_lists_and_objects_as_the_real_one_does(server: Server) -> None:
    version, number = server.version("One", due_date="2026-04-01")["id"], server.issue("Start")
    wish = {
        "fixed_version_id": version,
        "description": "a",
        "estimated_hours": 1.5,
        "parent_issue_id": server.issue("Top"),
    }
    server.change(number, **wish, notes="Begun", status_id=CLOSED, assigned_to_id=server.member()[0])
    server.post(f"issues/{server.issue('End')}/relations", relation={"issue_to_id": number, "relation_type": "blocks"})
    with Fake() as fake:
        project = fake.add_project(server.name, "Portal")
        fake.add_member(project, fake.me)
        fake.add_custom_field("Client reference")
        told = {"id": 1, "name": "One"}
        there = {"fixed_version": told, "description": "a", "estimated_hours": 1.5, "total_estimated_hours": 1.5}
        issue = fake.add_issue(project, "Start", status="Closed", assigned_to=told, parent={"id": 1}, **there)["id"]
        fake.add_version(project, "One", due_date="2026-04-01")
        fake.add_journal(
            issue, "Begun", details=[{"property": "attr", "name": "a", "old_value": "1", "new_value": "2"}]
        )
        fake.add_relation(issue, issue)

        def of_fake(path: str) -> Any:
            return httpx.get(f"{fake.url}/{path}", headers={"X-Redmine-API-Key": fake.key}).json()

        paths = [
            f"projects/{server.name}.json?include=enabled_modules",
            "projects.json?status=1%7C5&include=enabled_modules",
            f"projects/{server.name}/versions.json",
            f"projects/{server.name}/memberships.json",
            f"issues.json?project_id={server.name}&status_id=*&sort=id:asc&include=relations",
            "issues/{number}.json?include=journals",
            "users.json",
            "custom_fields.json",
            "issue_statuses.json",
        ]
        found = {
            path: disagreements(
                shape(server.ask("GET", path.format(number=number))), shape(of_fake(path.format(number=issue)))
            )
            for path in paths
        }

    assert {path: differences for path, differences in found.items() if differences} == {}
