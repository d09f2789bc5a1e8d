"""The jobs of the service: each claims its slot in the database first, so that no slot is done twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from syncd import log
from syncd.daemon.cadence import CENSUS, LONGEST_PAUSE, Track, slot_at
from syncd.engine import compose, identity
from syncd.engine.compose import Drafted, Verdict
from syncd.engine.pull import PullResult, Wish, pull
from syncd.engine.push import Pushed, push
from syncd.engine.workspace import Workspace
from syncd.errors import (
    AuthError,
    BusyError,
    ConfigError,
    ConnectorError,
    RateLimitedError,
    StoppedError,
    TransientError,
)
from syncd.settings import AccountSettings
from syncd.store import Connection, firings, health, outbox, runs
from syncd.store.outbox import State

_KEEP_PLAN: Final = timedelta(days=400)  # the promise of the idempotency keys
_KEEP_PULL: Final = timedelta(days=7)
_KEEP_RUNS: Final = timedelta(days=30)
_ABANDONED: Final = timedelta(days=1)
_PUSH_REST: Final = timedelta(minutes=15)

Due = dict[str, datetime]  # stream (or census) → its slot


@dataclass(frozen=True, slots=True)
class Holder:
    """Which process works, and with which version of the configuration."""

    name: str
    config_version: str


# -- pull -----------------------------------------------------------------------------------------------------------


def pull_due(
    space: Workspace, connection: str, spans: Mapping[str, timedelta], holder: Holder, track: Track
) -> PullResult | None:
    """Read the streams of a connection whose slot has come; None when none has.

    A slot that is done is left alone; one that failed is tried again after its pause, or along with the next read. An
    interrupted read leaves its slots open: the next leader takes them over and goes on from the cursor.
    """
    now = space.now()
    if track.is_resting(now):
        return None
    due = _claim_streams(space, connection, spans, holder, track)
    if not due:
        return None
    try:
        result = _pull_kept(space, connection, frozenset(due))
    except StoppedError:
        return None
    except BaseException as err:
        _end_reads(space, connection, due, dict.fromkeys(due, str(err) or type(err).__name__), track)
        if isinstance(err, BusyError):
            log.get(connection=connection).info("read postponed", reason=str(err))
            return None
        raise
    _end_reads(space, connection, due, _errors_by_stream(result, due), track)
    track.rest_until = _rest(result, space.now())
    return result


def _claim_streams(
    space: Workspace, connection: str, spans: Mapping[str, timedelta], holder: Holder, track: Track
) -> Due:
    """Claim the slots that have come. A failing stream goes along with any other, so that health is told as a whole."""
    now = space.now()
    current = {name: slot_at(connection, span, now) for name, span in spans.items()}
    fresh = {name: slot for name, slot in current.items() if track.done.get(name) != slot}
    ready = {name for name in fresh if name not in track.retry_at or track.retry_at[name] <= now}
    if not ready:
        return {}
    with space.store.begin() as database:
        claimed = {
            name: slot
            for name, slot in fresh.items()
            if (name in ready or name != CENSUS) and _claim_read(database, connection, name, slot, holder, at=now)
        }
        for name in fresh.keys() - claimed.keys():
            if _is_done(database, _reading(connection, name), fresh[name]):
                track.succeeded(name, fresh[name])
    return claimed


def _claim_read(
    database: Connection, connection: str, name: str, slot: datetime, holder: Holder, *, at: datetime
) -> bool:
    """Claim a slot; go on with one that a dead process left open, and begin one anew that failed."""
    schedule = _reading(connection, name)
    is_first = name == CENSUS and firings.latest(database, schedule) is None
    if not claim(database, schedule, slot, holder, at=at) and not firings.try_again(
        database, schedule, slot, holder=holder.name, at=at, failed_before=at
    ):
        return False
    if is_first:
        firings.end(database, schedule, slot, at=at)  # the first read of everything is a census already
    return not is_first


def claim(database: Connection, schedule: str, slot: datetime, holder: Holder, *, at: datetime) -> bool:
    """Claim a slot, go on with our own, or take over another's: only the leader asks, so its process is dead."""
    if firings.claim(database, schedule, slot, at=at, config_version=holder.config_version, holder=holder.name):
        return True
    if firings.state_of(database, schedule, slot) == ("running", holder.name):
        return True
    return firings.take_over(database, schedule, slot, holder=holder.name, at=at)


def _is_done(database: Connection, schedule: str, slot: datetime) -> bool:
    state = firings.state_of(database, schedule, slot)
    return state is not None and state[0] == "done"


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


def _errors_by_stream(result: PullResult, due: Due) -> dict[str, str]:
    """Return what went wrong by stream. A census counts only if every stream was read; so does what was not reached."""
    found = {p.place.stream: str(p.error) for p in result.streams if p.error is not None}
    if result.errors:
        found[CENSUS] = str(result.errors[0])
    if result.error is not None:
        reached = {progress.place.stream for progress in result.streams}
        found.update({name: str(result.error) for name in due if name not in reached})
    return found


def _end_reads(space: Workspace, connection: str, due: Due, errors: Mapping[str, str], track: Track) -> None:
    now = space.now()
    for name, slot in due.items():  # first what costs nothing: the database may be the one that failed
        track.failed(name, now) if name in errors else track.succeeded(name, slot)
    with space.store.begin() as database:
        for name, slot in due.items():
            firings.end(database, _reading(connection, name), slot, at=now, error=errors.get(name))


