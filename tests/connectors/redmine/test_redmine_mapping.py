"""From records, as the connector gives them, to entities; and from a digest to a comment."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.redmine import Redmine
from connectors.redmine.fake import Fake
from connectors.redmine.rest import Row
from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.model.entities import (
    Activity,
    Entity,
    Holder,
    Milestone,
    MilestoneStatus,
    Project,
    ProjectStatus,
    Task,
    TaskStatus,
    User,
    Visibility,
    entity_id,
)
from syncd.sdk import Record
from syncd.sdk.testing import AT

MAPPING = loader.load("redmine", user_dir=None)


def entity(record: Record) -> Entity | None:
    return MAPPING.entity(record, connection="rm", timezone=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def mapped(redmine: Redmine) -> Any:
    """Read a stream whole and map it; the last record's entity."""

    def mapped(stream: str) -> Entity | None:
        partition = "portal" if stream in ("issues", "journals") else ""
        records = [record for page in redmine.read(stream, None, partition=partition) for record in page.records]
        return entity(records[-1])

    return mapped


def status_of(fake: Fake, portal: Row, mapped: Any, name: str) -> Any:
    if name not in {row["name"] for row in fake.book.statuses.values()}:
        fake.add_status(name)
    fake.add_issue(portal, "A", at=AT, status=name)
    return mapped("issues")


def test_fields_of_an_issue(fake: Fake, portal: Row, mapped: Any) -> None:
    field = fake.add_custom_field("客户编号")["id"]
    fake.add_issue(
        portal,
        "订单搜索",
        at=AT,
        description="按日期",
        fixed_version={"id": 7, "name": "1.2"},
        parent={"id": 4300},
        assigned_to={"id": 11, "name": "Bob Roe"},
        category={"id": 3, "name": "UI"},
        due_date="2026-04-01",
        start_date="2026-03-01",
        done_ratio=40,
        estimated_hours=3.0,
        spent_hours=1.5,
        custom_fields={field: "A-7"},
    )

    task = mapped("issues")

    assert isinstance(task, Task)
    assert (task.title, task.description, task.type, task.priority) == ("订单搜索", "按日期", "Bug", "Normal")
    assert task.key == f"#{task.ref.remote_id}"
    assert task.project == entity_id("rm", "projects", "portal")
    assert task.milestone == entity_id("rm", "versions", "versions/7")
    assert task.parent == entity_id("rm", "issues", "4300")
    assert task.assignee == entity_id("rm", "users", "users/11")
    assert task.reporter == entity_id("rm", "users", f"users/{fake.me['id']}")
    assert (task.start_date, task.due_date) == (date(2026, 3, 1), date(2026, 4, 1))
    assert (task.percent_complete, task.estimate_hours, task.spent_hours) == (40, 3.0, 1.5)
    assert task.labels == ["UI"]
    assert task.custom_fields == {"客户编号": "A-7"}
    assert (task.created_at, task.completed_at) == (datetime(2026, 3, 2, 7, tzinfo=UTC), None)
    assert task.url == f"{fake.url}/issues/{task.ref.remote_id}"


def test_what_is_not_set_is_not_known(fake: Fake, portal: Row, mapped: Any) -> None:
    fake.add_issue(portal, "A", at=AT)

    task = mapped("issues")

    assert (task.milestone, task.parent, task.assignee, task.labels, task.custom_fields) == (None, None, None, [], {})


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("New", TaskStatus.TODO),
        ("In Progress", TaskStatus.IN_PROGRESS),
        ("Resolved", TaskStatus.IN_PROGRESS),
        ("Feedback", TaskStatus.BLOCKED),
        ("Closed", TaskStatus.DONE),
        ("Rejected", TaskStatus.CANCELLED),
        ("新建", TaskStatus.TODO),
        ("进行中", TaskStatus.IN_PROGRESS),
        ("已解决", TaskStatus.IN_PROGRESS),
        ("反馈", TaskStatus.BLOCKED),
    ],
)
def test_statuses_that_redmine_ships_with(fake: Fake, portal: Row, mapped: Any, name: str, status: TaskStatus) -> None:
    task = status_of(fake, portal, mapped, name)

    assert (task.status, task.remote_status) == (status, name)


