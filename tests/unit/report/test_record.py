from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from syncd.model.communication import Freshness, Reason, Show
from syncd.model.entities import (
    ChangeStatus,
    DecisionStatus,
    Holder,
    MilestoneStatus,
    TaskStatus,
    Visibility,
)
from syncd.report import record
from tests.unit.report.samples import FRIDAY, WEEK, after, at, change, decision, done, facts, milestone, source, task

SATURDAY = FRIDAY + timedelta(days=1)


def titles(lines: object) -> list[str]:
    return [line.title for line in lines]  # type: ignore[attr-defined]


def test_deleted_and_cancelled_tasks_are_in_no_total() -> None:
    tasks = [
        task("open"),
        done("done", at(3, 3)),
        task("cancelled", status=TaskStatus.CANCELLED),
        done("deleted", at(3, 3), deleted_at=at(3, 4)),
    ]

    made = record.build(facts(tasks=tasks))

    assert (made.progress.done_count, made.progress.total_count) == (1, 2)
    assert made.progress.by_status == {TaskStatus.DONE: 1, TaskStatus.TODO: 1}
    assert titles(made.done) == ["done"]


def test_done_is_what_was_finished_in_the_half_open_period() -> None:
    tasks = [
        done("before", FRIDAY - WEEK - timedelta(seconds=1)),
        done("first moment", FRIDAY - WEEK),
        done("last moment", FRIDAY - timedelta(seconds=1)),
        done("too late", FRIDAY),
        done("undated", None),
    ]

    made = record.build(facts(tasks=tasks))

    assert titles(made.done) == ["first moment", "last moment"]
    assert made.progress.done_this_period == 2
    assert made.progress.done_count == 4
    assert made.progress.by_status[TaskStatus.TODO] == 1


def test_weight_is_hours_when_every_counted_task_is_estimated() -> None:
    tasks = [done("a", at(3, 3), estimate_hours=30.0), task("b", estimate_hours=10.0), task("c", estimate_hours=0.0)]

    progress = record.build(facts(tasks=tasks)).progress

    assert (progress.done_weight, progress.total_weight, progress.weight_unit) == (30.0, 40.0, "hours")


def test_weight_is_items_when_one_estimate_is_missing() -> None:
    tasks = [done("a", at(3, 3), estimate_hours=30.0), task("b")]

    progress = record.build(facts(tasks=tasks)).progress

    assert (progress.done_weight, progress.total_weight, progress.weight_unit) == (1.0, 2.0, "items")


def test_a_task_without_a_date_is_due_with_its_milestone_or_its_baseline() -> None:
    dated = milestone("dated", due_date=date(2026, 3, 10))
    undated = milestone("undated")
    tasks = [
        task("own", milestone=dated.id, due_date=date(2026, 3, 12)),
        task("by milestone", milestone=dated.id),
        task("by baseline", milestone=undated.id),
        task("never"),
    ]

    made = record.build(facts(tasks=tasks, milestones=[dated, undated], baselines={undated.id: date(2026, 3, 9)}))

    due = {item.title: item.due_date for item in made.next}
    assert due == {"by baseline": date(2026, 3, 9), "by milestone": date(2026, 3, 10), "own": date(2026, 3, 12)}


def test_next_is_open_and_due_before_the_day_of_the_next_report_by_date_then_key() -> None:
    tasks = [
        task("ten", key="CP-10", due_date=date(2026, 3, 12)),
        task("nine", key="CP-9", due_date=date(2026, 3, 12)),
        task("report day", due_date=date(2026, 3, 13)),
        task("overdue", due_date=date(2026, 3, 4)),
        task("started, no date", status=TaskStatus.IN_PROGRESS),
        done("done", at(3, 3), due_date=date(2026, 3, 10)),
    ]

    made = record.build(facts(tasks=tasks))

    assert titles(made.next) == ["overdue", "nine", "ten"]


def test_overdue_is_due_before_today_and_counts_working_days() -> None:
    tasks = [
        task("monday", due_date=date(2026, 3, 2)),
        task("yesterday", due_date=date(2026, 3, 5)),
        task("today", due_date=date(2026, 3, 6)),
    ]

    made = record.build(facts(tasks=tasks))

    assert [(item.title, item.days_late) for item in made.overdue] == [("monday", 4), ("yesterday", 1)]


