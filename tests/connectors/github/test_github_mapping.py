"""What GitHub's rows become."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.github import state
from connectors.github.rest import Row
from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.model.entities import (
    Activity,
    ActivityKind,
    Holder,
    Milestone,
    MilestoneStatus,
    Project,
    ProjectStatus,
    Task,
    TaskStatus,
    User,
    entity_id,
)
from syncd.sdk import Record

MAPPING = loader.load("github", user_dir=None)
USER = state.user_row(7, "maple")
AT = "2026-03-02T07:00:00Z"


def entity(stream: str, row: Row, remote_id: str = "x", *, zone: str = "Asia/Shanghai") -> Any:
    record = Record(stream, remote_id, row, datetime(2026, 3, 2, 7, 0, tzinfo=UTC))
    return MAPPING.entity(record, connection="gh", timezone=ZoneInfo(zone))


def issue(**fields: Any) -> Row:
    return state.issue_row(1, "acme/portal", 12, "Login", USER, at=AT) | fields


def pull_request(*, merged_at: str | None = None, **fields: Any) -> Row:
    row = issue()
    return row | state.pull_request(row, merged_at=merged_at) | fields


def labelled(*names: str) -> list[Row]:
    return [state.label_row(5, "acme/portal", name) for name in names]


@pytest.mark.parametrize(
    ("fields", "status", "remote_status"),
    [
        ({}, TaskStatus.TODO, "open"),
        ({"state_reason": "reopened"}, TaskStatus.TODO, "reopened"),
        ({"labels": labelled("bug", "In Progress")}, TaskStatus.IN_PROGRESS, "open"),
        ({"labels": labelled("WIP", "blocked")}, TaskStatus.BLOCKED, "open"),
        ({"labels": labelled("进行中")}, TaskStatus.IN_PROGRESS, "open"),
        ({"state": "closed", "state_reason": "completed"}, TaskStatus.DONE, "completed"),
        ({"state": "closed", "state_reason": "not_planned"}, TaskStatus.CANCELLED, "not_planned"),
        ({"state": "closed", "state_reason": "duplicate"}, TaskStatus.CANCELLED, "duplicate"),
        ({"state": "closed"}, TaskStatus.DONE, "closed"),
        ({"state": "closed", "labels": labelled("wip")}, TaskStatus.DONE, "closed"),
    ],
)
def test_status_of_an_issue(fields: dict[str, Any], status: TaskStatus, remote_status: str) -> None:
    task = entity("issues", issue(**fields))

    assert (task.type, task.status, task.remote_status) == ("issue", status, remote_status)


@pytest.mark.parametrize(
    ("row", "status", "remote_status"),
    [
        (pull_request(), TaskStatus.IN_PROGRESS, "open"),
        (pull_request(draft=True), TaskStatus.IN_PROGRESS, "open"),
        (pull_request(labels=labelled("blocked")), TaskStatus.BLOCKED, "open"),
        (pull_request(state="closed", closed_at=AT, merged_at=AT), TaskStatus.DONE, "merged"),
        (pull_request(state="closed", closed_at=AT), TaskStatus.CANCELLED, "closed"),
    ],
)
def test_status_of_a_pull_request(row: Row, status: TaskStatus, remote_status: str) -> None:
    task = entity("issues", row)

    assert (task.type, task.status, task.remote_status) == ("pull_request", status, remote_status)


@pytest.mark.parametrize(
    ("fields", "value", "place"),
    [
        ({"state": "closed", "state_reason": "by_robot"}, "by_robot", "issues.status"),
        ({"state": "archived"}, "archived", "issues.status"),
    ],
)
def test_state_that_is_not_known_parks_the_record_and_is_named(fields: dict[str, Any], value: str, place: str) -> None:
    with pytest.raises(MappingError, match=f'#12: .*"{value}" has no entry in mappings/github.yaml → {place}'):
        entity("issues", issue(**fields))


@pytest.mark.parametrize(
    ("labels", "holder"),
    [
        (labelled("Waiting for client"), Holder.CLIENT),
        (labelled("needs-info"), Holder.CLIENT),
        (labelled("upstream"), Holder.THIRD_PARTY),
        (labelled("bug"), None),
        ([], None),
    ],
)
def test_label_says_who_holds_the_ball(labels: list[Row], holder: Holder | None) -> None:
    assert entity("issues", issue(labels=labels)).holder is holder


def test_label_left_on_a_closed_issue_holds_no_ball() -> None:
    task = entity("issues", issue(state="closed", labels=labelled("waiting for client")))

    assert task.holder is None


def test_fields_of_a_task() -> None:
    milestone = state.milestone_row(9, "acme/portal", 3, "Beta", USER, at=AT) | {"due_on": "2026-04-01T07:00:00Z"}
    row = issue(
        body="Sign in with 企业微信",
        labels=labelled("bug", "ui"),
        assignee=USER,
        assignees=[USER],
        milestone=milestone,
        state="closed",
        closed_at="2026-03-30T22:00:00Z",
    )

    task = entity("issues", row, "acme/portal/issues/12")

    assert isinstance(task, Task)
    assert task.id == entity_id("gh", "issues", "acme/portal/issues/12")
    assert (task.key, task.title, task.description) == ("#12", "Login", "Sign in with 企业微信")
    assert task.labels == ["bug", "ui"]
    assert task.project == entity_id("gh", "repositories", "acme/portal")
    assert task.milestone == entity_id("gh", "milestones", "acme/portal/milestones/3")
    assert task.assignee == task.reporter == entity_id("gh", "users", "maple")
    assert task.completed_at == datetime(2026, 3, 30, 22, 0, tzinfo=UTC)
    assert task.url == "https://github.com/acme/portal/issues/12"


@pytest.mark.parametrize("kind", [issue, pull_request])
@pytest.mark.parametrize("fields", [{}, {"state": "closed", "closed_at": AT}])
def test_task_is_due_with_its_milestone_and_takes_no_copy_of_the_date(kind: Any, fields: dict[str, Any]) -> None:
    milestone = state.milestone_row(9, "acme/portal", 3, "Beta", USER, at=AT) | {"due_on": "2026-04-01T07:00:00Z"}

    task = entity("issues", kind(milestone=milestone, **fields))

    assert task.milestone == entity_id("gh", "milestones", "acme/portal/milestones/3")
    assert task.due_date is None


def test_author_who_is_gone_is_nobody() -> None:
    assert entity("issues", issue(user=None)).reporter is None


@pytest.mark.parametrize("zone", ["Pacific/Pago_Pago", "UTC", "Asia/Shanghai", "Pacific/Kiritimati"])
@pytest.mark.parametrize("due_on", ["2026-04-01T00:00:00Z", "2026-04-01T07:00:00Z", "2026-04-01T23:39:01Z"])
def test_due_date_of_a_milestone_passes_through_no_zone(zone: str, due_on: str) -> None:
    row = state.milestone_row(9, "acme/portal", 3, "Beta", USER, at=AT) | {"due_on": due_on}

    assert entity("milestones", row, zone=zone).due_date == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("fields", "status", "completed_at"),
    [
        ({}, MilestoneStatus.OPEN, None),
        ({"state": "closed", "closed_at": AT}, MilestoneStatus.DONE, datetime(2026, 3, 2, 7, 0, tzinfo=UTC)),
    ],
)
def test_milestone(fields: dict[str, Any], status: MilestoneStatus, completed_at: datetime | None) -> None:
    milestone = entity("milestones", state.milestone_row(9, "acme/portal", 3, "Beta", USER, at=AT) | fields)

    assert isinstance(milestone, Milestone)
    assert (milestone.name, milestone.status, milestone.completed_at) == ("Beta", status, completed_at)
    assert milestone.project == entity_id("gh", "repositories", "acme/portal")
    assert milestone.due_date is None


@pytest.mark.parametrize(("archived", "status"), [(False, ProjectStatus.ACTIVE), (True, ProjectStatus.DONE)])
def test_project(archived: bool, status: ProjectStatus) -> None:
    project = entity("repositories", state.repository_row(3, "acme/portal", at=AT) | {"archived": archived})

    assert isinstance(project, Project)
    assert (project.key, project.name, project.status) == ("acme/portal", "portal", status)


def test_user_is_called_by_the_login() -> None:
    user = entity("users", USER, "maple")

    assert isinstance(user, User)
    assert (user.full_name, user.email) == ("maple", None)


def test_comment_is_a_note_on_its_task() -> None:
    row = state.comment_row(55, pull_request(), "Looks good", USER, at=AT)

    note = entity("comments", row, "acme/portal/issues/comments/55")

    assert isinstance(note, Activity)
    assert (note.kind, note.body) == (ActivityKind.NOTE, "Looks good")
    assert note.task == entity_id("gh", "issues", "acme/portal/issues/12")
    assert note.project == entity_id("gh", "repositories", "acme/portal")
    assert note.owner == entity_id("gh", "users", "maple")
    assert note.occurred_at == datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def test_labels_are_read_for_their_names_only() -> None:
    assert "labels" not in MAPPING.streams


def test_digest_becomes_a_comment_in_markdown() -> None:
    rule = MAPPING.push_rule("Digest")

    assert rule is not None
    assert (rule.operation, rule.target) == ("create_comment", "issue")
    assert rule.payload({"body_markdown": "**80 %**", "body_text": "80 %"}) == {"body": "**80 %**"}
