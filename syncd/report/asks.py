"""What waits for the client: open decisions, changes awaiting them, tasks they hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from syncd.model.communication import Ask
from syncd.model.entities import (
    ChangeRequest,
    ChangeStatus,
    Decision,
    DecisionStatus,
    Entity,
    Holder,
    Task,
    Visibility,
)
from syncd.report import metrics
from syncd.report.facts import ProjectFacts
from syncd.report.picture import Picture


def build(picture: Picture) -> list[Ask]:
    """Return the asks, longest waiting first, unknown waits last.

    A decision and a change are questions to the client by their nature; a task is one for the eyes that may see the
    task. A decision waits from `asked_at`, else from its creation. A change or task waits from when the ball is known
    to have come to the client, else from the last delivered record that already asked for it; else it is not known.
    """
    facts = picture.facts
    before = {ask.id: ask for ask in facts.previous.needs_you} if facts.previous else {}
    asks = [_decision_ask(d, facts) for d in facts.decisions if _is_undecided(d, facts.period_end)]
    asks += [_change_ask(c, facts, before) for c in facts.change_requests if _awaits_client(c)]
    held = [t for t in picture.tasks.values() if metrics.is_open(t) and t.holder is Holder.CLIENT]
    asks += [_task_ask(t, picture, before) for t in held]
    return sorted(asks, key=_longest_first)


def _is_undecided(decision: Decision, end: datetime) -> bool:
    asked_at = decision.asked_at or decision.created_at
    return (
        decision.deleted_at is None and decision.status is DecisionStatus.OPEN and (asked_at is None or asked_at < end)
    )


def _awaits_client(change: ChangeRequest) -> bool:
    return change.deleted_at is None and change.status is ChangeStatus.AWAITING_CLIENT


def _decision_ask(decision: Decision, facts: ProjectFacts) -> Ask:
    asked_at = decision.asked_at or decision.created_at
    return Ask(
        id=decision.id,
        question=decision.question,
        options=decision.options,
        asked_at=asked_at,
        due_date=decision.due_date,
        days_waiting=_days_waiting(asked_at, facts),
        url=decision.url,
    )


def _change_ask(change: ChangeRequest, facts: ProjectFacts, before: Mapping[str, Ask]) -> Ask:
    asked_at = _waits_since(change, facts, before)
    return Ask(
        id=change.id,
        question=change.title,
        asked_at=asked_at,
        days_waiting=_days_waiting(asked_at, facts),
        url=change.url,
    )


def _task_ask(task: Task, picture: Picture, before: Mapping[str, Ask]) -> Ask:
    facts = picture.facts
    asked_at = _waits_since(task, facts, before)
    may_leave = facts.show.selects(task.type, task.labels)
    return Ask(
        id=task.id,
        question=task.title,
        asked_at=asked_at,
        due_date=picture.due_date(task),
        days_waiting=_days_waiting(asked_at, facts),
        url=task.url,
        is_task=True,
        type=task.type,
        labels=task.labels,
        visibility=Visibility.CLIENT if may_leave else Visibility.INTERNAL,
    )


def _waits_since(entity: Entity, facts: ProjectFacts, before: Mapping[str, Ask]) -> datetime | None:
    if entity.id in facts.held_since:
        return facts.held_since[entity.id]
    if entity.id in before and facts.previous is not None:
        return before[entity.id].asked_at or facts.previous.made_at
    return None


def _days_waiting(asked_at: datetime | None, facts: ProjectFacts) -> int | None:
    return max(0, facts.calendar.days_between(facts.day(asked_at), facts.today)) if asked_at else None


def _longest_first(ask: Ask) -> tuple[bool, float, date, str]:
    asked = ask.asked_at.timestamp() if ask.asked_at else 0.0
    return (ask.asked_at is None, asked, ask.due_date or date.max, ask.id)