def test_today_is_the_accounts_date_and_not_that_of_utc() -> None:
    saturday_in_shanghai = at(3, 6, 17)

    made = record.build(facts(tasks=[task("friday", due_date=date(2026, 3, 6))], now=saturday_in_shanghai))

    assert [(item.title, item.days_late) for item in made.overdue] == [("friday", 0)]


def test_an_open_task_is_with_us_unless_it_says_who_holds_it() -> None:
    tasks = [
        task("ours", due_date=date(2026, 3, 2)),
        task("theirs", due_date=date(2026, 3, 3), holder=Holder.THIRD_PARTY),
    ]

    made = record.build(facts(tasks=tasks))

    assert [item.holder for item in made.overdue] == [Holder.US, Holder.THIRD_PARTY]


def test_in_progress_holds_started_and_blocked_tasks_with_their_age() -> None:
    tasks = [
        task("blocked", status=TaskStatus.BLOCKED),
        task("started", status=TaskStatus.IN_PROGRESS, start_date=date(2026, 2, 27), assignee="u1"),
        task("waiting"),
    ]

    made = record.build(facts(tasks=tasks))

    assert [(i.title, i.age_days, i.owner) for i in made.in_progress] == [
        ("started", 6, "Zhang Wei"),  # with the make-up Saturday of 28 February
        ("blocked", None, None),
    ]


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"deleted_at": at(3, 2)}, Reason.DELETED),
        ({"status": TaskStatus.CANCELLED, "completed_at": at(3, 2)}, Reason.CANCELLED),
        ({"holder": Holder.CLIENT, "status": TaskStatus.BLOCKED}, Reason.WAITS_FOR_CLIENT),
        ({"holder": Holder.THIRD_PARTY}, Reason.WAITS_FOR_THIRD_PARTY),
        ({"status": TaskStatus.BLOCKED}, Reason.BLOCKED),
        ({"due_date": date(2026, 3, 11)}, Reason.MOVED),
        ({"status": TaskStatus.IN_PROGRESS}, Reason.IN_PROGRESS),
        ({}, Reason.NOT_STARTED),
        ({"due_date": date(2026, 3, 3)}, Reason.NOT_STARTED),
    ],
)
def test_a_broken_promise_says_why(update: dict[str, object], reason: Reason) -> None:
    promised = task("a", due_date=date(2026, 3, 4))
    before = facts(tasks=[promised], period_end=FRIDAY - WEEK)

    made = record.build(after(before, tasks=[promised.model_copy(update=update)]))

    [broken] = made.planned_not_done
    assert (broken.reason, broken.was_due_date) == (reason, date(2026, 3, 4))
    assert made.since_last is not None
    assert (made.since_last.promised, made.since_last.kept) == (1, 0)


def test_a_promise_that_left_the_project_is_named_as_it_was() -> None:
    before = facts(tasks=[task("a", due_date=date(2026, 3, 4))], period_end=FRIDAY - WEEK)

    made = record.build(after(before, tasks=[]))

    assert [(i.title, i.reason) for i in made.planned_not_done] == [("a", Reason.LEFT_PROJECT)]


def test_a_task_cancelled_without_a_date_is_removed_in_the_period_and_since_the_last_report_alike() -> None:
    before = facts(
        tasks=[task("cancelled"), task("stays"), task("long gone", status=TaskStatus.CANCELLED)],
        period_end=FRIDAY - WEEK,
    )
    tasks = [
        task("cancelled", status=TaskStatus.CANCELLED, updated_at=at(3, 3)),
        task("stays"),
        task("long gone", status=TaskStatus.CANCELLED, updated_at=at(3, 4), title="edited since"),
    ]

    made = record.build(after(before, tasks=tasks))

    assert made.since_last is not None
    assert (made.progress.removed_this_period, made.since_last.removed) == (1, 1)
    assert made.claims["progress.removed_this_period"] == [tasks[0].id]


