from __future__ import annotations

from datetime import date

from syncd.model.entities import MilestoneStatus, TaskStatus
from syncd.report.asof import rewind
from tests.unit.report.samples import at, done, milestone, task


def test_what_did_not_exist_yet_is_nothing() -> None:
    assert rewind(task("a", created_at=at(3, 2)), at(3, 1)) is None
    assert rewind(task("a", created_at=at(3, 2)), at(3, 2)) is None


def test_what_has_no_creation_time_always_existed() -> None:
    assert rewind(task("a", created_at=None), at(1, 1)) == task("a", created_at=None)


def test_recorded_changes_after_the_moment_are_undone() -> None:
    now = task("a", status=TaskStatus.IN_PROGRESS, due_date=date(2026, 3, 20), title="New")
    changes = [
        ("due_date", "2026-03-13", "2026-03-20", at(3, 5)),
        ("status", "todo", "in_progress", at(3, 4)),
        ("due_date", "2026-03-10", "2026-03-13", at(3, 3)),
        ("title", "Old", "New", at(2, 1)),
    ]

    past = rewind(now, at(3, 2), changes)

    assert past is not None
    assert (past.due_date, past.status, past.title) == (date(2026, 3, 10), TaskStatus.TODO, "New")


def test_recorded_history_wins_over_the_guess() -> None:
    now = done("a", at(3, 5))
    changes = [("completed_at", None, "2026-03-05T02:00:00Z", at(3, 5)), ("status", "blocked", "done", at(3, 5))]

    past = rewind(now, at(3, 4), changes)

    assert past is not None
    assert (past.status, past.completed_at) == (TaskStatus.BLOCKED, None)


def test_without_history_a_task_done_later_counts_as_todo() -> None:
    past = rewind(done("a", at(3, 5)), at(3, 4))

    assert past is not None
    assert (past.status, past.completed_at) == (TaskStatus.TODO, None)


def test_without_history_a_task_cancelled_later_counts_as_todo() -> None:
    past = rewind(task("a", status=TaskStatus.CANCELLED, completed_at=at(3, 5)), at(3, 4))

    assert past is not None
    assert past.status is TaskStatus.TODO


def test_a_task_done_before_stays_done() -> None:
    now = done("a", at(3, 3))

    assert rewind(now, at(3, 4)) is now


def test_a_milestone_reached_later_was_open() -> None:
    past = rewind(milestone("m", status=MilestoneStatus.DONE, completed_at=at(3, 5)), at(3, 4))

    assert past is not None
    assert (past.status, past.completed_at) == (MilestoneStatus.OPEN, None)


def test_a_later_deletion_falls_away() -> None:
    past = rewind(task("a", deleted_at=at(3, 5)), at(3, 4))

    assert past is not None
    assert past.deleted_at is None
