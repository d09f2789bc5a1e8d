"""Push: claim a command, look whether it has happened, write it, settle it. Claim and settle are transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from syncd import log
from syncd.engine import addressing
from syncd.engine.workspace import Workspace
from syncd.errors import (
    AuthError,
    BusyError,
    ConfigError,
    ConnectorError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    StoppedError,
    StoreError,
    SyncdError,
    TransientError,
)
from syncd.sdk.connector import Delivery, Receipt
from syncd.store import Connection, audit, communication, leases, outbox
from syncd.store.outbox import Row, State

_CLAIM: Final = timedelta(minutes=15)
_FIRST_RETRY: Final = timedelta(minutes=1)
_LONGEST_RETRY: Final = timedelta(hours=4)
_MOST_ATTEMPTS: Final = 10
_LOOKED_UP_LATER: Final = "the process that was sending it died; a run in a minute looks whether it arrived"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one command. `receipt` is there when it was sent, `error` and `cause` say why it was not."""

    row: Row
    state: State
    receipt: Receipt | None = None
    error: str = ""
    cause: Exception | None = field(default=None, compare=False)


def push(
    space: Workspace,
    *,
    connection: str | None = None,
    account: str | None = None,
    only: frozenset[str] | None = None,
    tell: Callable[[Pushed], None] = lambda pushed: None,
) -> list[Pushed]:
    """Send what is due, oldest first; `only` restricts to these idempotency keys.

    A connection whose credentials are refused keeps its commands pending. StoppedError between two commands.
    """
    if space.read_only:
        raise ReadOnlyError("push: plan mode sends nothing")
    holder = leases.new_holder()
    done = [
        pushed
        for pushed in _recovered(space)
        if connection in (None, pushed.row.connection) and account in (None, pushed.row.account)
    ]
    for pushed in done:
        tell(pushed)
    with space.store.read() as database:
        due = outbox.due(database, at=space.now(), source=connection, account=account)
    closed: set[str] = set()
    for number in due:
        space.check_stop()
        one = _push_one(space, number, holder, only=only, closed=closed)
        if one is not None:
            done.append(one)
            tell(one)
    return done


def _recovered(space: Workspace) -> list[Pushed]:
    """Take back what a process that died was sending; return what cannot be sent again at once."""
    at = space.now()
    with space.store.begin(durable=True) as database:
        lost = outbox.recover_lost(database, at=at, is_dead=leases.has_died, not_before=at + _FIRST_RETRY)
    for row in lost:
        logger = log.get(connection=row.connection, operation=row.operation, key=row.idempotency_key)
        logger.warning("command of a dead process taken back", state=row.state.value)
    waiting = [row for row in lost if row.state is State.UNKNOWN or (row.not_before and row.not_before > at)]
    return [Pushed(row, row.state, error=row.detail or _LOOKED_UP_LATER) for row in waiting]


def _push_one(
    space: Workspace, number: int, holder: str, *, only: frozenset[str] | None, closed: set[str]
) -> Pushed | None:
    with space.store.read() as database:
        row = outbox.load(database, number)
    if row is None or row.connection in closed or (only is not None and row.idempotency_key not in only):
        return None
    with space.store.begin(durable=True) as database:
        row = outbox.claim(database, number, holder, at=space.now(), term=_CLAIM)
    if row is None:
        return None
    try:
        receipt = _send(space, row)
    except (ConnectorError, ConfigError) as err:
        if isinstance(err, AuthError | ConfigError | RateLimitedError):
            closed.add(row.connection)
        return _failed(space, row, holder, err)
    except StoppedError as err:
        _failed(space, row, holder, err)
        raise
    except BusyError as err:
        return _failed(space, row, holder, err)
    except StoreError:
        raise
    except Exception as err:  # noqa: BLE001  # one bad command must not stop the queue
        log.get(connection=row.connection).error("connector broke", exc_info=True)
        return _failed(space, row, holder, err)
    return _sent(space, row, holder, receipt)


def _send(space: Workspace, row: Row) -> Receipt:
    """Write the command, after a look whether an earlier try has done it where that can be known.

    A reader who was taken out of the client's file, or marked as not to be contacted, gets nothing: RejectedError.
    """
    why = addressing.objection(space, row) or addressing.refusal(space, row)
    if why is not None:
        raise RejectedError(f"not sent: {why}")
    connector = space.connector(row.connection)
    if row.delivery is Delivery.FINDABLE:
        found = connector.find(row.command)
        if found is not None:
            return found
    return connector.write(row.command)


def _sent(space: Workspace, row: Row, holder: str, receipt: Receipt) -> Pushed:
    at = space.now()
    with space.store.begin(durable=True) as database:
        outbox.settle(database, row.id, holder, receipt, at=at)
        if row.recipient or not _has_readers(database, row):
            communication.mark_delivered(database, row.record, at=at)
        detail = {"operation": row.operation, "remote_id": receipt.remote_id, "outcome": receipt.outcome.value}
        audit.append(database, "send", f"{row.account} {row.connection} {row.recipient}", detail, actor="syncd", at=at)
    log.get().info("command sent", connection=row.connection, operation=row.operation, key=row.idempotency_key)
    return Pushed(row, State.SENT, receipt)


def _has_readers(database: Connection, row: Row) -> bool:
    """Say whether the record also goes to people: then their copies decide when it counts as delivered."""
    return any(other.recipient for other in outbox.rows(database, record=row.record))


def _failed(space: Workspace, row: Row, holder: str, error: Exception) -> Pushed:
    """Settle a command that was not sent by what its error says happens next."""
    state, text = _verdict(row, error), _text(error)
    at = space.now()
    with space.store.begin(durable=True) as database:
        if state is State.PENDING:
            not_before = at + _pause(row, error)
            outbox.put_back(database, row.id, holder, not_before=not_before, detail=text)
        else:
            outbox.fail(database, row.id, holder, state, text, at=at)
    logger = log.get(connection=row.connection, operation=row.operation, key=row.idempotency_key)
    logger.warning("command not sent", state=state.value, error=text)
    return Pushed(row, state, error=text, cause=error)


def _verdict(row: Row, error: Exception) -> State:
    match error:
        case OutcomeUnknownError() if row.delivery is Delivery.BLIND:
            return State.UNKNOWN
        case OutcomeUnknownError() | TransientError() if row.attempts >= _MOST_ATTEMPTS:
            return State.UNKNOWN if isinstance(error, OutcomeUnknownError) else State.PARKED
        case RejectedError() | ContractError():
            return State.PARKED
        case SyncdError():
            return State.PENDING
        case _:
            return State.UNKNOWN if row.delivery is Delivery.BLIND else State.PARKED


def _text(error: Exception) -> str:
    if isinstance(error, SyncdError):
        return str(error)
    return f"the connector broke ({type(error).__name__}: {log.scrub(str(error))[:200]}); please report it"


def _pause(row: Row, error: Exception) -> timedelta:
    if isinstance(error, StoppedError):
        return timedelta(0)
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    if isinstance(error, AuthError | ConfigError):
        return timedelta(0)  # as soon as a person has mended it
    return min(_FIRST_RETRY * (1 << max(0, row.attempts - 1)), _LONGEST_RETRY)
