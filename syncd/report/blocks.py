"""The blocks that are not lists of tasks: needs you, in one breath, progress, milestones, since last, completeness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from syncd.model.communication import Ask, Correction, DateMove, Freshness, MilestoneLine, SourceState
from syncd.model.entities import Holder, MilestoneStatus, TaskStatus
from syncd.report.lens import Lens
from syncd.report.text import clean, name
from syncd.report.view import Bar, Block, Entry, Group, Table

ASK_LIMIT: Final = 10
MILESTONE_LIMIT: Final = 12
MOVE_LIMIT: Final = 5
_BOTH_ABOVE: Final = 10  # points between progress by count and by hours from which both are shown
_NO_VALUE: Final = "–"


def needs_you(lens: Lens) -> Block:
    """Return the asks, longest waiting first."""
    asks = lens.record.needs_you
    shown = lens.visible_asks()[:ASK_LIMIT]
    left = len(asks) - len(shown)
    sentences = [] if asks else [lens.say("needs_nothing")]
    if left and not shown:
        sentences.append(lens.say("needs_counted", n=left))
    return Block(
        kind="needs_you",
        title=lens.say("needs_you"),
        count=len(asks) or None,
        sentences=tuple(sentences),
        groups=(Group(tuple(_ask_entry(ask, lens) for ask in shown)),) if shown else (),
        more=lens.say("and_more", n=left) if left and shown else "",
        note=lens.say("answer_by", day=lens.language.weekday(lens.answer_by)) if asks and lens.answer_by else "",
    )


def breath(lens: Lens) -> Block:
    """Return at most five sentences, each bound to the record's numbers."""
    sentences = [_kept(lens), _scope(lens), _dates(lens), _lateness(lens), _waiting(lens)]
    return Block(kind="breath", title=lens.say("breath"), sentences=tuple(s for s in sentences if s))


def progress(lens: Lens) -> Block:
    """Return how far the project is: by count, by hours too when that reads differently, and this period's part."""
    record = lens.record.progress
    if not record.total_count:
        return Block(kind="progress", title=lens.say("progress"), sentences=(lens.say("progress_none"),))
    share = percent(record.done_count, record.total_count)
    weighed = percent(record.done_weight, record.total_weight)
    words = lens.say("progress_count", n=record.total_count, done=record.done_count)
    sentences = []
    if record.weight_unit == "hours" and abs(share - weighed) > _BOTH_ABOVE:
        done, total = lens.language.number(record.done_weight), lens.language.number(record.total_weight)
        sentences.append(lens.say("progress_hours", percent=weighed, done=done, total=total))
    sentences.append(
        lens.say(
            "progress_period",
            done=record.done_this_period,
            added=record.added_this_period,
            removed=record.removed_this_period,
        )
    )
    return Block(kind="progress", title=lens.say("progress"), bar=Bar(share, words), sentences=tuple(sentences))


def percent(done: float, total: float) -> int:
    """Return the share in whole percent, rounded down: 100 means that all is done."""
    return int(100 * done / total) if total else 0


def milestones(lens: Lens) -> Block:
    """Return the table of dates; when there are too many, those finished longest ago are left out first."""
    lines = lens.record.milestones
    ranked = sorted(lines, key=_is_done)
    kept = {line.id for line in ranked[: MILESTONE_LIMIT if len(lines) > MILESTONE_LIMIT else None]}
    shown = [line for line in lines if line.id in kept]
    has_last = lens.record.since_last is not None
    columns = ["milestone", "baseline", *(["last"] if has_last else []), "now", "slip"]
    table = Table(
        columns=tuple(lens.say(f"column_{name}") for name in columns),
        rows=tuple(_milestone_row(line, lens, has_last=has_last) for line in shown),
    )
    return Block(
        kind="milestones",
        title=lens.say("milestones"),
        table=table if shown else None,
        sentences=() if shown else (lens.say("milestones_none"),),
        more=lens.say("and_more", n=len(lines) - len(shown)) if len(lines) > len(shown) else "",
    )


def since_last(lens: Lens) -> Block | None:
    """Return what changed since the record the client really received, corrections first; None for the first report."""
    since = lens.record.since_last
    if since is None:
        return None
    moves = [_move(move, lens) for move in since.milestone_moves[:MOVE_LIMIT]]
    left = len(since.milestone_moves) - len(moves)
    counts = lens.say(
        "since_counts", done=since.done, added=since.added, removed=since.removed, overdue=since.newly_overdue
    )
    kept = lens.say("since_kept", promised=since.promised, kept=since.kept)
    day = lens.day(since.delivered_at.astimezone(lens.zone).date())
    return Block(
        kind="since_last",
        title=lens.say("since_last_on", number=since.number, day=day),
        sentences=(
            *(_correction(c, since.number, lens) for c in since.corrections),
            *moves,
            *([lens.say("and_more", n=left)] if left else []),
            counts,
            kept,
        ),
    )


def completeness(lens: Lens) -> Block:
    """Return each source with when it was read and whether all of it was understood."""
    lines = tuple(source_line(source, lens) for source in lens.record.sources)
    return Block(kind="completeness", title=lens.say("completeness"), sentences=lines or (lens.say("source_none"),))


def source_line(source: SourceState, lens: Lens) -> str:
    """Return one source's state in words."""
    moment = lens.moment(source.data_as_of) if source.data_as_of else ""
    return lens.say(_source_key(source), title=clean(source.title), moment=moment, n=source.parked)


def _source_key(source: SourceState) -> str:
    if source.freshness is Freshness.NEVER or (source.data_as_of is None and source.freshness is not Freshness.FAILED):
        return "source_not_read"
    if source.freshness is Freshness.FAILED:
        return "source_failed" if source.data_as_of else "source_failed_unknown"
    if source.freshness is Freshness.STALE:
        return "source_stale"
    return "source_parked" if source.parked else "source_complete"


