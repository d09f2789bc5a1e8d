"""The jobs of the service: each claims its slot in the database first, so that no slot is done twice."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd import log
from syncd.engine import compose, identity
from syncd.engine.compose import Drafted, Verdict
from syncd.engine.pull import PullResult, Wish, pull
from syncd.engine.push import Pushed, push
from syncd.engine.workspace import Workspace
from syncd.errors import BusyError, ConfigError, ConnectorError, StoppedError
from syncd.settings import AccountSettings
from syncd.store import Connection, firings, health, outbox, runs

CENSUS: Final = "census"
_CENSUS_CADENCE: Final = timedelta(weeks=1)
_RETRY: Final = timedelta(minutes=5)
_RETRY_PAUSED: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Which process works, and with which version of the configuration."""

    name: str
    config_version: str


def cadences(space: Workspace, connection: str) -> dict[str, timedelta]:
    """Return how often each stream of a connection is read, and how often a census is taken."""
    own = space.connection(connection).pull
    used = space.mapping(connection).streams
    found = {s.name: own.get(s.name, s.cadence) for s in space.spec(connection).streams if s.name in used}
    if found:
        found[CENSUS] = own.get(CENSUS, _CENSUS_CADENCE)
    return found


def slot_at(name: str, cadence: timedelta, now: datetime) -> datetime:
    """Return the slot of a cadence that `now` lies in; `name` spreads the slots of different streams over time."""
    span = int(cadence.total_seconds())
    offset = zlib.crc32(name.encode()) % span
    seconds = int(now.timestamp()) - offset
    return datetime.fromtimestamp(seconds - seconds % span + offset, tz=UTC)


def pull_due(space: Workspace, connection: str, holder: Holder, done: dict[str, datetime]) -> PullResult | None:
    """Read the streams of a connection whose slot has come; None when none has.

    `done` remembers the slots that this process has seen claimed, so that a tick in between costs nothing. A slot that
    another process has claimed is its affair. An interrupted read goes on in the next slot.
    """
    due = _claim_streams(space, connection, holder, done)
    if not due:
        return None
    names = frozenset(name for name, _ in due)
    result, error = None, ""
    try:
        result = _pull_kept(space, connection, names)
        error = str(result.errors[0]) if result.errors else ""
    except BusyError as err:
        error = str(err)
    except StoppedError:
        return None  # the slots stay open: the next leader takes them over and goes on
    with space.store.begin() as database:
        for name, slot in due:
            firings.end(database, _schedule(connection, name), slot, at=space.now(), error=error or None)
            if error:
                done.pop(_schedule(connection, name), None)
    return result


def _pull_kept(space: Workspace, connection: str, names: frozenset[str]) -> PullResult:
    """Pull under a run of its own, so that its balance is kept."""
    is_census = CENSUS in names
    wish = Wish(full=is_census, streams=None if is_census else names)
    with space.store.begin() as database:
        run = runs.start(database, "pull", {"connection": connection, "streams": sorted(names)}, at=space.now())
    state = "interrupted"
    try:
        result = pull(space, run, connection, wish)
        state = "attention" if result.errors or result.balance.parked else "ok"
        return result
    finally:
        with space.store.begin() as database:
            runs.end(database, run, state, at=space.now())


def _claim_streams(
    space: Workspace, connection: str, holder: Holder, done: dict[str, datetime]
) -> list[tuple[str, datetime]]:
    now = space.now()
    slots = {_schedule(connection, name): (name, span) for name, span in cadences(space, connection).items()}
    current = {schedule: slot_at(schedule, span, now) for schedule, (_, span) in slots.items()}
    fresh = {schedule: slot for schedule, slot in current.items() if done.get(schedule) != slot}
    if not fresh:
        return []
    with space.store.begin() as database:
        pause = _RETRY_PAUSED if health.is_paused(database, connection) else _RETRY
        claimed = [
            (slots[schedule][0], slot)
            for schedule, slot in fresh.items()
            if _claim_slot(database, schedule, slot, holder, now=now, pause=pause)
        ]
        states = {schedule: firings.state_of(database, schedule, slot) for schedule, slot in fresh.items()}
    failed = {schedule for schedule, state in states.items() if state and state[0] == "failed"}
    done.update({schedule: slot for schedule, slot in fresh.items() if schedule not in failed})
    return claimed


def _claim_slot(
    database: Connection, schedule: str, slot: datetime, holder: Holder, *, now: datetime, pause: timedelta
) -> bool:
    """Claim a slot; take over one that a dead process left open, and begin one anew that failed a while ago."""
    is_first = firings.latest(database, schedule) is None
    name = holder.name
    if firings.claim(database, schedule, slot, at=now, config_version=holder.config_version, holder=name):
        if is_first and schedule.endswith(f":{CENSUS}"):
            firings.end(database, schedule, slot, at=now)  # the first read of everything is a census already
            return False
        return True
    return firings.take_over(database, schedule, slot, holder=name, at=now) or firings.try_again(
        database, schedule, slot, holder=name, at=now, failed_before=now - pause
    )


def _schedule(connection: str, name: str) -> str:
    return f"pull:{connection}:{name}"


def plan_schedule(account: AccountSettings, rhythm: str) -> str:
    """Return the name under which the slots of an account's rhythm are kept."""
    return f"plan:{account.id}:{rhythm}"


def compose_slot(
    space: Workspace, account: AccountSettings, rhythm: str, slot: datetime, *, is_last_try: bool = False
) -> bool:
    """Compose the turns of a slot; True when it is settled, False when it is held and should be tried again.

    The caller has claimed the slot. What is held on the last try is given up and told.
    """
    identity.link(space, account)
    drafts = [
        compose.draft(space, turn, now=space.now()) for turn in compose.turns(account, slot=slot, schedule=rhythm)
    ]
    for drafted in drafts:
        queued = compose.commit(space, drafted)
        _tell(account, drafted, slot, queued)
    held = [problem for drafted in drafts if drafted.verdict is Verdict.HELD for problem in drafted.problems]
    if held and not is_last_try:
        return False
    blocked = [p for drafted in drafts if drafted.verdict is Verdict.BLOCKED for p in drafted.problems]
    error = "; ".join([*held, *blocked]) or None
    with space.store.begin() as database:
        firings.end(database, plan_schedule(account, rhythm), slot, at=space.now(), error=error)
    return True


def _tell(account: AccountSettings, drafted: Drafted, slot: datetime, queued: int) -> None:
    logger = log.get(account=account.id, project=drafted.turn.project.name, slot=slot.isoformat())
    match drafted.verdict:
        case Verdict.HELD:
            logger.warning("digest held", problems=list(drafted.problems))
        case Verdict.BLOCKED:
            logger.error("digest blocked", problems=list(drafted.problems))
        case _:
            logger.info("digest composed", record=drafted.record.number, verdict=drafted.verdict.value, queued=queued)


def push_due(space: Workspace, connection: str) -> list[Pushed]:
    """Send what is due on a connection."""
    try:
        return push(space, connection=connection)
    except (ConnectorError, ConfigError) as err:
        log.get(connection=connection).warning("push failed", error=str(err))
        return []


def connections_due(space: Workspace) -> Sequence[str]:
    """Return the connections that have something to send now."""
    with space.store.read() as database:
        return outbox.due_connections(database, at=space.now())


def prune(space: Workspace, *, keep: timedelta = timedelta(days=400)) -> int:
    """Forget firings older than the idempotency promise."""
    with space.store.begin() as database:
        return firings.prune(database, before=space.now() - keep)
