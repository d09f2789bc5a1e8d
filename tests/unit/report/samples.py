"""Small projects for the tests: entities with the fields that matter, facts around them, random ones by seed."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from syncd.model.communication import CommunicationRecord, Freshness, Person, Show, SourceState
from syncd.model.entities import (
    ChangeRequest,
    ChangeStatus,
    Decision,
    DecisionStatus,
    Entity,
    Holder,
    Milestone,
    MilestoneStatus,
    Ref,
    Task,
    TaskStatus,
    entity_id,
)
from syncd.report import record
from syncd.report.calendar import WorkingCalendar
from syncd.report.facts import ProjectFacts

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = WorkingCalendar(["CN"])
FRIDAY = datetime(2026, 3, 6, 8, 0, tzinfo=UTC)  # 16:00 in Shanghai
WEEK = timedelta(days=7)
ALL = Show(types=("*",), fields=("title", "status", "due_date", "owner", "key", "start_date", "completed_at"))


def at(month: int, day: int, hour: int = 2, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def _entity(kind: type[Entity], name: str, /, **fields: Any) -> Any:
    stream = kind.__name__.lower()
    ref = Ref(connection="pm", stream=stream, remote_id=name)
    return kind(id=entity_id("pm", stream, name), ref=ref, **fields)


def task(name: str, **fields: Any) -> Task:
    defaults = {
        "title": name,
        "status": TaskStatus.TODO,
        "created_at": at(1, 5),
        "updated_at": at(1, 5),
        "type": "task",
    }
    made: Task = _entity(Task, name, **{**defaults, **fields})
    return made


def done(name: str, completed_at: datetime | None, **fields: Any) -> Task:
    return task(name, status=TaskStatus.DONE, completed_at=completed_at, **fields)


def milestone(name: str, /, **fields: Any) -> Milestone:
    made: Milestone = _entity(Milestone, name, **{"name": name, **fields})
    return made


def decision(name: str, **fields: Any) -> Decision:
    made: Decision = _entity(Decision, name, **{"question": name, **fields})
    return made


def change(name: str, **fields: Any) -> ChangeRequest:
    made: ChangeRequest = _entity(ChangeRequest, name, **{"title": name, **fields})
    return made


def source(freshness: Freshness = Freshness.FRESH, **fields: Any) -> SourceState:
    defaults = {"connection": "pm", "title": "PingCode", "data_as_of": FRIDAY - timedelta(minutes=2)}
    return SourceState(**{**defaults, "freshness": freshness, **fields})


def facts(**fields: Any) -> ProjectFacts:
    """The week that ends on Friday, 6 March 2026, 16:00 in Shanghai; report 9 of Acme's customer portal."""
    end = fields.get("period_end", FRIDAY)
    defaults: dict[str, Any] = {
        "account": "acme",
        "account_name": "Acme",
        "project": "portal",
        "project_name": "Customer portal",
        "goals": [],
        "tasks": [],
        "milestones": [],
        "decisions": [],
        "change_requests": [],
        "people": {"u1": "Zhang Wei"},
        "key_contacts": [Person(name="Zhang Wei", is_client=False), Person(name="Mr Wang")],
        "sources": [source(data_as_of=end - timedelta(minutes=2))],
        "author": "Zhang Wei",
        "period_start": end - WEEK,
        "period_end": end,
        "next_end": end + WEEK,
        "now": end,
        "timezone": SHANGHAI,
        "number": 9,
        "previous": None,
        "previous_delivered_at": None,
        "baselines": {},
        "calendar": CHINA,
        "show": ALL,
    }
    return ProjectFacts(**{**defaults, **fields})


def after(before: ProjectFacts, **fields: Any) -> ProjectFacts:
    """The facts one week later, with `before`'s record as the last delivered one."""
    previous = record.build(before)
    end = before.period_end + WEEK
    later = replace(
        before,
        number=before.number + 1,
        period_start=before.period_end,
        period_end=end,
        next_end=end + WEEK,
        now=end,
        sources=[source(data_as_of=end - timedelta(minutes=2))],
        previous=previous,
        previous_delivered_at=before.now + timedelta(minutes=3),
    )
    return replace(later, **fields)


