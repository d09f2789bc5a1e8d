from __future__ import annotations

from datetime import date, timedelta

from syncd.model.communication import Correction, DateMove, Freshness, SinceLast
from syncd.model.entities import MilestoneStatus, Task, TaskStatus
from syncd.report import record
from syncd.report.facts import ProjectFacts
from tests.unit.report.samples import FRIDAY, WEEK, after, at, decision, done, facts, milestone, source, task

LAST_FRIDAY = FRIDAY - WEEK


def since(given: ProjectFacts) -> SinceLast:
    made = record.build(given)
    assert made.since_last is not None
    return made.since_last


def week_before(*tasks: Task, **fields: object) -> ProjectFacts:
    return facts(tasks=list(tasks), period_end=LAST_FRIDAY, number=8, **fields)


def test_the_first_report_has_nothing_to_compare_with() -> None:
    assert record.build(facts()).since_last is None


def test_it_compares_with_what_was_really_delivered() -> None:
    found = since(after(week_before(task("a"), done("b", at(2, 24)))))

    assert (found.number, found.delivered_at) == (8, LAST_FRIDAY + timedelta(minutes=3))
    assert (found.done_count_before, found.total_count_before) == (1, 2)


def test_done_added_and_removed_are_counted_by_entity() -> None:
    gone, finished = task("gone"), task("finished")
    new = task("new", created_at=at(3, 2), updated_at=at(3, 2))

    found = since(
        after(week_before(gone, finished, task("same")), tasks=[done("finished", at(3, 3)), task("same"), new])
    )

    assert (found.done, found.added, found.removed) == (1, 1, 1)


def test_only_what_was_not_overdue_before_is_newly_overdue() -> None:
    tasks = [task("old", due_date=date(2026, 2, 20)), task("new", due_date=date(2026, 3, 3))]

    assert since(after(week_before(*tasks))).newly_overdue == 1


def test_moved_and_withdrawn_milestones_are_named() -> None:
    moved, gone, same = (milestone(name, due_date=date(2026, 3, 17)) for name in ("moved", "gone", "same"))
    later = [
        moved.model_copy(update={"due_date": date(2026, 3, 24)}),
        gone.model_copy(update={"status": MilestoneStatus.CANCELLED}),
        same,
    ]

    found = since(after(week_before(milestones=[moved, gone, same]), milestones=later))

    assert sorted(found.milestone_moves, key=lambda move: move.name) == [
        DateMove(id=gone.id, name="gone", was=date(2026, 3, 17), now=None),
        DateMove(id=moved.id, name="moved", was=date(2026, 3, 17), now=date(2026, 3, 24)),
    ]


def test_a_completion_learned_late_corrects_the_last_report() -> None:
    tasks = [done("a", at(2, 26), updated_at=at(3, 1)), task("b")]

    found = since(after(week_before(task("a"), task("b")), tasks=tasks))

    assert found.corrections == [Correction(what="progress.done_count", was="0", now="1")]


def test_a_completion_that_turns_out_later_corrects_the_last_report() -> None:
    found = since(after(week_before(done("a", at(2, 26))), tasks=[done("a", at(3, 2), updated_at=at(3, 2))]))

    assert found.corrections == [Correction(what="progress.done_count", was="1", now="0")]


def test_a_task_that_was_there_and_unseen_corrects_the_total() -> None:
    unseen = task("unseen", created_at=at(2, 10), updated_at=at(2, 11))

    found = since(after(week_before(task("a")), tasks=[task("a"), unseen]))

    assert found.corrections == [Correction(what="progress.total_count", was="1", now="2")]


def test_a_task_deleted_before_the_last_report_corrects_the_total() -> None:
    found = since(after(week_before(task("a"), task("b")), tasks=[task("a"), task("b", deleted_at=at(2, 20))]))

    assert found.corrections == [Correction(what="progress.total_count", was="2", now="1")]


def test_what_changed_in_the_meantime_is_no_correction() -> None:
    before = week_before(done("reopened", at(2, 26)), task("cancelled"), task("deleted"), task("left"))
    moved_in = task("moved in", created_at=at(1, 10), updated_at=at(3, 3))
    tasks = [
        task("reopened", updated_at=at(3, 2)),
        task("cancelled", status=TaskStatus.CANCELLED, updated_at=at(3, 2)),
        task("deleted", deleted_at=at(3, 3)),
        moved_in,
        done("new and done", at(3, 4), created_at=at(3, 2), updated_at=at(3, 4)),
    ]

    assert since(after(before, tasks=tasks)).corrections == []


def test_an_unchanged_project_is_quiet() -> None:
    found = since(after(week_before(task("a"), done("b", at(2, 20)), milestones=[milestone("m")])))

    assert found.is_quiet


def test_a_waiting_question_alone_does_not_break_the_quiet() -> None:
    assert since(after(week_before(task("a"), decisions=[decision("q", asked_at=at(2, 20))]))).is_quiet


def test_a_started_task_breaks_the_quiet() -> None:
    assert not since(after(week_before(task("a")), tasks=[task("a", status=TaskStatus.IN_PROGRESS)])).is_quiet


def test_a_broken_promise_breaks_the_quiet() -> None:
    assert not since(after(week_before(task("a", due_date=date(2026, 3, 4))))).is_quiet


def test_a_task_that_comes_due_breaks_the_quiet() -> None:
    assert not since(after(week_before(task("a", due_date=date(2026, 3, 10))))).is_quiet


def test_a_milestone_that_comes_overdue_breaks_the_quiet() -> None:
    before = week_before(milestones=[milestone("UAT", due_date=date(2026, 3, 3))])

    first, second = after(before), after(after(before))

    assert (since(first).is_quiet, since(first).milestone_moves) == (False, [])
    assert since(second).is_quiet


def test_a_source_that_failed_breaks_the_quiet() -> None:
    assert not since(after(week_before(task("a")), sources=[source(Freshness.FAILED)])).is_quiet
