"""The blocks that list tasks: done, planned but not done, in progress, overdue, next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from syncd.model.communication import Item, Reason
from syncd.model.entities import TaskStatus
from syncd.report.lens import Lens
from syncd.report.text import clean, name
from syncd.report.view import Block, Entry, Group

LIMIT: Final = 10
_GONE: Final = (Reason.DELETED, Reason.LEFT_PROJECT, Reason.CANCELLED)


def build(lens: Lens) -> list[Block]:
    """Return the five blocks, empty ones with a sentence that says so."""
    return [_done(lens), _planned_not_done(lens), _in_progress(lens), _overdue(lens), _next(lens)]


def _done(lens: Lens) -> Block:
    items = lens.record.done
    block = _block(lens, "done", items, _done_entry, lens.say("done_none"))
    shown = lens.visible(items)[:LIMIT]
    order = [name(line.name) for line in lens.record.milestones]  # an item's milestone is always one of these
    names = sorted({_milestone(item) for item in shown}, key=[*order, ""].index)
    if names in ([], [""]):
        return block
    groups = tuple(
        Group(
            entries=tuple(_done_entry(item, lens) for item in shown if _milestone(item) == group),
            name=group or lens.say("no_milestone"),
        )
        for group in names
    )
    return replace(block, groups=groups)


def _milestone(item: Item) -> str:
    return "" if item.milestone is None else name(item.milestone)


def _planned_not_done(lens: Lens) -> Block:
    return _block(lens, "planned_not_done", lens.record.planned_not_done, _planned_entry, _nothing_missed(lens))


def _nothing_missed(lens: Lens) -> str:
    since = lens.record.since_last
    if since is None:
        return lens.say("planned_first")
    return lens.say("planned_none" if since.promised else "planned_nothing", number=since.number)


def _in_progress(lens: Lens) -> Block:
    return _block(lens, "in_progress", lens.record.in_progress, _progress_entry, lens.say("in_progress_none"))


def _overdue(lens: Lens) -> Block:
    return _block(lens, "overdue", lens.record.overdue, _overdue_entry, lens.say("overdue_none"))


def _next(lens: Lens) -> Block:
    day = lens.day(lens.record.next_end.astimezone(lens.zone).date())
    block = _block(lens, "next", lens.record.next, _next_entry, lens.say("next_none", day=day))
    return replace(block, title=lens.say("next_until", day=day))


def _done_entry(item: Item, lens: Lens) -> Entry:
    finished = item.completed_at and lens.shows("completed_at")
    when = lens.day(item.completed_at.astimezone(lens.zone).date()) if item.completed_at and finished else ""
    return _entry(item, lens, [], when)


def _planned_entry(item: Item, lens: Lens) -> Entry:
    notes = [lens.say(f"reason_{item.reason.value}")] if item.reason else []
    when = ""
    if item.was_due_date and lens.shows("due_date"):
        notes.append(lens.say("was_due", day=lens.day(item.was_due_date)))
        is_moved = item.due_date and item.due_date != item.was_due_date and item.reason not in _GONE
        when = lens.say("now_due", day=lens.day(item.due_date)) if is_moved and item.due_date else ""
    return _entry(item, lens, notes, when)


def _progress_entry(item: Item, lens: Lens) -> Entry:
    late = _is_late(item, lens)
    notes = [lens.say("is_overdue")] if late else []
    if item.status is TaskStatus.BLOCKED and lens.shows("status"):
        notes.append(lens.status(item.status))
    if item.age_days is not None and lens.shows("start_date"):
        notes.append(lens.say("age", n=item.age_days))
    return _entry(item, lens, notes, _due(item, lens), is_late=late)


def _overdue_entry(item: Item, lens: Lens) -> Entry:
    notes = [lens.holder(item.holder)]
    if lens.shows("due_date"):
        notes.insert(0, lens.say("days_late", n=item.days_late) if item.days_late else lens.say("late_under_a_day"))
    return _entry(item, lens, notes, _due(item, lens), is_late=True)


def _next_entry(item: Item, lens: Lens) -> Entry:
    late = _is_late(item, lens)
    notes = [lens.say("is_overdue")] if late else []
    if item.status is not TaskStatus.TODO and lens.shows("status"):
        notes.append(lens.status(item.status))
    return _entry(item, lens, notes, _due(item, lens), is_late=late)


def _entry(item: Item, lens: Lens, notes: Sequence[str], when: str, *, is_late: bool = False) -> Entry:
    key = [clean(item.key)] if item.key and lens.shows("key") and lens.shows("title") else []
    owner = [clean(item.owner)] if item.owner and lens.shows("owner") else []
    return Entry(lens.title(item), (*key, *notes, *owner), when, lens.url(item.url), is_late)


def _due(item: Item, lens: Lens) -> str:
    return lens.day(item.due_date) if item.due_date and lens.shows("due_date") else ""


def _is_late(item: Item, lens: Lens) -> bool:
    return item.due_date is not None and item.due_date < lens.today and lens.shows("due_date")


def _block(
    lens: Lens,
    kind: str,
    items: Sequence[Item],
    entry: Callable[[Item, Lens], Entry],
    nothing: str,
) -> Block:
    """Return the block: what may be shown up to the limit, how many more there are, or that there is nothing."""
    shown = lens.visible(items)[:LIMIT]
    left = len(items) - len(shown)
    return Block(
        kind=kind,
        title=lens.say(kind),
        count=len(items),
        sentences=() if items else (nothing,),
        groups=(Group(tuple(entry(item, lens) for item in shown)),) if shown else (),
        more=lens.say("and_more" if shown else "counted_only", n=left) if left else "",
    )