def _ask_entry(ask: Ask, lens: Lens) -> Entry:
    notes = []
    if ask.options:
        options = lens.language("options").join(clean(option, 60) for option in ask.options[:6])
        notes.append(lens.say("options_note", options=options))
    if ask.days_waiting is not None:
        notes.append(lens.say("waiting", n=ask.days_waiting))
    if ask.due_date is not None and (lens.shows("due_date") or not ask.is_task):
        notes.append(lens.say("wanted_by", day=lens.day(ask.due_date)))
    return Entry(name(ask.question, 300), tuple(notes), url=lens.url(ask.url))


def _kept(lens: Lens) -> str:
    since = lens.record.since_last
    if since is not None and since.promised:
        return lens.say("breath_kept", n=since.promised, kept=since.kept, number=since.number)
    done = len(lens.record.done)
    return lens.say("breath_done", n=done) if done else lens.say("done_none")


def _scope(lens: Lens) -> str:
    since, now = lens.record.since_last, lens.record.progress
    if since is None or not since.total_count_before or not now.total_count:
        return ""
    fell = now.done_count * since.total_count_before < since.done_count_before * now.total_count
    only_scope = now.done_count >= since.done_count_before
    if not (fell and only_scope):
        return ""
    return lens.say("breath_scope", number=since.number, before=since.total_count_before, now=now.total_count)


def _dates(lens: Lens) -> str:
    overdue = [line for line in lens.record.milestones if line.days_late is not None]
    if overdue:
        return _overdue(max(overdue, key=lambda line: line.days_late or 0), lens)
    dated = [line for line in lens.record.milestones if line.slip_days is not None]
    late = [line for line in dated if not _is_done(line) and (line.slip_days or 0) > 0]
    if not late:
        stands = dated and not lens.record.holds and all(_is_on_plan(line) for line in dated)
        return lens.say("breath_on_plan") if stands else ""
    worst = max(late, key=lambda line: line.slip_days or 0)
    if worst.due_date is None or worst.baseline_due_date is None:
        return ""
    now, first = lens.day(worst.due_date), lens.day(worst.baseline_due_date)
    return lens.say("breath_late", name=name(worst.name, 60), now=now, baseline=first, n=worst.slip_days)


def _overdue(line: MilestoneLine, lens: Lens) -> str:
    due = lens.day(line.due_date) if line.due_date else _NO_VALUE
    key = "breath_milestone_overdue" if line.days_late else "breath_milestone_just_overdue"
    return lens.say(key, name=name(line.name, 60), due=due, n=line.days_late)


def _lateness(lens: Lens) -> str:
    overdue = lens.record.overdue
    if not overdue:
        return ""
    holders = Counter(item.holder or Holder.US for item in overdue)
    parts = [lens.say("holder_counted", n=holders[h], holder=lens.holder(h)) for h in Holder if holders[h]]
    return lens.say("breath_overdue", n=len(overdue), holders=lens.language.join(parts))


def _waiting(lens: Lens) -> str:
    asks = lens.record.needs_you
    return lens.say("breath_asks", n=len(asks)) if asks else ""


def _milestone_row(line: MilestoneLine, lens: Lens, *, has_last: bool) -> tuple[Entry, tuple[str, ...]]:
    late = line.days_late is not None or (not _is_done(line) and (line.slip_days or 0) > 0)
    notes = [lens.status(TaskStatus.DONE)] if _is_done(line) else []
    if line.days_late is not None:
        notes.append(lens.say("days_late", n=line.days_late) if line.days_late else lens.say("late_under_a_day"))
    if line.total_count:
        notes.append(lens.say("milestone_items", done=line.done_count, n=line.total_count))
    now = line.completed_date or line.due_date
    dates = [line.baseline_due_date, *([line.last_due_date] if has_last else [])]
    cells = [lens.day(day) if day else _NO_VALUE for day in dates]
    entry = Entry(name(line.name), tuple(notes), url=lens.url(line.url), is_late=late)
    return entry, (*cells, lens.day(now) if now else lens.say("no_date"), _slip(line, lens))


def _is_done(line: MilestoneLine) -> bool:
    return line.status is MilestoneStatus.DONE


def _is_on_plan(line: MilestoneLine) -> bool:
    """Return whether the date is the promised one: moved by holidays only, it slips by 0 days and is not on plan."""
    return line.days_late is None and (line.completed_date or line.due_date) == line.baseline_due_date


def _slip(line: MilestoneLine, lens: Lens) -> str:
    days = line.slip_days
    if days is None:
        return _NO_VALUE
    if _is_on_plan(line):
        return lens.say("on_plan")
    return lens.say("slip", n=abs(days), sign="+" if days > 0 else "−" if days < 0 else "")


def _move(move: DateMove, lens: Lens) -> str:
    was = lens.day(move.was) if move.was else lens.say("no_date")
    is_gone = move.id not in {line.id for line in lens.record.milestones}
    now = lens.day(move.now) if move.now else lens.say("milestone_gone" if is_gone else "no_date")
    return lens.say("since_move", name=name(move.name, 60), was=was, now=now)


def _correction(correction: Correction, number: int, lens: Lens) -> str:
    what = lens.say(f"what_{correction.what.removeprefix('progress.').removesuffix('_count')}")
    return lens.say("correction", number=number, what=what, was=correction.was, now=correction.now)


def present(blocks: Sequence[Block | None]) -> tuple[Block, ...]:
    """Return the blocks that exist."""
    return tuple(block for block in blocks if block is not None)
