"""How the numbers are made: which tasks count, what is due, what is late, how far the project is.

A deleted or cancelled task is in no total. Everything is the picture at the end of the period; "today" is the
account's date at `now`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime

from syncd.model.communication import Progress
from syncd.model.entities import Milestone, MilestoneStatus, Task, TaskStatus


def is_counted(task: Task) -> bool:
    """Return whether the task is in the totals: neither deleted nor cancelled."""
    return task.deleted_at is None and task.status is not TaskStatus.CANCELLED


def is_open(task: Task) -> bool:
    """Return whether work on the task is still to be done."""
    return task.deleted_at is None and task.status.is_open


def completed_between(tasks: Iterable[Task], start: datetime, end: datetime) -> list[Task]:
    """Return the counted tasks finished in [start, end).

    A finished task without a completion time is in the totals, but in no period: when it was finished is not known.
    """
    return [
        task
        for task in tasks
        if is_counted(task) and task.status is TaskStatus.DONE and _is_within(task.completed_at, start, end)
    ]


def created_between(tasks: Iterable[Task], start: datetime, end: datetime) -> list[Task]:
    """Return the counted tasks created in [start, end)."""
    return [task for task in tasks if is_counted(task) and _is_within(task.created_at, start, end)]


def removed_between(
    tasks: Iterable[Task], start: datetime, end: datetime, counted_before: Collection[str] | None = None
) -> list[Task]:
    """Return the tasks deleted or cancelled in [start, end).

    `counted_before` are the ids in the total of the last delivered record, if it ended within the period: a task that
    was cancelled without a date was removed since then if it is one of them. Without such a record the date of its
    last change stands in, which a later edit may have moved.
    """

    def is_removed(task: Task) -> bool:
        moment = task.deleted_at or task.completed_at
        if moment is None and counted_before is not None:
            return task.id in counted_before
        return _is_within(moment or task.updated_at, start, end)

    return [task for task in tasks if not is_counted(task) and is_removed(task)]


def due_date(task: Task, milestones: Mapping[str, Milestone], baselines: Mapping[str, date]) -> date | None:
    """Return the effective due date: the task's own, else its milestone's, else that milestone's baseline."""
    if task.due_date is not None or task.milestone is None:
        return task.due_date
    milestone = milestones.get(task.milestone)
    return (milestone.due_date or baseline(milestone, baselines)) if milestone else None


def baseline(milestone: Milestone, baselines: Mapping[str, date]) -> date | None:
    """Return the date first promised: the one the vendor keeps, else the first one ever seen, else today's."""
    return milestone.baseline_due_date or baselines.get(milestone.id) or milestone.due_date


def standing(milestones: Iterable[Milestone]) -> dict[str, Milestone]:
    """Return the milestones that are neither deleted nor cancelled, by id."""
    return {m.id: m for m in milestones if m.deleted_at is None and m.status is not MilestoneStatus.CANCELLED}


def progress(
    tasks: Sequence[Task], start: datetime, end: datetime, counted_before: Collection[str] | None = None
) -> Progress:
    """Count and weigh what is done.

    The weight is `estimate_hours` when every counted task has one, else every task weighs 1. `counted_before` is that
    of `removed_between`.
    """
    counted = [task for task in tasks if is_counted(task)]
    done = [task for task in counted if task.status is TaskStatus.DONE]
    lately = completed_between(counted, start, end)
    unit = weight_unit(counted)
    return Progress(
        done_count=len(done),
        total_count=len(counted),
        done_weight=sum(weight(task, unit) for task in done),
        total_weight=sum(weight(task, unit) for task in counted),
        weight_unit=unit,
        done_this_period=len(lately),
        done_weight_this_period=sum(weight(task, unit) for task in lately),
        added_this_period=len(created_between(counted, start, end)),
        removed_this_period=len(removed_between(tasks, start, end, counted_before)),
        by_status=dict(sorted(Counter(task.status for task in counted).items())),
    )


def weight_unit(counted: Sequence[Task]) -> str:
    """Return "hours" when every counted task is estimated and some are above zero, else "items"."""
    estimates = [task.estimate_hours for task in counted]
    estimated = all(hours is not None and hours >= 0 for hours in estimates) and any(estimates)
    return "hours" if estimated else "items"


def weight(task: Task, unit: str) -> float:
    """Return what the task weighs in this unit."""
    return task.estimate_hours or 0.0 if unit == "hours" else 1.0


def natural(key: str | None) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts `CP-9` before `CP-10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", key or "")
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _is_within(moment: datetime | None, start: datetime, end: datetime) -> bool:
    return moment is not None and start <= moment < end