def test_without_a_report_before_a_task_cancelled_without_a_date_was_removed_at_its_last_change() -> None:
    tasks = [
        task("this week", status=TaskStatus.CANCELLED, updated_at=at(3, 3)),
        task("before", status=TaskStatus.CANCELLED, updated_at=at(2, 20)),
        task("unknown", status=TaskStatus.CANCELLED, updated_at=None),
    ]

    made = record.build(facts(tasks=tasks))

    assert made.claims["progress.removed_this_period"] == [tasks[0].id]


def test_a_report_before_that_does_not_reach_into_the_period_does_not_date_a_removal() -> None:
    before = facts(tasks=[task("a"), task("b")], period_end=FRIDAY - 2 * WEEK)
    tasks = [
        task("a", status=TaskStatus.CANCELLED, updated_at=at(2, 25)),
        task("b", status=TaskStatus.CANCELLED, updated_at=at(3, 3)),
    ]

    made = record.build(after(before, tasks=tasks, period_start=FRIDAY - WEEK, period_end=FRIDAY, now=FRIDAY))

    assert made.since_last is not None
    assert (made.progress.removed_this_period, made.since_last.removed) == (1, 2)


def test_a_report_that_comes_early_answers_only_for_what_was_due_by_then() -> None:
    before = facts(
        tasks=[
            task("due", due_date=date(2026, 3, 3)),
            task("due and done", due_date=date(2026, 3, 3)),
            task("due on the day", due_date=date(2026, 3, 4)),
            task("due later", due_date=date(2026, 3, 5)),
            task("done early", due_date=date(2026, 3, 5)),
        ],
        period_end=FRIDAY - WEEK,
    )
    tasks = [
        done(t.title, at(3, 2), due_date=t.due_date) if t.title in ("due and done", "done early") else t
        for t in before.tasks
    ]
    wednesday = at(3, 4, 8)

    made = record.build(after(before, tasks=tasks, period_end=wednesday, now=wednesday))

    assert titles(made.planned_not_done) == ["due"]
    assert made.since_last is not None
    assert (made.since_last.promised, made.since_last.kept) == (2, 1)
    assert made.claims["since_last.promised"] == sorted(t.id for t in tasks[:2])
    assert made.claims["since_last.kept"] == [tasks[1].id]


def test_a_kept_promise_is_counted() -> None:
    promised = task("a", due_date=date(2026, 3, 4))
    before = facts(tasks=[promised], period_end=FRIDAY - WEEK)

    made = record.build(after(before, tasks=[done("a", at(3, 4), due_date=date(2026, 3, 4))]))

    assert made.planned_not_done == []
    assert made.since_last is not None
    assert (made.since_last.promised, made.since_last.kept) == (1, 1)
    assert made.claims["since_last.kept"] == [promised.id]


def test_an_open_milestone_past_its_date_slips_on_until_today() -> None:
    stones = [
        milestone("kept moving", due_date=date(2026, 3, 4)),
        milestone("due today", due_date=date(2026, 3, 6)),
        milestone("reached", status=MilestoneStatus.DONE, due_date=date(2026, 3, 4), completed_at=at(3, 4)),
        milestone("undated"),
    ]
    baselines = {stones[0].id: date(2026, 3, 2)}

    made = record.build(facts(milestones=stones, baselines=baselines))

    assert {m.name: (m.slip_days, m.days_late) for m in made.milestones} == {
        "kept moving": (4, 2),
        "due today": (0, None),
        "reached": (0, None),
        "undated": (None, None),
    }


def test_slip_runs_from_baseline_to_the_date_now_or_to_the_completion() -> None:
    late = milestone("late", due_date=date(2026, 3, 24))
    reached = milestone(
        "reached", status=MilestoneStatus.DONE, due_date=date(2026, 3, 2), completed_at=at(3, 3, 17)
    )  # 4 March in Shanghai
    vendor = milestone("vendor", due_date=date(2026, 3, 10), baseline_due_date=date(2026, 3, 9))
    undated = milestone("undated")
    baselines = {late.id: date(2026, 3, 10), vendor.id: date(2026, 1, 1)}

    made = record.build(facts(milestones=[late, reached, vendor, undated], baselines=baselines))

    assert [(m.name, m.baseline_due_date, m.completed_date, m.slip_days) for m in made.milestones] == [
        ("reached", date(2026, 3, 2), date(2026, 3, 4), 2),
        ("vendor", date(2026, 3, 9), None, 1),
        ("late", date(2026, 3, 10), None, 10),
        ("undated", None, None, None),
    ]


