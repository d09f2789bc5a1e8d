"""A task or milestone as it was at an earlier moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from syncd.model.entities import Milestone, MilestoneStatus, Task, TaskStatus

Change = tuple[str, Any, Any, datetime]
Dated = TypeVar("Dated", Task, Milestone)


def rewind(entity: Dated, as_of: datetime, changes: Sequence[Change] = ()) -> Dated | None:
    """Return the entity as it was just before `as_of`, None if it did not exist yet.

    `changes` are its recorded field changes (field, old, new, at), newest first; those at or after `as_of` are undone,
    values as the store's JSON holds them. What happened exactly at `as_of` belongs to the time after, as at the end of
    a period. Without recorded history, something done or cancelled at or after `as_of` was open: a task counts as todo,
    since what it was before is not known; `deleted_at` at or after `as_of` falls away.
    """
    if entity.created_at is not None and entity.created_at >= as_of:
        return None
    undone = {name: old for name, old, _, at in changes if at >= as_of}
    past = type(entity).model_validate({**entity.model_dump(), **undone}) if undone else entity
    return _reopen(past, as_of)


def _reopen(entity: Dated, as_of: datetime) -> Dated:
    update: dict[str, Any] = {}
    if entity.deleted_at is not None and entity.deleted_at >= as_of:
        update["deleted_at"] = None
    if entity.completed_at is not None and entity.completed_at >= as_of:
        update["completed_at"] = None
        if isinstance(entity, Task):
            update["status"] = TaskStatus.TODO if not entity.status.is_open else entity.status
        else:
            update["status"] = MilestoneStatus.OPEN
    return entity.model_copy(update=update) if update else entity
