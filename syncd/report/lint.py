"""What is wrong with a digest: a faulty one is not sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from syncd.model.communication import CommunicationRecord, Digest
from syncd.model.entities import MilestoneStatus, TaskStatus
from syncd.report.text import clean, clip, quiet_calls

_MARK: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\{[a-z_]+\}|\b(?:None(?!:)|nan|Undefined)\b")
_PERCENT: Final = re.compile(r"(\d+)\s?%")
_SHOWN_LENGTHS: Final = (300, 160, 60, 40)
_WORD: Final = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"


def problems(record: CommunicationRecord, digest: Digest, *, other_accounts: Sequence[str] = ()) -> list[str]:
    """Return one sentence for each fault; an empty list lets the digest go.

    `other_accounts` are the names of the other clients: none of them may appear, in vendor text neither.
    """
    return [
        *_sums(record),
        *_lines(record),
        *_blanks(digest),
        *_wording(record, digest),
        *_strangers(record, digest, other_accounts),
    ]


def _sums(record: CommunicationRecord) -> Iterator[str]:
    progress = record.progress
    by_status = {status: count for status, count in progress.by_status.items() if status != TaskStatus.CANCELLED}
    if sum(by_status.values()) != progress.total_count:
        yield f"progress: the states add up to {sum(by_status.values())}, the total says {progress.total_count}"
    if by_status.get(TaskStatus.DONE, 0) != progress.done_count:
        yield f"progress: {by_status.get(TaskStatus.DONE, 0)} tasks are done by state, {progress.done_count} by count"
    if len(record.done) != progress.done_this_period:
        yield f"done: {len(record.done)} items are listed, progress says {progress.done_this_period}"
    if progress.done_count > progress.total_count or progress.done_weight > progress.total_weight + 1e-6:
        yield "progress: more is done than there is, a percentage is above 100"
    since, missed = record.since_last, len(record.planned_not_done)
    if since and since.promised - since.kept != missed:
        yield f"since last: {since.promised} promised, {since.kept} kept, but {missed} listed as not done"


def _lines(record: CommunicationRecord) -> Iterator[str]:
    today = record.made_at.astimezone(ZoneInfo(record.timezone)).date()
    late = {item.id for item in record.overdue}
    for item in record.overdue:
        if item.holder is None:
            yield f"overdue: {clean(item.title, 60)!r} does not say who holds it"
    for item in record.next:
        if item.due_date and item.due_date < today and item.id not in late:
            yield f"next: {clean(item.title, 60)!r} is due in the past ({item.due_date}) and not marked overdue"
    for line in record.milestones:
        if line.due_date and not line.baseline_due_date:
            yield f"milestones: {clean(line.name, 60)!r} has a date and no baseline"
        if line.status is MilestoneStatus.OPEN and line.due_date and line.due_date < today and line.days_late is None:
            yield f"milestones: {clean(line.name, 60)!r} is due in the past ({line.due_date}) and not marked overdue"


def _blanks(digest: Digest) -> Iterator[str]:
    """Find titles with nothing under them, by the headings of the Markdown."""
    for part in re.split(r"^## ", digest.body_markdown, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        if not body.partition("\n---\n")[0].strip():
            yield f"{title!r} is an empty block"
    if not digest.subject.strip():
        yield "the subject is empty"


def _wording(record: CommunicationRecord, digest: Digest) -> Iterator[str]:
    own = f"{digest.subject}\n{digest.body_text}"
    for part in _shown(record, own):
        own = own if len(part) < 3 else own.replace(part, " ").replace(quiet_calls(part), " ")
    for mark in dict.fromkeys(_MARK.findall(own)):
        yield f"{mark!r} is left over from a template"
    for number in _PERCENT.findall(own):
        if int(number) > 100:
            yield f"a percentage is above 100: {number}%"


def _strangers(record: CommunicationRecord, digest: Digest, other_accounts: Sequence[str]) -> Iterator[str]:
    """Find other clients in what vendors and people wrote; our own sentences may hold a name like "Next" by chance."""
    if digest.record != record.id:
        yield "the digest was made from another record"
    shown = f"{digest.subject}\n{digest.body_text}"
    own = f"{record.account_name}\n{record.project_name}".casefold()
    parts = _shown(record, shown)
    for stranger in other_accounts:
        wanted = stranger.strip().casefold()
        if len(wanted) < 2 or wanted in own:
            continue
        pattern = re.compile(_WORD.format(re.escape(wanted)))
        if any(pattern.search(part.casefold()) for part in parts):
            yield f"the digest names another client: {stranger!r}"


def _vendor_text(record: CommunicationRecord) -> Iterator[str]:
    """Yield what came from people and vendors and may hold any character."""
    yield from (record.account_name, record.project_name, record.author or "")
    items = (*record.done, *record.planned_not_done, *record.in_progress, *record.overdue, *record.next)
    for item in items:
        yield from (item.title, item.key or "", item.owner or "", item.milestone or "")
    for ask in record.needs_you:
        yield from (ask.question, *ask.options)
    yield from (line.name for line in record.milestones)
    yield from (source.title for source in record.sources)
    yield from (person.name for person in record.key_contacts)
    yield from (move.name for move in record.since_last.milestone_moves) if record.since_last else ()


def _shown(record: CommunicationRecord, text: str) -> list[str]:
    """Return the vendor text that stands in a digest's text, in the length it has there, the longest first."""
    parts = {part for source in _vendor_text(record) for part in _lengths(source)}
    return sorted((part for part in parts if part in text or quiet_calls(part) in text), key=len, reverse=True)


def _lengths(source: str) -> set[str]:
    line = clean(source, _SHOWN_LENGTHS[0])
    return {clip(line, limit) for limit in _SHOWN_LENGTHS}