def test_needs_you_gathers_decisions_changes_and_tasks_longest_waiting_first() -> None:
    held = task("held", holder=Holder.CLIENT)
    waiting = change("change", status=ChangeStatus.AWAITING_CLIENT)
    made = record.build(
        facts(
            tasks=[held, done("held and done", at(3, 3), holder=Holder.CLIENT)],
            decisions=[
                decision("new", asked_at=at(3, 5)),
                decision("old", asked_at=at(3, 2), options=["yes", "no"]),
                decision("answered", status=DecisionStatus.ANSWERED, asked_at=at(2, 2)),
                decision("deleted", asked_at=at(2, 2), deleted_at=at(3, 1)),
            ],
            change_requests=[waiting, change("approved", status=ChangeStatus.APPROVED)],
            held_since={waiting.id: at(3, 4)},
        )
    )

    assert [(ask.question, ask.days_waiting) for ask in made.needs_you] == [
        ("old", 4),
        ("change", 2),
        ("new", 1),
        ("held", None),
    ]


def test_a_wait_without_known_start_runs_from_the_last_report_that_asked() -> None:
    before = facts(tasks=[task("held", holder=Holder.CLIENT)], period_end=FRIDAY - WEEK)

    made = record.build(after(before))

    assert [ask.days_waiting for ask in made.needs_you] == [6]  # 27 February to 6 March, one Saturday made up


def test_show_decides_what_a_client_may_see() -> None:
    show = Show(types=("story", "task"), labels=("client",))
    tasks = [
        task("both", due_date=date(2026, 3, 9), labels=["client", "x"]),
        task("type only", due_date=date(2026, 3, 10)),
        task("label only", due_date=date(2026, 3, 11), labels=["client"], type="bug"),
    ]

    made = record.build(facts(tasks=tasks, show=show))

    assert [item.visibility for item in made.next] == [Visibility.CLIENT, Visibility.INTERNAL, Visibility.INTERNAL]


def test_every_number_names_its_entities() -> None:
    finished, late = done("a", at(3, 3)), task("b", due_date=date(2026, 3, 2))

    claims = record.build(facts(tasks=[finished, late])).claims

    assert claims["progress.done_count"] == [finished.id]
    assert claims["progress.total_count"] == sorted([finished.id, late.id])
    assert claims["progress.done_this_period"] == [finished.id]
    assert claims["overdue"] == [late.id]
    assert claims["next"] == [late.id]


def test_equal_facts_give_equal_hashes_whenever_and_by_whomever_made() -> None:
    given = facts(tasks=[task("a")])

    first = record.build(given)
    again = record.build(
        replace(
            given,
            number=10,
            author="Li Min",
            now=given.now + timedelta(minutes=5),
            sources=[source(data_as_of=FRIDAY)],
        )
    )

    assert first.content_hash == again.content_hash
    assert first.id != again.id


def test_another_fact_gives_another_hash() -> None:
    given = facts(tasks=[task("a", due_date=date(2026, 3, 9))])
    renamed = facts(tasks=[task("a", due_date=date(2026, 3, 9), title="b")])
    stale = facts(tasks=[task("a", due_date=date(2026, 3, 9))], sources=[source(Freshness.STALE)])

    hashes = {record.build(each).content_hash for each in (given, renamed, stale)}

    assert len(hashes) == 3


def test_a_record_survives_being_stored() -> None:
    made = record.build(after(facts(tasks=[task("a", due_date=date(2026, 3, 4))], period_end=FRIDAY - WEEK)))

    stored = type(made).model_validate_json(made.model_dump_json())

    assert stored == made
    assert record.content_hash(stored) == made.content_hash