def _rest(result: PullResult, now: datetime) -> datetime | None:
    """Return until when the vendor is left alone: an hour when it refuses us, or as long as it says itself."""
    if isinstance(result.error, AuthError | ConfigError):
        return now + LONGEST_PAUSE
    waits = [err.retry_after for err in result.errors if isinstance(err, RateLimitedError) and err.retry_after]
    return now + timedelta(seconds=max(waits)) if waits else None


def _reading(connection: str, name: str) -> str:
    return f"pull:{connection}:{name}"


# -- compose --------------------------------------------------------------------------------------------------------


def plan_schedule(account: str, rhythm: str) -> str:
    """Return the name under which the slots of an account's rhythm are kept."""
    return f"plan:{account}:{rhythm}"


def compose_slot(
    space: Workspace,
    account: AccountSettings,
    rhythm: str,
    slot: datetime,
    *,
    is_first_try: bool = True,
    is_last_try: bool = False,
) -> bool:
    """Compose the turns of a slot; True when it is settled, False when it is held and should be tried again.

    The caller has claimed the slot. What is held is told at the first try, and given up and told at the last.
    """
    identity.link(space, account)
    drafts = [
        compose.draft(space, turn, now=space.now()) for turn in compose.turns(account, slot=slot, schedule=rhythm)
    ]
    for drafted in drafts:
        queued = compose.commit(space, drafted)
        _tell(account, drafted, slot, queued, is_first_try=is_first_try, is_last_try=is_last_try)
    held = [problem for drafted in drafts if drafted.verdict is Verdict.HELD for problem in drafted.problems]
    if held and not is_last_try:
        return False
    blocked = [p for drafted in drafts if drafted.verdict is Verdict.BLOCKED for p in drafted.problems]
    end_slot(space, account.id, rhythm, slot, error="; ".join([*held, *blocked]) or None)
    return True


def end_slot(space: Workspace, account: str, rhythm: str, slot: datetime, *, error: str | None) -> None:
    """Note that a slot of the plan is settled; `error` when its digest will not come."""
    with space.store.begin() as database:
        firings.end(database, plan_schedule(account, rhythm), slot, at=space.now(), error=error)


def _tell(
    account: AccountSettings, drafted: Drafted, slot: datetime, queued: int, *, is_first_try: bool, is_last_try: bool
) -> None:
    logger = log.get(account=account.id, project=drafted.turn.project.name, slot=slot.isoformat())
    match drafted.verdict:
        case Verdict.HELD if is_last_try:
            logger.error("digest given up", problems=list(drafted.problems))
        case Verdict.HELD if is_first_try:
            logger.warning("digest held", problems=list(drafted.problems))
        case Verdict.HELD:
            logger.debug("digest still held")
        case Verdict.BLOCKED:
            logger.error("digest blocked", problems=list(drafted.problems))
        case _ if queued or is_first_try:
            logger.info("digest composed", record=drafted.record.number, verdict=drafted.verdict.value, queued=queued)


# -- push -----------------------------------------------------------------------------------------------------------


def push_due(space: Workspace, connection: str) -> datetime | None:
    """Send what is due on a connection; return until when it is to be left alone, None when it need not be.

    The health of a connection that is only written to is told from here, as a read would tell it.
    """
    pushed = push(space, connection=connection)
    causes = [one.cause for one in pushed if one.cause is not None]
    _note_health(space, connection, pushed)
    now = space.now()
    if any(isinstance(cause, AuthError | ConfigError) for cause in causes):
        return now + _PUSH_REST
    waits = [cause.retry_after for cause in causes if isinstance(cause, RateLimitedError) and cause.retry_after]
    return now + timedelta(seconds=max(waits)) if waits else None


def _note_health(space: Workspace, connection: str, pushed: Sequence[Pushed]) -> None:
    found = space.config.service.connections.get(connection)
    if not pushed or (found is not None and space.spec(connection).streams):
        return
    state, error = health.UP, None
    last = pushed[-1].cause
    if isinstance(last, ConnectorError | ConfigError) and pushed[-1].state is State.PENDING:
        state = health.PAUSED if isinstance(last, AuthError | ConfigError) else health.DOWN
        error = str(last)
    with space.store.begin() as database:
        is_new = health.note(database, connection, state, at=space.now(), error=error)
    logger = log.get(connection=connection)
    if is_new and state == health.UP:
        logger.info("connection back")
    elif is_new:
        logger.warning("connection down", error=error, next=_next_step(last))


def _next_step(error: Exception | None) -> str:
    match error:
        case AuthError() | ConfigError():
            return f"tried again every {_PUSH_REST.seconds // 60} min; mend it and send SIGHUP to try at once"
        case RateLimitedError() | TransientError() | _:
            return "its commands wait and are tried again"


def connections_due(space: Workspace, *, with_claimed: bool = False) -> Sequence[str]:
    """Return the connections that have something to send now; `with_claimed`, also those that something was cut off on.

    A new leader asks for the latter: the push that follows deals with what a dead process had in hand.
    """
    with space.store.read() as database:
        due = outbox.due_connections(database, at=space.now())
        claimed = outbox.rows(database, states=[State.CLAIMED]) if with_claimed else []
    return sorted({*due, *(row.connection for row in claimed)})


# -- upkeep ---------------------------------------------------------------------------------------------------------


def tidy(space: Workspace) -> None:
    """Forget slots and runs that nobody asks for any more, and close the runs of dead processes."""
    now = space.now()
    with space.store.begin() as database:
        firings.prune(database, before=now - _KEEP_PLAN)
        firings.prune(database, before=now - _KEEP_PULL, prefix="pull:")
        runs.prune(database, command="pull", before=now - _KEEP_RUNS)
        runs.close_abandoned(database, before=now - _ABANDONED, at=now)
