"""What becomes of Worktile's records: from the fake through the connector and the shipped mapping."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.worktile import Worktile
from connectors.worktile.fake import Fake
from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.model.entities import (
    Activity,
    ChangeRequest,
    Entity,
    Holder,
    Milestone,
    MilestoneStatus,
    Project,
    Risk,
    Task,
    User,
    entity_id,
)
from syncd.sdk import Record

Connect = Callable[..., Worktile]
MAPPING = loader.load("worktile", user_dir=None)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def entity_of(record: Record) -> Entity | None:
    return MAPPING.entity(record, connection="studio", timezone=SHANGHAI)


def entities(connector: Worktile, stream: str, partition: str = "") -> list[Any]:
    pages = connector.read(stream, None, partition=partition)
    return [entity_of(record) for page in pages for record in page.records]


def ref(stream: str, remote_id: str) -> str:
    return entity_id("studio", stream, remote_id)


def task(state: str = "进行中", kind: int = 2, *, type_name: str = "任务", **values: Any) -> Record:
    data = {
        "_id": "66b1c2d3e4f5a6b7c8d9e001",
        "identifier": "SITE-12",
        "title": "Order crane",
        "project_id": "p",
        "state_type": kind,
        "task_state": {"_id": "s", "name": state, "type": kind},
        "task_type": {"_id": "t", "name": type_name},
        **values,
    }
    return Record("tasks", data["_id"], data, datetime(2026, 1, 5, tzinfo=UTC))


def test_task_with_all_that_worktile_tells(fake: Fake, connect: Connect) -> None:
    person = fake.add_member("王丽")
    project = fake.add_project("Site refit", identifier="SITE")
    parent = fake.add_task(project, "Lifting")
    child = fake.add_task(
        project,
        "Order crane",
        type="缺陷",
        assignee=person,
        by=person,
        start=date(2026, 1, 1),
        due=date(2026, 1, 9),
        parent=parent,
        tags=["long lead", "客户"],
        priority="较高",
        desc=json.dumps([{"type": "paragraph", "key": "a", "children": [{"text": "Confirm load chart first."}]}]),
        properties={"customer_ref": "CASE-88"},
    )
    fake.advance(timedelta(hours=1))
    fake.set_state(child, "已完成")

    found = entities(connect(properties=["customer_ref"]), "tasks", project)[1]

    assert found.custom_fields["customer_ref"] == "CASE-88"
    assert found.model_copy(update={"custom_fields": {}}) == Task(
        id=ref("tasks", child),
        ref={"connection": "studio", "stream": "tasks", "remote_id": child},
        created_at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
        updated_at=datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
        remote_status="已完成",
        project=ref("projects", project),
        parent=ref("tasks", parent),
        key="SITE-2",
        title="Order crane",
        description="Confirm load chart first.",
        type="缺陷",
        status="done",
        priority="较高",
        assignee=ref("users", person),
        reporter=ref("users", person),
        start_date=date(2026, 1, 1),
        due_date=date(2026, 1, 9),
        completed_at=datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
        labels=["long lead", "客户"],
        holder="client",
    )


def test_bare_task_has_no_more_than_its_title(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    fake.add_task(project, "task")

    (found,) = entities(connect(), "tasks", project)

    assert (found.status, found.assignee, found.parent, found.due_date) == ("todo", None, None, None)
    assert (found.completed_at, found.description, found.labels, found.holder) == (None, None, [], None)


def test_task_without_its_details_has_status_and_project(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    fake.details_without.add(fake.add_task(project, "task", state="已完成"))

    (found,) = entities(connect(), "tasks", project)

    assert (found.status, found.project) == ("done", ref("projects", project))


@pytest.mark.parametrize(
    ("state", "kind", "status"),
    [
        ("未激活", 0, "todo"),
        ("未开始", 1, "todo"),
        ("研发中", 2, "in_progress"),
        ("测试中", 2, "in_progress"),
        ("挂起", 2, "blocked"),
        ("待客户确认", 1, "blocked"),
        ("On Hold", 2, "blocked"),
        ("Waiting for client", 2, "blocked"),
        ("已验收", 3, "done"),
        ("已关闭", 3, "done"),
        ("Blocked", 3, "done"),
        ("已作废", 3, "cancelled"),
        ("Scrapped", 3, "cancelled"),
        ("随便什么", 4, "cancelled"),
    ],
)
def test_type_of_a_state_decides_and_its_name_refines(state: str, kind: int, status: str) -> None:
    found = entity_of(task(state, kind))

    assert isinstance(found, Task)
    assert (found.status, found.remote_status) == (status, state)


@pytest.mark.parametrize(("kind", "status"), [(2, "cancelled"), (3, "done")])
def test_archived_task_is_cancelled_unless_it_was_finished(kind: int, status: str) -> None:
    found = entity_of(task("某状态", kind, is_archived=1))

    assert isinstance(found, Task)
    assert found.status == status


def test_state_of_an_unknown_type_parks_the_task() -> None:
    with pytest.raises(MappingError, match=r"7 has no entry in mappings/worktile\.yaml → tasks\.status"):
        entity_of(task("新状态", 7))


@pytest.mark.parametrize(
    ("values", "holder"),
    [
        ({"properties": {"tag": [{"name": "export"}, {"name": "待客户"}]}}, Holder.CLIENT),
        ({"properties": {"tag": [{"name": "Waiting for vendor"}]}}, Holder.THIRD_PARTY),
        ({"state": "待客户反馈"}, Holder.CLIENT),
        ({"state": "Waiting for third party"}, Holder.THIRD_PARTY),
        ({}, None),
    ],
)
def test_who_holds_the_ball_is_told_by_state_or_tag(values: dict[str, Any], holder: Holder | None) -> None:
    found = entity_of(task(**values))

    assert isinstance(found, Task)
    assert found.holder is holder


@pytest.mark.parametrize(("seconds", "day"), [(1767888000, date(2026, 1, 9)), (1767887999, date(2026, 1, 8))])
def test_date_is_the_day_in_the_connections_zone(seconds: int, day: date) -> None:
    found = entity_of(task(properties={"due": {"date": seconds, "with_time": 0}}))

    assert isinstance(found, Task)
    assert found.due_date == day


def test_stamp_in_milliseconds_is_parked_and_not_a_date_in_the_far_future() -> None:
    with pytest.raises(MappingError, match="milliseconds"):
        entity_of(task(properties={"due": {"date": 1767888000000, "with_time": 0}}))


# -- tasks of other types -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "done"), [("zh", "已完成"), ("en", "Done")])
def test_milestone_is_a_task_of_a_type_with_that_name(fake: Fake, connect: Connect, language: str, done: str) -> None:
    person = fake.add_member("王丽")
    project = fake.add_project("Orbit", language=language)
    fake.add_milestone(project, "UAT", date(2026, 3, 10), assignee=person)
    fake.add_milestone(project, "Kick-off", date(2026, 1, 5), state=done)

    uat, kick_off = entities(connect(), "tasks", project)

    assert isinstance(uat, Milestone)
    assert (uat.name, uat.due_date, uat.status) == ("UAT", date(2026, 3, 10), MilestoneStatus.OPEN)
    assert (uat.project, uat.owner) == (ref("projects", project), ref("users", person))
    assert kick_off.status is MilestoneStatus.DONE
    assert kick_off.completed_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "kind", "status"), [("进行中", 2, "open"), ("已发生", 2, "occurred"), ("已关闭", 3, "closed")]
)
@pytest.mark.parametrize("type_name", ["风险", "Risk"])
def test_risk_is_a_task_of_a_type_with_that_name(type_name: str, state: str, kind: int, status: str) -> None:
    found = entity_of(task(state, kind, type_name=type_name))

    assert isinstance(found, Risk)
    assert (found.title, found.status) == ("Order crane", status)


@pytest.mark.parametrize(
    ("state", "kind", "status"),
    [
        ("未开始", 1, "submitted"),
        ("进行中", 2, "assessed"),
        ("待客户确认", 2, "awaiting_client"),
        ("Approved", 2, "approved"),
        ("已驳回", 3, "rejected"),
        ("已完成", 3, "implemented"),
        ("已取消", 4, "withdrawn"),
    ],
)
def test_change_request_is_a_task_of_a_type_with_that_name(state: str, kind: int, status: str) -> None:
    found = entity_of(task(state, kind, type_name="变更申请", desc_text="New pump"))

    assert isinstance(found, ChangeRequest)
    assert (found.status, found.reason) == (status, "New pump")


# -- projects, members, comments ------------------------------------------------------------------------------


@pytest.mark.parametrize(("archived", "status"), [(0, "active"), (1, "done"), (None, "active"), (True, "done")])
def test_archived_project_is_done(fake: Fake, connect: Connect, archived: Any, status: str) -> None:
    project = fake.add_project("客户门户", identifier="CP")
    fake.tenant.projects[project]["is_archived"] = archived

    (found,) = entities(connect(), "projects")

    assert isinstance(found, Project)
    assert (found.name, found.key, found.status) == ("客户门户", "CP", status)


@pytest.mark.parametrize("key", ["uid", "_id"])
def test_member_is_known_by_either_key(fake: Fake, connect: Connect, key: str) -> None:
    fake.member_key = key
    uid = fake.add_member("王丽", name="wang.li")

    (found,) = entities(connect(), "users")

    assert isinstance(found, User)
    assert (found.id, found.full_name, found.email, found.active) == (ref("users", uid), "王丽", None, True)


@pytest.mark.parametrize("shape", ["uid", "object"])
def test_comment_is_a_note_on_its_task(fake: Fake, connect: Connect, shape: str) -> None:
    person = fake.add_member("王丽")
    project = fake.add_project("Site refit", identifier="SITE")
    commented = fake.add_task(project, "Order crane")
    comment = fake.add_comment(commented, "Waiting for the drawing.", by=person)
    if shape == "object":
        fake.tenant.comments[comment]["created_by"] = {"uid": person, "display_name": "王丽"}

    (note,) = entities(connect(), "comments", project)

    assert isinstance(note, Activity)
    assert (note.kind, note.subject, note.body) == ("note", "SITE-1 Order crane", "Waiting for the drawing.")
    assert (note.project, note.task, note.owner) == (
        ref("projects", project),
        ref("tasks", commented),
        ref("users", person),
    )
    assert note.occurred_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def test_digests_are_not_written_into_worktile() -> None:
    assert MAPPING.push_rule("Digest") is None
