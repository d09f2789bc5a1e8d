"""The whole view of a record: subject, head, banner, blocks in their order, foot."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from syncd.model.communication import Freshness, MilestoneLine, SourceState
from syncd.model.entities import MilestoneStatus
from syncd.report import blocks, lists
from syncd.report.lens import Lens
from syncd.report.text import clean, name
from syncd.report.view import Block, View

_INSTANT: Final = timedelta(microseconds=1)
_PREHEADER_LIMIT: Final = 140


def build(lens: Lens, *, is_brief: bool) -> View:
    """Return what the digest shows; a brief one leaves the lists of tasks out, a quiet one everything but two lines."""
    record, quiet = lens.record, quiet_lines(lens)
    parts = () if quiet else _blocks(lens, is_brief=is_brief)
    lead = quiet or next((block.sentences for block in parts if block.kind == "breath"), ())
    return View(
        locale=lens.language.tag,
        subject=_subject(lens, is_quiet=bool(quiet)),
        preheader=clean(" ".join(lead), _PREHEADER_LIMIT),
        account=name(record.account_name),
        project=name(record.project_name),
        report=lens.say("report", number=record.number),
        head=_head(lens),
        banner_title=lens.say("banner") if record.holds else "",
        banner=_banner(lens),
        quiet=quiet,
        blocks=parts,
        foot_title="" if quiet else lens.say("how"),
        foot=_foot(lens, is_quiet=bool(quiet)),
        own_addresses=tuple(person.email for person in record.key_contacts if person.email and not person.is_client),
    )


def quiet_lines(lens: Lens) -> tuple[str, ...]:
    """Return the two lines that stand for a report when nothing changed; none when something did."""
    record, since = lens.record, lens.record.since_last
    if since is None or not since.is_quiet:
        return ()
    day = lens.day(since.delivered_at.astimezone(lens.zone).date())
    first = lens.say("quiet", number=since.number, day=day)
    asks, shown = record.needs_you, lens.visible_asks()
    if not asks:
        progress = record.progress
        return first, lens.say("quiet_progress", done=progress.done_count, n=progress.total_count)
    if not shown:
        return first, lens.say("quiet_asks_counted", n=len(asks))
    return first, lens.say("quiet_asks", n=len(asks), question=name(shown[0].question))


def _blocks(lens: Lens, *, is_brief: bool) -> tuple[Block, ...]:
    head = (blocks.needs_you(lens), blocks.breath(lens), blocks.progress(lens))
    middle = [] if is_brief else lists.build(lens)
    tail = (blocks.milestones(lens), blocks.since_last(lens), blocks.completeness(lens))
    return blocks.present((*head, *middle, *tail))


def _subject(lens: Lens, *, is_quiet: bool) -> str:
    record = lens.record
    data = lens.say("subject_data") if record.holds else ""
    project = name(record.project_name, 60)
    if is_quiet:
        return data + _subject_asks(lens) + lens.say("subject_quiet", project=project, number=record.number)
    body = lens.say("subject", project=project, number=record.number)
    return data + _subject_asks(lens) + body + _subject_progress(lens) + _subject_milestone(lens)


def _subject_progress(lens: Lens) -> str:
    progress = lens.record.progress
    if not progress.total_count:
        return ""
    return lens.say("subject_progress", done=progress.done_count, total=progress.total_count)


def _subject_asks(lens: Lens) -> str:
    count = len(lens.record.needs_you)
    if not count or not lens.is_client:
        return ""
    if lens.answer_by is None:
        return lens.say("subject_asks", n=count)
    return lens.say("subject_asks_by", n=count, day=lens.language.weekday(lens.answer_by))


def _subject_milestone(lens: Lens) -> str:
    """Return the milestone that moved most since the last delivered record, else the latest, else the next one."""
    dated = [(line, line.due_date) for line in lens.record.milestones if _is_open(line) and line.due_date]
    overdue = [(line, due) for line, due in dated if line.days_late is not None]
    ahead = [entry for entry in dated if entry not in overdue]
    moved = [(line, line.last_due_date, due) for line, due in ahead if line.last_due_date and line.slip_since_last]
    if moved:
        line, was, now = max(moved, key=lambda entry: abs(entry[0].slip_since_last or 0))
        return lens.say("subject_milestone_moved", name=name(line.name, 40), was=lens.day(was), now=lens.day(now))
    if overdue:
        line, due = overdue[0]  # the lines come by date
        return lens.say("subject_milestone_overdue", name=name(line.name, 40), due=lens.day(due))
    if ahead:
        line, due = ahead[0]
        return lens.say("subject_milestone", name=name(line.name, 40), now=lens.day(due))
    return ""


def _is_open(line: MilestoneLine) -> bool:
    return line.status is MilestoneStatus.OPEN


def _head(lens: Lens) -> tuple[str, ...]:
    author = lens.record.author
    names = [lens.say("by_author", name=clean(author))] if author else []
    return (" · ".join([_period(lens), *names]), _as_of(lens))


def _period(lens: Lens) -> str:
    """Return the first and last day of the period; the year is said once unless it changes."""
    start = lens.record.period_start.astimezone(lens.zone).date()
    end = (lens.record.period_end - _INSTANT).astimezone(lens.zone).date()
    day = lens.language.day
    if start == end:
        return day(end)
    return lens.say(
        "span",
        start=day(start, year=end.year),
        start_full=day(start),
        end=day(end, year=start.year),
        end_full=day(end),
    )


def _as_of(lens: Lens) -> str:
    """Return how old the oldest source is, each source's own time, and whether all of it was understood."""
    sources = lens.record.sources
    if not sources:
        return lens.say("source_none")
    moments = [source.data_as_of for source in sources if source.data_as_of]
    oldest = min(moments) if moments else None
    names = lens.language.join(
        [_source_time(source, lens, oldest and oldest.astimezone(lens.zone).date()) for source in sources]
    )
    line = (
        lens.say("as_of", moment=lens.moment(oldest), sources=names)
        if oldest
        else lens.say("as_of_unknown", sources=names)
    )
    return f"{line} · {lens.say('complete' if lens.record.is_complete else 'incomplete')}"


def _source_time(source: SourceState, lens: Lens, day: date | None) -> str:
    title, moment = name(source.title, 60), source.data_as_of
    if moment is None:
        return lens.say("source_never", title=title)
    is_same_day = moment.astimezone(lens.zone).date() == day
    time = lens.language.time(moment, lens.zone) if is_same_day else lens.moment(moment)
    return lens.say("source_as_of", title=title, moment=time)


def _banner(lens: Lens) -> tuple[str, ...]:
    holds = lens.record.holds
    lines = [_banner_line(source, lens) for source in holds]
    return (*lines, lens.say("banner_note")) if holds else ()


def _banner_line(source: SourceState, lens: Lens) -> str:
    title = name(source.title, 60)
    if source.data_as_of is None:
        failed = source.freshness is Freshness.FAILED
        return lens.say("banner_failed_unknown" if failed else "banner_never", title=title)
    key = "banner_failed" if source.freshness is Freshness.FAILED else "banner_stale"
    return lens.say(key, title=title, moment=lens.moment(source.data_as_of))


def _foot(lens: Lens, *, is_quiet: bool) -> tuple[str, ...]:
    names = [clean(person.name) for person in lens.record.key_contacts if not person.is_client]
    contact = [lens.say("contact", names=lens.language.join(names))] if names else []
    how = [] if is_quiet else [lens.say("how_text")]
    return (*how, *contact, lens.say("frequency"))
