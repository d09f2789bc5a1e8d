"""What becomes of PingCode's records: from the fake through the connector and the shipped mapping."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.pingcode import PingCode
from connectors.pingcode.fake import Fake
from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.model.entities import Activity, Entity, Holder, Milestone, MilestoneStatus, Project, Task, User, entity_id
from syncd.sdk import Record

Connect = Callable[..., PingCode]
MAPPING = loader.load("pingcode", user_dir=None)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def entity_of(record: Record) -> Entity | None:
    return MAPPING.entity(record, connection="delivery", timezone=SHANGHAI)


def entities(connector: PingCode, stream: str, partition: str = "") -> list[Any]:
    pages = connector.read(stream, None, partition=partition)
    return [entity_of(record) for page in pages for record in page.records]


def ref(stream: str, remote_id: str) -> str:
    return entity_id("delivery", stream, remote_id)


def item(**values: Any) -> Record:
    data = {
        "id": "66b1c2d3e4f5a6b7c8d9e001",
        "identifier": "ORB-17",
        "title": "Export fails",
        "type": "bug",
        "project": {"id": "p"},
        "state": {"id": "s", "name": "处理中", "type": "in_progress"},
        **values,
    }
    return Record("work_items", data["id"], data, datetime(2026, 1, 5, tzinfo=UTC))


def test_task_with_all_that_pingcode_tells(fake: Fake, connect: Connect) -> None:
    person = fake.add_user("王丽", email="wang.li@example.cn")
    project = fake.add_project("Orbit", identifier="ORB")
    version = fake.add_version(project, "2026.3", date(2026, 1, 1), date(2026, 3, 1))
    parent = fake.add_work_item(project, "Reporting", type="feature")
    task = fake.add_work_item(
        project,
        "Export fails",
        type="bug",
        assignee=person,
        created_by=person,
        start=date(2026, 1, 1),
        end=date(2026, 1, 9),
        parent=parent,
        versions=[version],
        tags=["export", "客户可见"],
        priority="高",
        description="<p>Steps: <b>none</b></p>",
        estimated_workload=8,
        properties={"workload": {"reported_total": 2.5}, "customer_ref": "CASE-88"},
    )
    fake.advance(timedelta(hours=1))
    fake.set_state(task, "已完成")

    found = entities(connect(), "work_items")[1]

    assert found == Task(
        id=ref("work_items", task),
        ref={"connection": "delivery", "stream": "work_items", "remote_id": task},
        url="https://acme.pingcode.com/pjm/workitems/w0000002",
        created_at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
        updated_at=datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
        remote_status="已完成",
        custom_fields={"workload": {"reported_total": 2.5}, "customer_ref": "CASE-88"},
        project=ref("projects", project),
        milestone=ref("versions", version),
        parent=ref("work_items", parent),
        key="ORB-2",
        title="Export fails",
        description="Steps: none",
        type="bug",
        status="done",
        priority="高",
        assignee=ref("users", person),
        reporter=ref("users", person),
        start_date=date(2026, 1, 1),
        due_date=date(2026, 1, 9),
        completed_at=datetime(2026, 1, 5, 10, 0, tzinfo=UTC),
        estimate_hours=8.0,
        spent_hours=2.5,
        labels=["export", "客户可见"],
    )


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("新建", "pending", "todo"),
        ("修复中", "in_progress", "in_progress"),
        ("阻塞", "in_progress", "blocked"),
        ("On Hold", "in_progress", "blocked"),
        ("等待客户", "in_progress", "blocked"),
        ("已完成", "completed", "done"),
        ("已关闭", "closed", "cancelled"),
        ("已拒绝", "closed", "cancelled"),
        ("Rejected", "completed", "cancelled"),
    ],
)
def test_status_comes_from_the_name_where_it_says_more_than_the_type(name: str, kind: str, status: str) -> None:
    task = entity_of(item(state={"id": "s", "name": name, "type": kind}))

    assert isinstance(task, Task)
    assert task.status == status
    assert task.remote_status == name


@pytest.mark.parametrize(("name", "status"), [("已关闭", "done"), ("Closed", "done"), ("已取消", "cancelled")])
def test_closed_item_that_was_completed_is_done(name: str, status: str) -> None:
    task = entity_of(item(state={"id": "s", "name": name, "type": "closed"}, completed_at=1767500000))

    assert isinstance(task, Task)
    assert task.status == status


def test_unknown_kind_of_state_is_parked_by_name() -> None:
    with pytest.raises(MappingError, match=r"ORB-17: .*\"paused\".* mappings/pingcode\.yaml → work_items\.status"):
        entity_of(item(state={"id": "s", "name": "新状态", "type": "paused"}))


@pytest.mark.parametrize(
    ("values", "holder"),
    [
        ({"tags": [{"name": "export"}, {"name": "待客户"}]}, Holder.CLIENT),
        ({"tags": [{"name": "Waiting for client"}]}, Holder.CLIENT),
        ({"tags": [{"name": "第三方"}]}, Holder.THIRD_PARTY),
        ({"state": {"id": "s", "name": "待客户确认", "type": "in_progress"}}, Holder.CLIENT),
        ({"tags": []}, None),
    ],
)
def test_who_holds_the_ball_is_told_by_state_or_tag(values: dict[str, Any], holder: Holder | None) -> None:
    task = entity_of(item(**values))

    assert isinstance(task, Task)
    assert task.holder is holder


@pytest.mark.parametrize(
    ("values", "milestone"),
    [
        ({"versions": [{"id": "v1"}, {"id": "v2"}], "phase": {"id": "f"}}, ref("versions", "v1")),
        ({"releases": [{"id": "r1"}]}, ref("versions", "r1")),
        ({"version": {"id": "v1"}, "versions": None}, ref("versions", "v1")),
        ({"versions": [], "phase": {"id": "f"}, "sprint": {"id": "s"}}, ref("work_items", "f")),
        ({"phase": None, "sprint": {"id": "s"}}, ref("sprints", "s")),
        ({}, None),
    ],
)
def test_milestone_of_a_task_is_its_release_else_its_phase_else_its_sprint(
    values: dict[str, Any], milestone: str | None
) -> None:
    task = entity_of(item(**values))

    assert isinstance(task, Task)
    assert task.milestone == milestone


def test_type_of_the_teams_own_is_shown_by_name() -> None:
    own = item(type="66a1f0000000000000000009", work_item_type={"id": "66a1", "name": "风险", "group": "issue"})

    task = entity_of(own)

    assert isinstance(task, Task)
    assert task.type == "风险"


@pytest.mark.parametrize("generation", ["a", "b", "c"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_milestones_and_phases_are_milestones(fake: Fake, connect: Connect, generation: str, language: str) -> None:
    fake.generations = generation
    project = fake.add_project("Orbit", identifier="ORB", language=language)
    fake.add_milestone(project, "UAT", date(2026, 3, 10))
    phase = fake.add_phase(project, "Build", start=date(2026, 1, 1), end=date(2026, 2, 1))
    fake.set_state(phase, "已完成" if language == "zh" else "Done")

    uat, build = entities(connect(), "work_items")

    assert isinstance(uat, Milestone)
    assert (uat.name, uat.due_date, uat.status) == ("UAT", date(2026, 3, 10), MilestoneStatus.OPEN)
    assert uat.project == ref("projects", project)
    assert (build.name, build.status) == ("Build", MilestoneStatus.DONE)
    assert build.completed_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(("completed_at", "status"), [(1767500000, "done"), (None, "cancelled")])
def test_closed_milestone_counts_by_whether_it_was_completed(completed_at: int | None, status: str) -> None:
    milestone = entity_of(
        item(
            type="66a1",
            work_item_type={"id": "66a1", "name": "里程碑", "group": "plan"},
            state={"id": "s", "name": "已关闭", "type": "closed"},
            completed_at=completed_at,
        )
    )

    assert isinstance(milestone, Milestone)
    assert milestone.status == status


def test_date_is_the_teams_day() -> None:
    task = entity_of(item(end_at=1767888000))

    assert isinstance(task, Task)
    assert task.due_date == date(2026, 1, 9)


@pytest.mark.parametrize(
    ("name", "status"),
    [("未开始", "planned"), ("正常", "active"), ("预警", "active"), ("延期", "active"), ("结束", "done")],
)
def test_project_keeps_its_health_as_remote_status(fake: Fake, connect: Connect, name: str, status: str) -> None:
    manager = fake.add_user("王丽")
    project = fake.add_project(
        "客户门户", identifier="ORB", assignee=manager, start=date(2026, 1, 1), end=date(2026, 6, 30)
    )
    fake.tenant.set_project_state(project, name)

    (found,) = entities(connect(), "projects")

    assert isinstance(found, Project)
    assert (found.key, found.name, found.status, found.remote_status) == ("ORB", "客户门户", status, name)
    assert (found.start_date, found.due_date) == (date(2026, 1, 1), date(2026, 6, 30))
    assert found.manager == ref("users", manager)


def test_deleted_project_has_its_time(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.advance(timedelta(hours=2))
    fake.tenant.delete(fake.tenant.projects[project])

    (found,) = entities(connect(), "projects")

    assert found.deleted_at == datetime(2026, 1, 5, 11, 0, tzinfo=UTC)


def test_users_are_shown_by_display_name_and_disabled_ones_are_inactive(fake: Fake, connect: Connect) -> None:
    fake.add_user("王丽", email="Wang.Li@Example.cn", job="PM")
    fake.add_user("Left", status="disabled")
    fake.add_user("Invited", status="init")

    users = entities(connect(), "users")

    assert all(isinstance(user, User) for user in users)
    assert [(u.full_name, u.email, u.job_title, u.active) for u in users] == [
        ("王丽", "wang.li@example.cn", "PM", True),
        ("Left", None, None, False),
        ("Invited", None, None, True),
    ]


@pytest.mark.parametrize("generation", ["a", "b", "c"])
def test_releases_and_sprints_are_milestones(fake: Fake, connect: Connect, generation: str) -> None:
    fake.generations = generation
    project = fake.add_project("Orbit", identifier="ORB")
    version = fake.add_version(project, "2026.3", date(2026, 1, 1), date(2026, 3, 1), stage="in_progress")
    sprint = fake.add_sprint(project, "Sprint 7", date(2026, 1, 5), date(2026, 1, 16))
    connector = connect()
    (open_release,) = entities(connector, "versions", project)
    fake.tenant.set_version_stage(version, "published")
    fake.tenant.set_sprint_status(sprint, "completed")

    (release,) = entities(connector, "versions", project)
    (iteration,) = entities(connector, "sprints", project)

    assert (open_release.status, open_release.completed_at) == (MilestoneStatus.OPEN, None)
    assert (release.name, release.due_date, release.status) == ("2026.3", date(2026, 3, 1), MilestoneStatus.DONE)
    assert release.remote_status == "已发布"
    assert release.completed_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    assert (iteration.name, iteration.due_date, iteration.status) == (
        "Sprint 7",
        date(2026, 1, 16),
        MilestoneStatus.DONE,
    )


def test_comment_is_a_note_on_its_task(fake: Fake, connect: Connect) -> None:
    person = fake.add_user("王丽")
    project = fake.add_project("Orbit", identifier="ORB")
    task = fake.add_work_item(project, "Export fails")
    fake.add_comment(task, "<p>等客户的文件</p>", by=person)

    (note,) = entities(connect(), "comments")

    assert isinstance(note, Activity)
    assert (note.kind, note.body, note.subject) == ("note", "等客户的文件", "ORB-1 Export fails")
    assert (note.project, note.task, note.owner) == (
        ref("projects", project),
        ref("work_items", task),
        ref("users", person),
    )
    assert note.occurred_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def test_digest_becomes_a_comment_on_the_work_item_of_the_account_file() -> None:
    rule = MAPPING.push_rule("Digest")

    assert rule is not None
    assert (rule.operation, rule.target) == ("create_comment", "work_item")
    assert rule.payload({"body_text": "第 9 期"}) == {"content": "第 9 期"}
