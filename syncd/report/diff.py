"""What differs from the last record that the client really received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from syncd.model.communication import (
    Ask,
    CommunicationRecord,
    Correction,
    DateMove,
    Item,
    MilestoneLine,
    Reason,
    SinceLast,
)
from syncd.model.entities import Holder, Task, TaskStatus
from syncd.report import metrics

DONE = "progress.done_count"
TOTAL = "progress.total_count"
PROMISED = "since_last.promised"
KEPT = "since_last.kept"


def since_last(
    previous: CommunicationRecord,
    delivered_at: datetime,
    record: CommunicationRecord,
    tasks: Mapping[str, Task],
) -> SinceLast:
    """Compare `record` with the last delivered one; `tasks` are the project's, by id, as they are now."""
    before, now = previous.claims, record.claims
    since = SinceLast(
        number=previous.number,
        delivered_at=delivered_at,
        milestone_moves=milestone_moves(previous.milestones, record.milestones),
        done=len(set(now[DONE]) - set(before.get(DONE, ()))),
        added=len(set(now[TOTAL]) - set(before.get(TOTAL, ()))),
        removed=len(set(before.get(TOTAL, ())) - set(now[TOTAL])),
        newly_overdue=len(_ids(record.overdue) - _ids(previous.overdue)),
        done_count_before=previous.progress.done_count,
        total_count_before=previous.progress.total_count,
        promised=len(now[PROMISED]),
        kept=len(now[KEPT]),
        corrections=corrections(previous, tasks),
    )
    return since.model_copy(update={"is_quiet": _is_quiet(since, previous, record)})


def milestone_moves(before: Sequence[MilestoneLine], now: Sequence[MilestoneLine]) -> list[DateMove]:
    """Return the milestones whose date changed, and those that are gone (`now` is None)."""
    dates = {line.id: line.completed_date or line.due_date for line in now}
    moves = []
    for line in before:
        was = line.completed_date or line.due_date
        if was != dates.get(line.id) or line.id not in dates:
            moves.append(DateMove(id=line.id, name=line.name, was=was, now=dates.get(line.id)))
    return moves


def corrections(previous: CommunicationRecord, tasks: Mapping[str, Task]) -> list[Correction]:
    """Return the totals of the last delivered record that later data proved wrong.

    Only proof counts. A task belonged to that total, though it was not in it, when it existed before and has not
    changed since; it did not belong, though it was in it, when it turns out to have been deleted by then. A task was
    done, though not counted, when it carries an earlier completion time; it was not, though counted, when it carries a
    later one. What was moved in, reopened or cancelled in the meantime is a change, not a correction.
    """
    cutoff = min(previous.period_end, previous.made_at)
    total, done = set(previous.claims.get(TOTAL, ())), set(previous.claims.get(DONE, ()))
    if len(total) != previous.progress.total_count or len(done) != previous.progress.done_count:
        return []  # a record without its sources proves nothing
    total_again = {t.id for t in tasks.values() if _belonged(t, cutoff, was_counted=t.id in total)}
    total_again |= total - tasks.keys()
    done_again = {id_ for id_ in total_again if _was_done(tasks.get(id_), cutoff, was_counted=id_ in done)}
    pairs = ((DONE, done, done_again), (TOTAL, total, total_again))
    return [
        Correction(what=what, was=str(len(was)), now=str(len(again)))
        for what, was, again in pairs
        if len(was) != len(again)
        for what, was, again in pairs
        if len(was) != len(again)
    ]


def reason(task: Task, *, promised: Item, due: Item) -> Reason:
    """Return why the task that `promised` announced is not done; `due` is how it stands now. The first that holds."""
    holder_reasons = {
        Holder.CLIENT: Reason.WAITS_FOR_CLIENT,
        Holder.THIRD_PARTY: Reason.WAITS_FOR_THIRD_PARTY,
    }
    if task.deleted_at is not None:
        return Reason.DELETED
    if task.status is TaskStatus.CANCELLED:
        return Reason.CANCELLED
    if due.holder in holder_reasons:
        return holder_reasons[due.holder]
    if task.status is TaskStatus.BLOCKED:
        return Reason.BLOCKED
    if promised.due_date and due.due_date and due.due_date > promised.due_date:
        return Reason.MOVED
    return Reason.IN_PROGRESS if task.status is TaskStatus.IN_PROGRESS else Reason.NOT_STARTED


def _belonged(task: Task, cutoff: datetime, *, was_counted: bool) -> bool:
    if task.deleted_at is not None and task.deleted_at < cutoff:
        return False
    if was_counted:
        return True
    moments = [moment for moment in (task.created_at, task.updated_at) if moment is not None]
    return metrics.is_counted(task) and len(moments) == 2 and max(moments) < cutoff


def _was_done(task: Task | None, cutoff: datetime, *, was_counted: bool) -> bool:
    if task is None or task.status is not TaskStatus.DONE or task.completed_at is None:
        return was_counted
    return task.completed_at < cutoff


def _is_quiet(since: SinceLast, before: CommunicationRecord, now: CommunicationRecord) -> bool:
    moved = since.done or since.added or since.removed or since.milestone_moves or since.corrections
    if moved or now.planned_not_done or now.holds:
        return False
    return _substance(before) == _substance(now)


def _substance(record: CommunicationRecord) -> tuple[object, ...]:
    return (
        record.progress.by_status,
        [(m.id, m.name, m.status, m.baseline_due_date) for m in record.milestones],
        _ids(record.needs_you),
        _ids(record.overdue),
        {line.id for line in record.milestones if line.days_late is not None},
        {(item.id, item.status) for item in record.in_progress},
        {(item.id, item.due_date) for item in record.next},
    )


def _ids(lines: Sequence[Item] | Sequence[Ask]) -> set[str]:
    return {line.id for line in lines}
