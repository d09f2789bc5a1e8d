"""Three weeks lived through: a record rebuilt for a past date says what the run of that date said."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from syncd.engine.compose import Turn, draft, turns
from syncd.model.communication import CommunicationRecord
from tests.integration.engine.world import World


def friday(world: World, number: int) -> None:
    """Let time pass until the end of a working week."""
    world.pass_time(datetime(2026, 3, 6 + 7 * (number - 1), 8, 0, tzinfo=world.clock.now().tzinfo) - world.clock.now())


def week_one(world: World) -> None:
    world.pingcode.set_state(world.ids["search"], "已完成")
    world.ids["mail"] = world.task("Mail templates", state="阻塞", end=date(2026, 3, 5))


def week_two(world: World) -> None:
    tenant = world.pingcode.tenant
    tenant.update(tenant.work_items[world.ids["launch"]], end_at=date(2026, 5, 15))
    world.pass_time(timedelta(days=1))
    world.pingcode.set_state(world.ids["search"], "进行中")
    world.pingcode.set_state(world.ids["mail"], "已取消")
    world.ids["api"] = world.task("API keys", end=date(2026, 3, 11))


def week_three(world: World) -> None:
    tenant = world.pingcode.tenant
    world.pingcode.set_state(world.ids["export"], "已完成")
    world.pingcode.set_state(world.ids["launch"], "已完成")
    world.pass_time(timedelta(days=1))
    tenant.delete(tenant.work_items[world.ids["login"]])
    tenant.update(tenant.work_items[world.ids["api"]], title="Keys for the API", end_at=date(2026, 3, 30))
    shop = tenant.projects[world.ids["shop"]]
    tenant.update(
        tenant.work_items[world.ids["search"]],
        project={**tenant.work_items[world.ids["search"]]["project"], "id": shop["id"]},
    )


def said(made: CommunicationRecord) -> dict[str, Any]:
    """Return what must be the same: the numbers, the lists and the dates of a record."""
    return {
        "period": (made.period_start, made.period_end),
        "by status": made.progress.by_status,
        "progress": made.progress,
        "done": [(item.title, item.completed_at) for item in made.done],
        "overdue": [(item.title, item.due_date) for item in made.overdue],
        "in progress": [item.title for item in made.in_progress],
        "next": [item.title for item in made.next],
        "planned, not done": [(item.title, item.reason) for item in made.planned_not_done],
        "milestones": [
            (line.name, line.status, line.baseline_due_date, line.due_date, line.slip_days) for line in made.milestones
        ],
    }


def live_through(world: World) -> list[CommunicationRecord]:
    stored = []
    for number, week in enumerate((week_one, week_two, week_three), 1):
        week(world)
        world.run(only="pull")
        friday(world, number)
        stored.append(world.run(accounts=("acme",)).drafts[0].record)
    return stored


def rebuilt(world: World, at: datetime) -> CommunicationRecord:
    with world.open(read_only=True) as space:
        turn = turns(space.config.account("acme"))[0]
        past = Turn(turn.account, turn.project, turn.schedule, turn.rows, at)
        return draft(space, past, now=at, for_show=True).record


def test_a_rebuilt_record_says_what_was_said_then(world: World) -> None:
    stored = live_through(world)
    world.pass_time(timedelta(days=30))
    world.task("Much later", state="已完成")
    world.run(accounts=("acme",))

    past = [rebuilt(world, made.period_end) for made in stored]

    assert [said(made) for made in past] == [said(made) for made in stored]


def test_the_weeks_differ_in_what_the_vendor_did(local: World) -> None:
    first, second, third = live_through(local)

    assert [(m.progress.done_count, m.progress.total_count) for m in (first, second, third)] == [(2, 4), (1, 4), (1, 2)]
    assert [item.title for item in first.overdue] == ["Mail templates"]
    assert [item.title for item in second.overdue] == ["Order search", "API keys"]
    assert [(line.due_date, line.slip_days) for line in first.milestones] == [(date(2026, 4, 30), 0)]
    assert [(line.due_date, line.slip_days) for line in second.milestones] == [(date(2026, 5, 15), 11)]
    assert third.milestones[0].completed_date == date(2026, 3, 13)


def test_each_digest_takes_up_where_the_last_delivered_one_ended(local: World) -> None:
    first, second, third = live_through(local)

    assert second.period_start == first.period_end
    assert third.period_start == second.period_end
    assert second.since_last is not None
    assert (second.since_last.number, second.since_last.done_count_before) == (1, 2)
    assert [row["number"] for row in sorted(local.rows("communication_records"), key=lambda row: row["number"])] == [
        1,
        2,
        3,
    ]