@pytest.mark.parametrize(
    ("name", "status"),
    [("已拒绝", TaskStatus.CANCELLED), ("上线归档", TaskStatus.DONE), ("Invalid", TaskStatus.CANCELLED)],
)
def test_closed_status_of_any_name_is_done_unless_it_says_given_up(
    fake: Fake, portal: Row, mapped: Any, name: str, status: TaskStatus
) -> None:
    fake.add_status(name, is_closed=True)

    task = status_of(fake, portal, mapped, name)

    assert task.status is status
    assert task.completed_at is not None


def test_open_status_that_is_not_known_is_parked_by_name(fake: Fake, portal: Row, mapped: Any) -> None:
    with pytest.raises(MappingError, match=r"灰度发布.*mappings/redmine\.yaml → issues\.status"):
        status_of(fake, portal, mapped, "灰度发布")


@pytest.mark.parametrize(
    ("name", "holder"),
    [("Feedback", None), ("待客户确认", Holder.CLIENT), ("Waiting for third party", Holder.THIRD_PARTY)],
)
def test_holder_is_named_only_where_the_status_says_it(
    fake: Fake, portal: Row, mapped: Any, name: str, holder: Holder | None
) -> None:
    assert status_of(fake, portal, mapped, name).holder is holder


@pytest.mark.parametrize(
    ("status", "expected"),
    [("open", MilestoneStatus.OPEN), ("locked", MilestoneStatus.OPEN), ("closed", MilestoneStatus.DONE)],
)
def test_version(fake: Fake, portal: Row, mapped: Any, status: str, expected: MilestoneStatus) -> None:
    fake.add_version(portal, "1.2", at=AT, status=status, due_date="2026-03-01")

    milestone = mapped("versions")

    assert isinstance(milestone, Milestone)
    assert (milestone.name, milestone.status, milestone.due_date) == ("1.2", expected, date(2026, 3, 1))
    assert milestone.project == entity_id("rm", "projects", "portal")


def test_project(fake: Fake, portal: Row, mapped: Any) -> None:
    project = mapped("projects")

    assert isinstance(project, Project)
    assert (project.name, project.key, project.status) == ("Portal", "portal", ProjectStatus.ACTIVE)
    assert project.id == entity_id("rm", "projects", "portal")
    assert project.url == f"{fake.url}/projects/portal"


def test_user_of_the_administrators_list_and_of_a_membership(mapped: Any) -> None:
    listed, member = mapped("users"), entity(Record("users", "users/5", {"id": 5, "name": "Mei Li"}))

    assert isinstance(listed, User)
    assert isinstance(member, User)
    assert (listed.full_name, listed.email, listed.active) == ("Sync Daemon", "syncd@agency.example", True)
    assert (member.full_name, member.email, member.active) == ("Mei Li", None, True)


def test_comment_is_an_internal_note_on_its_task(fake: Fake, portal: Row, mapped: Any) -> None:
    issue = fake.add_issue(portal, "A", at=AT)["id"]
    fake.add_journal(issue, "Begun", at=AT)

    note = mapped("journals")

    assert isinstance(note, Activity)
    assert (note.body, note.visibility) == ("Begun", Visibility.INTERNAL)
    assert note.task == entity_id("rm", "issues", str(issue))
    assert note.project == entity_id("rm", "projects", "portal")
    assert note.owner == entity_id("rm", "users", f"users/{fake.me['id']}")
    assert note.occurred_at == AT


def test_changed_fields_alone_and_private_notes_are_no_comment(fake: Fake, portal: Row, mapped: Any) -> None:
    issue = fake.add_issue(portal, "A", at=AT)["id"]
    fake.add_journal(issue, "", at=AT, details=[{"property": "attr", "name": "subject", "old_value": "a"}])
    changed = mapped("journals")
    fake.add_journal(issue, "Between us", at=AT)["private_notes"] = True

    private = mapped("journals")

    assert (changed, private) == (None, None)


def test_digest_becomes_a_comment_in_plain_text() -> None:
    rule = MAPPING.push_rule("Digest")

    assert rule is not None
    assert (rule.operation, rule.target) == ("create_comment", "issue")
    assert rule.payload({"body_text": "Done: 80 %"}) == {"notes": "Done: 80 %"}
