"""What is wrong with a digest: a faulty one is not sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from syncd.model.communication import CommunicationRecord, Digest
from syncd.model.entities import TaskStatus
from syncd.report.text import clean, clip, quiet_calls

_MARK: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\{[a-z_]+\}|\b(?:None(?!:)|nan|Undefined)\b")
_PERCENT: Final = re.compile(r"(\d+)\s?%")
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


def _blanks(digest: Digest) -> Iterator[str]:
    """Find titles with nothing under them, by the headings of the Markdown."""
    for part in re.split(r"^## ", digest.body_markdown, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        if not body.partition("\n---\n")[0].strip():
            yield f"{title!r} is an empty block"
    if not digest.subject.strip():
        yield "the subject is empty"


def _wording(record: CommunicationRecord, digest: Digest) -> Iterator[str]:
    own = _without(f"{digest.subject}\n{digest.body_text}", _vendor_text(record))
    for mark in dict.fromkeys(_MARK.findall(own)):
        yield f"{mark!r} is left over from a template"
    for number in _PERCENT.findall(own):
        if int(number) > 100:
            yield f"a percentage is above 100: {number}%"


def _strangers(record: CommunicationRecord, digest: Digest, other_accounts: Sequence[str]) -> Iterator[str]:
    shown = f"{digest.subject}\n{digest.preheader}\n{digest.body_text}".casefold()
    own = (record.account_name.casefold(), record.project_name.casefold())
    for name in other_accounts:
        wanted = name.strip().casefold()
        is_own = any(wanted in text for text in own)
        if len(wanted) > 1 and not is_own and re.search(_WORD.format(re.escape(wanted)), shown):
            yield f"the digest names another client: {name!r}"


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


def _without(text: str, vendor: Iterable[str]) -> str:
    """Remove vendor text in each length that a digest shows it in, the longest first."""
    lines = {clean(part, 300) for part in vendor}
    shown = {clip(line, limit) for line in lines for limit in (300, 160, 60, 40)}
    for part in sorted((part for part in shown if len(part) > 2), key=len, reverse=True):
        text = text.replace(part, " ").replace(quiet_calls(part), " ")
    return text
