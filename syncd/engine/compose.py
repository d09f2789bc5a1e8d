"""Compose: due rows of the communication plan become a record, digests and commands, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from syncd.engine import addressing
from syncd.engine.reconcile import Frame, calendar_of, gather, show_of
from syncd.engine.workspace import Workspace
from syncd.errors import ConfigError, MappingError
from syncd.model.communication import CommunicationRecord, Digest, RecordState
from syncd.report import lint, record, render
from syncd.report.facts import ProjectFacts
from syncd.rhythm import next_due
from syncd.settings import AccountSettings, PlanRow, ProjectSettings
from syncd.store import Connection, audit, communication, outbox
from syncd.store.communication import Kept
from syncd.store.outbox import Intent

_FIRST_PERIOD = timedelta(days=7)
_RUN = "run"  # the schedule of rows that have no rhythm of their own


class Verdict(StrEnum):
    """What became of a project's turn."""

    QUEUED = "queued"
    WAITS = "waits for approval"
    NOTHING_NEW = "nothing new"
    HELD = "held"  # sources are stale, failed or never read
    BLOCKED = "blocked"  # the linter or a mapping found a fault


@dataclass(frozen=True, slots=True)
class Turn:
    """One project's record for one rhythm. `slot` is the due time, None for a one-shot run."""

    account: AccountSettings
    project: ProjectSettings
    schedule: str
    rows: tuple[PlanRow, ...]
    slot: datetime | None


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a turn would queue: the record, a digest per audience and the intents; `problems` forbid it.

    `held` are the keys of the intents that wait for an approval.
    """

    turn: Turn
    verdict: Verdict
    record: CommunicationRecord
    facts_hash: str
    digests: tuple[Digest, ...] = ()
    intents: tuple[Intent, ...] = ()
    problems: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    queued: int = field(default=0, compare=False)


def turns(account: AccountSettings, *, slot: datetime | None = None, schedule: str | None = None) -> list[Turn]:
    """Return the turns of an account: those of one rhythm at its due time, or all rows at once for a one-shot run.

    Rows `with digest` go along with one rhythm only, the first that sends a digest. A one-shot run counts as the
    plan's first rhythm.
    """
    found = rhythms(account)
    if not found:
        return []
    if schedule is None:
        return [Turn(account, project, found[0], tuple(account.plan), slot) for project in account.projects]
    leads = schedule == _leading(account)
    rows = tuple(row for row in account.plan if (leads if row.when.with_digest else row.when.text == schedule))
    return [Turn(account, project, schedule, rows, slot) for project in account.projects]


def rhythms(account: AccountSettings) -> list[str]:
    """Return the rhythms of an account's plan, each once, in the order of its file."""
    return list(dict.fromkeys(row.when.text for row in account.plan if not row.when.with_digest))


def _leading(account: AccountSettings) -> str | None:
    """Return the rhythm that rows `with digest` go along with."""
    own = [row for row in account.plan if not row.when.with_digest]
    return next((row.when.text for row in own if row.content == "digest"), own[0].when.text if own else None)


def draft(
    space: Workspace, turn: Turn, *, now: datetime, since: datetime | None = None, for_show: bool = False
) -> Drafted:
    """Work out a turn without writing anything: the record, the digests and the commands.

    With `for_show` there are no digests and commands, only the record and what would hold it.
    """
    facts = gather(space, turn.account, turn.project, _frame(space, turn, now, since, for_show=for_show))
    made = record.build(facts)
    facts_hash = _facts_hash(facts)
    last = _last(space, turn)
    if turn.slot is None and last is not None and _is_same(last, facts_hash):
        return Drafted(turn, Verdict.NOTHING_NEW, last.record, facts_hash)
    if made.holds:
        problems = tuple(_hold(source) for source in made.holds)
        return Drafted(turn, Verdict.HELD, made, facts_hash, problems=problems)
    if for_show:
        return Drafted(turn, Verdict.QUEUED, made, facts_hash)
    return _with_digests(space, turn, made, facts_hash, now)


