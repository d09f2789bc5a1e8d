"""From a project's entities to its communication record for one period."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from syncd.model.communication import CommunicationRecord, Item, MilestoneLine, Reason
from syncd.model.entities import TaskStatus
from syncd.report import asks, diff, metrics
from syncd.report.facts import ProjectFacts
from syncd.report.picture import Picture

_NOT_HASHED: Final = {"id", "number", "author", "state", "made_at", "content_hash"}
_STARTED: Final = (TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED)


def build(facts: ProjectFacts) -> CommunicationRecord:
    """Build the record of the period, as things stood at its end.

    `done` is what was finished in the period; `next` what is open and due before the day of `next_end`, overdue
    included; `overdue` what is open and due before today; `in_progress` what is started or blocked;
    `planned_not_done` what the last delivered record put into `next` for a day before that of `period_end` and is not
    done: a record that comes early breaks no promise whose day is still to come. `needs_you` what waits for the
    client, longest first. An open task is with us unless it says who holds it. `visibility` says what `show` lets out.
    """
    picture = Picture.at_period_end(facts)
    record = CommunicationRecord(**_frame(facts), **_lists(picture))
    record = record.model_copy(update={"claims": _claims(record, picture)})
    if facts.previous is not None:
        delivered_at = facts.previous_delivered_at or facts.previous.made_at
        since = diff.since_last(facts.previous, delivered_at, record, {task.id: task for task in facts.tasks})
        record = record.model_copy(update={"since_last": since})
    return record.model_copy(update={"content_hash": content_hash(record)})


def content_hash(record: CommunicationRecord) -> str:
    """Return the SHA-256 of what the record says: equal facts give equal hashes, whenever and by whomever made."""
    body = record.model_dump(mode="json", exclude=_NOT_HASHED)
    for source in body["sources"]:
        del source["data_as_of"]
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()


def _frame(facts: ProjectFacts) -> dict[str, Any]:
    return {
        "id": _record_id(facts),
        "account": facts.account,
        "account_name": facts.account_name,
        "project": facts.project,
        "project_name": facts.project_name,
        "goals": list(facts.goals),
        "number": facts.number,
        "period_start": facts.period_start,
        "period_end": facts.period_end,
        "next_end": facts.next_end,
        "timezone": facts.timezone.key,
        "made_at": facts.now,
        "author": facts.author,
        "sources": list(facts.sources),
        "key_contacts": list(facts.key_contacts),
    }


def _lists(picture: Picture) -> dict[str, Any]:
    facts, tasks = picture.facts, list(picture.tasks.values())
    items = {task.id: picture.item(task) for task in tasks if metrics.is_counted(task)}
    done = metrics.completed_between(tasks, facts.period_start, facts.period_end)
    next_day = facts.day(facts.next_end)
    open_items = [item for item in items.values() if item.status.is_open]
    return {
        "needs_you": asks.build(picture),
        "progress": metrics.progress(tasks, facts.period_start, facts.period_end, _counted_before(facts)),
        "done": sorted((items[task.id] for task in done), key=_finished_first),
        "planned_not_done": _planned_not_done(picture),
        "in_progress": sorted((i for i in open_items if i.status in _STARTED), key=_started_first),
        "overdue": _by_due(item for item in open_items if picture.is_overdue(picture.tasks[item.id])),
        "next": _by_due(item for item in open_items if item.due_date and item.due_date < next_day),
        "milestones": _milestones(picture),
    }


def _counted_before(facts: ProjectFacts) -> frozenset[str] | None:
    """Return what the last delivered record counted, if its period ended within this one."""
    previous = facts.previous
    if previous is None or previous.period_end < facts.period_start or diff.TOTAL not in previous.claims:
        return None
    return frozenset(previous.claims[diff.TOTAL])


def _planned_not_done(picture: Picture) -> list[Item]:
    return [line for item in picture.promised if (line := _broken(item, picture)) is not None]


def _broken(promised: Item, picture: Picture) -> Item | None:
    task = picture.tasks.get(promised.id)
    if task is None:
        return promised.model_copy(update={"reason": Reason.LEFT_PROJECT, "was_due_date": promised.due_date})
    if metrics.is_counted(task) and task.status is TaskStatus.DONE:
        return None
    item = picture.item(task)
    reason = diff.reason(task, promised=promised, due=item)
    return item.model_copy(update={"reason": reason, "was_due_date": promised.due_date})


def _milestones(picture: Picture) -> list[MilestoneLine]:
    previous = picture.facts.previous
    last = {line.id: line for line in previous.milestones} if previous else {}
    lines = [picture.milestone_line(m, last.get(m.id)) for m in picture.milestones.values()]
    return sorted(lines, key=lambda line: (line.completed_date or line.due_date or date.max, line.name, line.id))


def _claims(record: CommunicationRecord, picture: Picture) -> dict[str, list[str]]:
    facts, tasks = picture.facts, list(picture.tasks.values())
    counted = [task for task in tasks if metrics.is_counted(task)]
    period = (facts.period_start, facts.period_end)
    promised = [item.id for item in picture.promised]
    broken = {item.id for item in record.planned_not_done}
    claims: dict[str, Iterable[str]] = {
        diff.DONE: (task.id for task in counted if task.status is TaskStatus.DONE),
        diff.TOTAL: (task.id for task in counted),
        "progress.done_this_period": (task.id for task in metrics.completed_between(tasks, *period)),
        "progress.added_this_period": (task.id for task in metrics.created_between(tasks, *period)),
        "progress.removed_this_period": (
            task.id for task in metrics.removed_between(tasks, *period, _counted_before(facts))
        ),
        "overdue": (item.id for item in record.overdue),
        "next": (item.id for item in record.next),
        "in_progress": (item.id for item in record.in_progress),
        "needs_you": (ask.id for ask in record.needs_you),
        diff.PROMISED: promised,
        diff.KEPT: (id_ for id_ in promised if id_ not in broken),
    }
    return {name: sorted(ids) for name, ids in claims.items()}


def _record_id(facts: ProjectFacts) -> str:
    end = facts.period_end.astimezone(UTC).isoformat()
    return str(uuid5(NAMESPACE_URL, f"syncd:{facts.account}/{facts.project}/{facts.number}/{end}"))


def _by_due(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.due_date or date.max, *_name(item)))


def _finished_first(item: Item) -> tuple[Any, ...]:
    return (item.completed_at, *_name(item))


def _started_first(item: Item) -> tuple[Any, ...]:
    return (item.start_date or date.max, *_name(item))


def _name(item: Item) -> tuple[Any, ...]:
    return (metrics.natural(item.key), metrics.natural(item.title[:80]), item.id)