def two_weeks(seed: int, size: int = 30) -> tuple[ProjectFacts, ProjectFacts, CommunicationRecord]:
    """A random project at two Fridays, with what happens to tasks and milestones in between, and its later record."""
    rng = random.Random(seed)
    milestones = [_random_milestone(rng, f"{seed}-m{n}") for n in range(rng.randint(0, 5))]
    before = facts(
        tasks=[_random_task(rng, f"{seed}-t{n}", milestones, FRIDAY - WEEK) for n in range(rng.randint(0, size))],
        milestones=milestones,
        decisions=[_random_decision(rng, f"{seed}-d{n}") for n in range(rng.randint(0, 3))],
        change_requests=[change(f"{seed}-c{n}", status=rng.choice(list(ChangeStatus))) for n in range(2)],
        baselines={m.id: date(2026, 2, 25) for m in milestones if rng.random() < 0.5},
        period_end=FRIDAY - WEEK,
        number=8,
    )
    tasks = [_later(rng, t, milestones) for t in before.tasks if rng.random() < 0.95]
    tasks += [_random_task(rng, f"{seed}-n{n}", milestones, FRIDAY) for n in range(rng.randint(0, 6))]
    moved = [_moved(rng, m) for m in milestones if rng.random() < 0.95]
    ends = rng.choice([FRIDAY, FRIDAY, FRIDAY - timedelta(days=2)])  # now and then a report comes early
    later = after(before, tasks=tasks, milestones=moved, period_end=ends, now=ends)
    return before, later, record.build(later)


def _maybe(rng: random.Random, chance: float, value: Any) -> Any:
    return value if rng.random() < chance else None


def _day(rng: random.Random) -> date:
    return date(2026, 2, 9) + timedelta(days=rng.randint(0, 45))


def _random_milestone(rng: random.Random, name: str) -> Milestone:
    status = rng.choice([MilestoneStatus.OPEN, MilestoneStatus.OPEN, MilestoneStatus.DONE, MilestoneStatus.CANCELLED])
    return milestone(
        name,
        status=status,
        due_date=_maybe(rng, 0.8, _day(rng)),
        baseline_due_date=_maybe(rng, 0.3, _day(rng)),
        completed_at=at(2, rng.randint(10, 28)) if status is MilestoneStatus.DONE and rng.random() < 0.8 else None,
        deleted_at=_maybe(rng, 0.1, at(2, 20)),
    )


def _random_decision(rng: random.Random, name: str) -> Decision:
    return decision(
        name,
        status=rng.choice(list(DecisionStatus)),
        asked_at=_maybe(rng, 0.8, at(2, rng.randint(1, 28))),
        deleted_at=_maybe(rng, 0.1, at(2, 20)),
    )


def _random_task(rng: random.Random, name: str, milestones: list[Milestone], end: datetime) -> Task:
    status = rng.choice([*TaskStatus, TaskStatus.DONE, TaskStatus.TODO])
    created = end - timedelta(hours=rng.randint(-5, 24 * 60))
    closed = not status.is_open and rng.random() < 0.9
    return task(
        name,
        key=_maybe(rng, 0.9, f"CP-{rng.randint(1, 120)}"),
        status=status,
        created_at=_maybe(rng, 0.95, created),
        updated_at=created,
        completed_at=created + timedelta(hours=rng.randint(1, 24 * 30)) if closed else None,
        deleted_at=_maybe(rng, 0.08, end - timedelta(hours=rng.randint(-40, 200))),
        due_date=_maybe(rng, 0.6, _day(rng)),
        start_date=_maybe(rng, 0.3, _day(rng)),
        milestone=rng.choice(milestones).id if milestones and rng.random() < 0.7 else None,
        estimate_hours=rng.choice([1.0, 2.0, 4.0, 8.0]) if is_estimated(name) else _maybe(rng, 0.9, 4.0),
        holder=rng.choice([None, None, *Holder]),
        assignee=rng.choice([None, "u1", "nobody"]),
        labels=rng.choice([[], ["visible"]]),
    )


def is_estimated(name: str) -> bool:
    """Whether this project estimates every task: two of three do."""
    return int(name.split("-")[0]) % 3 != 0


def _later(rng: random.Random, before: Task, milestones: list[Milestone]) -> Task:
    moment = FRIDAY - timedelta(hours=rng.randint(1, 24 * 7))
    update: dict[str, Any] = rng.choice(
        [
            {},
            {},
            {"status": TaskStatus.DONE, "completed_at": moment},
            {"status": TaskStatus.DONE, "completed_at": moment - timedelta(days=rng.randint(0, 14))},
            {"status": TaskStatus.CANCELLED, "completed_at": rng.choice([None, moment])},
            {"status": TaskStatus.IN_PROGRESS, "completed_at": None},
            {"status": TaskStatus.BLOCKED, "completed_at": None},
            {"due_date": _day(rng)},
            {"deleted_at": moment},
            {"holder": Holder.CLIENT},
            {"milestone": rng.choice(milestones).id if milestones else None},
        ]
    )
    return before.model_copy(update={**update, "updated_at": moment} if update else {})


def _moved(rng: random.Random, before: Milestone) -> Milestone:
    update: dict[str, Any] = rng.choice(
        [
            {},
            {"due_date": _day(rng)},
            {"status": MilestoneStatus.DONE, "completed_at": FRIDAY - timedelta(hours=rng.randint(1, 160))},
            {"status": MilestoneStatus.CANCELLED},
            {"deleted_at": FRIDAY - timedelta(hours=20)},
        ]
    )
    return before.model_copy(update=update)