def _last(space: Workspace, turn: Turn, **those: Any) -> Kept | None:
    """Return the rhythm's newest record, else that of a rhythm that the plan has no more: its `when` was changed."""
    account, project = turn.account, turn.project.name
    with space.store.read() as connection:
        own = communication.latest(connection, account.id, project, turn.schedule, **those)
        return own or communication.latest(connection, account.id, project, but=rhythms(account), **those)


def _is_same(last: Kept, facts_hash: str) -> bool:
    """Say whether nothing is new; a record that was rejected is no reason not to make another."""
    return last.facts_hash == facts_hash and last.record.state is not RecordState.SUPERSEDED


def _hold(source: Any) -> str:
    as_of = f"data as of {source.data_as_of:%Y-%m-%d %H:%M} UTC" if source.data_as_of else "never read"
    return f"{source.title} ({source.connection}) is {source.freshness}: {source.note or as_of}"


def _frame(space: Workspace, turn: Turn, now: datetime, since: datetime | None, *, for_show: bool) -> Frame:
    """Return the period: from the end of the last delivered one (or `since`, or a week or more ago) until now."""
    account, end = turn.account, turn.slot or now
    delivered, name = _last(space, turn, delivered=True, before=end), turn.project.name
    with space.store.read() as connection:
        number = (
            communication.number_at(connection, account.id, name, end)
            if for_show
            else communication.next_number(connection, account.id, name)
        )
    rhythm = next((row.when for row in turn.rows if not row.when.with_digest), None)
    upcoming = next_due(rhythm, end, account.zone, calendar_of(account).is_working) if rhythm else None
    next_end = upcoming or end + _FIRST_PERIOD
    start = since or (delivered.record.period_end if delivered else end - max(_FIRST_PERIOD, next_end - end))
    return Frame(
        period_start=min(start, end),
        period_end=end,
        next_end=next_end,
        now=now,
        number=number,
        previous=delivered.record if delivered else None,
        previous_delivered_at=delivered.delivered_at if delivered else None,
    )


def _facts_hash(facts: ProjectFacts) -> str:
    """Return a hash of the entities and settings behind a record: equal means that nothing is new."""
    entities = [*facts.tasks, *facts.milestones, *facts.decisions, *facts.change_requests]
    parts = sorted(entity.model_dump_json(exclude={"updated_at"}) for entity in entities)
    parts += [facts.project_name, msgspec.json.encode([goal.model_dump(mode="json") for goal in facts.goals]).decode()]
    parts += [person.model_dump_json() for person in facts.key_contacts]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _with_digests(space: Workspace, turn: Turn, made: CommunicationRecord, facts_hash: str, now: datetime) -> Drafted:
    digests: list[Digest] = []
    intents: dict[str, Intent] = {}
    problems: list[str] = []
    held: set[str] = set()
    slot = _slot(turn, made, facts_hash)
    others = [account.account for account in space.config.accounts.values() if account.id != turn.account.id]
    for row in turn.rows:
        digest = digest_for(turn.account, row, made, now=now)
        digests.append(digest)
        problems += [f"{row.audience}: {text}" for text in lint.problems(made, digest, other_accounts=others)]
        try:
            found = addressing.intents(space, turn.account, turn.project, row, made, digest, slot=slot)
            for intent in found:  # one message per person and slot: the first row wins
                if intents.setdefault(intent.idempotency_key, intent) is intent and row.approver:
                    held.add(intent.idempotency_key)
        except (MappingError, ConfigError) as err:
            problems.append(f"{row.audience} → {row.channel}: {err}")
    if problems:
        return Drafted(turn, Verdict.BLOCKED, made, facts_hash, tuple(digests), problems=tuple(problems))
    made = made.model_copy(update={"state": RecordState.IN_REVIEW if held else RecordState.APPROVED})
    verdict = Verdict.WAITS if held else Verdict.QUEUED
    sends = tuple(intents.values())
    return Drafted(turn, verdict, made, facts_hash, tuple(digests), sends, held=frozenset(held))


def digest_for(account: AccountSettings, row: PlanRow, made: CommunicationRecord, *, now: datetime) -> Digest:
    """Render a record for one row of the plan."""
    audience = account.audiences[row.audience]
    return render.render(
        made,
        audience=row.audience,
        is_client=audience.is_client,
        content=row.content,
        locale=row.lang or account.locale,
        show=show_of(account),
        words=account.words,
        answer_by=_answer_by(account, row, now),
    )


def _answer_by(account: AccountSettings, row: PlanRow, now: datetime) -> date | None:
    if row.answer_in_days is None:
        return None
    return calendar_of(account).add(now.astimezone(account.zone).date(), row.answer_in_days)


def _slot(turn: Turn, made: CommunicationRecord, facts_hash: str) -> str:
    """Return what a record is made for; of a one-shot run the facts too, as a restored database counts anew."""
    return turn.slot.isoformat() if turn.slot else f"{_RUN} {made.number} {facts_hash[:12]}"


def commit(space: Workspace, drafted: Drafted) -> int:
    """Put a draft's record and commands into the database, all or nothing; return how many commands were new.

    A slot that has its record already is left alone: a process that died after its commit is not repeated.
    """
    if drafted.verdict not in (Verdict.QUEUED, Verdict.WAITS):
        return 0
    at, made, turn = space.now(), drafted.record, drafted.turn
    queued = 0
    with space.store.begin(durable=True) as connection:
        slot = _slot(turn, made, drafted.facts_hash)
        if communication.has_slot(connection, made.account, made.project, turn.schedule, slot):
            return 0
        _supersede(connection, turn, at)
        communication.save(connection, Kept(made, turn.schedule, slot, drafted.facts_hash, None))
        told = outbox.known_keys(connection, [intent.idempotency_key for intent in drafted.intents])
        for intent in drafted.intents:
            if intent.idempotency_key in told:
                continue  # another rhythm of this very slot has told this reader: one message per person and slot
            queued += outbox.put(connection, intent, held=intent.idempotency_key in drafted.held, at=at)
        detail = {"number": made.number, "commands": queued, "content_hash": made.content_hash}
        audit.append(connection, "compose", f"{made.account}/{made.project}", detail, actor="syncd", at=at)
    return queued


def _supersede(connection: Connection, turn: Turn, at: datetime) -> None:
    """Withdraw what nobody has received of the rhythm's older records, and of rhythms that left the plan."""
    account, project = turn.account, turn.project.name
    older = communication.undelivered(connection, account.id, project, turn.schedule, or_not_in=rhythms(account))
    outbox.cancel_superseded(connection, older, at=at)
    outbox.cancel_unsent(connection, older, why="a newer digest replaced it", at=at)
    for one in older:
        if not outbox.rows(connection, record=one, states=_UNDER_WAY, limit=1):
            communication.set_state(connection, one, RecordState.SUPERSEDED)


_UNDER_WAY = (outbox.State.PENDING, outbox.State.CLAIMED, outbox.State.UNKNOWN, outbox.State.PARKED, outbox.State.SENT)


def plan_hash(drafts: Sequence[Drafted], waiting: Sequence[tuple[str, str]] = ()) -> str:
    """Return the hash of what drafts and `waiting` (key, payload hash) would send: same hash, same effects."""
    new = [(i.idempotency_key, i.payload_hash, i.idempotency_key in one.held) for one in drafts for i in one.intents]
    old = [(key, payload_hash, False) for key, payload_hash in waiting]
    parts = sorted(f"{key} {payload_hash} {'held' if held else ''}" for key, payload_hash, held in [*new, *old])
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
