"""Pull: read a connection's streams and store each page, its entities and its cursor in one transaction."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from syncd import log
from syncd.engine import census, landing
from syncd.engine.ahead import ahead
from syncd.engine.workspace import Workspace
from syncd.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    ContractError,
    RateLimitedError,
    SyncdError,
    TransientError,
)
from syncd.sdk.connector import Cursor, Deletes, Page, Partitioned, StreamSpec
from syncd.sdk.paging import parse_stamp, stamp
from syncd.store import cursors, health, leases
from syncd.store.cursors import Position
from syncd.store.records import Place
from syncd.store.runs import Balance

_LEASE: Final = timedelta(minutes=10)
_PROLONG_AFTER: Final = timedelta(minutes=1)

Told = Callable[["StreamProgress"], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to read: everything anew (`full`), from a time on (`since`), or from where the last read ended."""

    full: bool = False
    since: datetime | None = None
    streams: frozenset[str] | None = None


@dataclass(slots=True)
class StreamProgress:
    """How far the read of one partition is; handed to the caller after each page.

    `error` is set when it ended early. `vanished` counts deletions found by this read, `quarantined` those that wait
    for a person, `replayed` stored records that a changed mapping was applied to again.
    """

    place: Place
    balance: Balance = field(default_factory=Balance)
    total: int | None = None
    pages: int = 0
    done: bool = False
    error: Exception | None = None
    vanished: int = 0
    quarantined: int = 0
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class PullResult:
    """What the pull of one connection came to."""

    connection: str
    streams: tuple[StreamProgress, ...]
    error: Exception | None = None

    @property
    def balance(self) -> Balance:
        """The balance over all streams."""
        total = Balance()
        for progress in self.streams:
            total.add(progress.balance)
        return total

    @property
    def errors(self) -> list[Exception]:
        """All errors, the connection's own first."""
        found = [progress.error for progress in self.streams if progress.error is not None]
        return [*([self.error] if self.error else []), *(error for error in found if error is not self.error)]


def pull(space: Workspace, run: str, connection: str, wish: Wish, *, tell: Told = lambda progress: None) -> PullResult:
    """Read the streams of a connection, one after the other, under a lease that keeps other processes out.

    An error of one stream leaves the others alone, except where it is the whole connection's: refused credentials,
    a wrong configuration. StoppedError after the page in hand; BusyError when another process reads the connection.
    """
    _spare_collector()
    results: list[StreamProgress] = []
    with leases.held(space.store, f"pull:{connection}", now=space.now, term=_LEASE) as prolong_now:
        prolong = _sparing(prolong_now, space.now)
        for stream in _wanted(space, connection, wish):
            results += _pull_stream(space, run, connection, stream, wish, tell=tell, prolong=prolong)
            if _closes(results):
                break
    result = PullResult(connection, tuple(results), results[-1].error if _closes(results) else None)
    _note_health(space, result, is_part=wish.streams is not None)
    return result


def _closes(results: Sequence[StreamProgress]) -> bool:
    """Say whether the last error is the whole connection's."""
    return bool(results) and isinstance(results[-1].error, AuthError | ConfigError)


def _pull_stream(
    space: Workspace,
    run: str,
    connection: str,
    stream: StreamSpec,
    wish: Wish,
    *,
    tell: Told,
    prolong: Callable[[], None],
) -> list[StreamProgress]:
    started_at = space.now()
    try:
        places = _places(space, connection, stream)
    except (ConnectorError, ConfigError) as err:
        progress = StreamProgress(Place(connection, stream.name), done=True, error=err)
        _note_failure(space, progress)
        tell(progress)
        return [progress]
    results: list[StreamProgress] = []
    for place in places:
        results.append(_pull_place(space, run, stream, place, wish, tell=tell, prolong=prolong))
        if _closes(results):
            return results
    if stream.partitioned:
        _note_listed(space, Place(connection, stream.name), at=started_at)
    return results


def _note_listed(space: Workspace, place: Place, *, at: datetime) -> None:
    """Note that all partitions were asked for, under the name of none: a stream may well have no partition."""
    with space.store.begin() as connection:
        position = cursors.load(connection, place)
        cursors.save(connection, replace(position, as_of=at, failed_at=None, error=None))


@cache
def _spare_collector() -> None:
    """Once a process, take what start-up has made out of the garbage collector's sight.

    A page is thousands of containers. Without this the collector walks all modules again every few pages: 14 % of
    the CPU time of a cold pull.
    """
    gc.freeze()


def _sparing(prolong: Callable[[], None], now: Callable[[], datetime]) -> Callable[[], None]:
    """Prolong at most once a minute: with every page it would cost a second transaction, half a millisecond."""
    due = now() + _PROLONG_AFTER

    def prolong_if_due() -> None:
        nonlocal due
        if now() >= due:
            prolong()
            due = now() + _PROLONG_AFTER

    return prolong_if_due


def _wanted(space: Workspace, connection: str, wish: Wish) -> list[StreamSpec]:
    """Return the streams to read: those asked for, of those that the mapping uses."""
    used = space.mapping(connection).streams
    streams = [stream for stream in space.spec(connection).streams if stream.name in used]
    return [stream for stream in streams if wish.streams is None or stream.name in wish.streams]


def _places(space: Workspace, connection: str, stream: StreamSpec) -> list[Place]:
    if not stream.partitioned:
        return [Place(connection, stream.name)]
    connector = space.connector(connection)
    if not isinstance(connector, Partitioned):
        raise ContractError(
            f"{connection}: stream {stream.name!r} is partitioned but its connector names no partitions"
        )
    return [Place(connection, stream.name, partition) for partition in connector.partitions(stream.name)]


def _pull_place(
    space: Workspace,
    run: str,
    stream: StreamSpec,
    place: Place,
    wish: Wish,
    *,
    tell: Told,
    prolong: Callable[[], None],
) -> StreamProgress:
    progress = StreamProgress(place)
    try:
        _read_place(space, run, stream, progress, wish, tell=tell, prolong=prolong)
    except (ConnectorError, ConfigError) as err:
        progress.error = err
        _note_failure(space, progress)
    progress.done = True
    tell(progress)
    return progress


def _read_place(
    space: Workspace,
    run: str,
    stream: StreamSpec,
    progress: StreamProgress,
    wish: Wish,
    *,
    tell: Told,
    prolong: Callable[[], None],
) -> None:
    place = progress.place
    with space.store.read() as connection:
        position = cursors.load(connection, place)
    position, progress.replayed = landing.replay_if_changed(space, position)
    start = _start(stream, position, wish)
    started_at = space.now()
    seen: set[str] | None = set() if start is None else None
    ended = False
    reader = ahead(_pages(space, place, start))
    try:
        for page in reader:
            ended = page.complete
            position = _next_position(position, page, started_at, full=seen is not None or position.reading_full)
            progress.balance.add(landing.store_page(space, run, place, page, position))
            if seen is not None:
                seen.update(record.remote_id for record in page.records if not record.deleted)
            progress.pages += 1
            progress.total = page.total if page.total is not None else progress.total
            tell(progress)
            prolong()
            if not ended:
                space.check_stop()
    finally:
        reader.close()  # type: ignore[attr-defined]  # it is a generator
    if not ended:
        raise ContractError(f"{place.connection} {place.stream}: the read stopped without the vendor's end")
    if seen is not None and stream.deletes is not Deletes.NOT_VISIBLE:
        progress.vanished, progress.quarantined = census.settle(space, place, seen, at=started_at)


def _pages(space: Workspace, place: Place, start: Cursor | None) -> Iterator[Page]:
    """Yield what the connector reads; a fault of its own code is this stream's error and nobody else's."""
    try:
        yield from space.connector(place.connection).read(place.stream, start, partition=place.partition)
    except SyncdError:
        raise
    except Exception as err:
        log.get(connection=place.connection, stream=place.stream).error("connector broke", exc_info=True)
        raise ContractError(
            f"{place.connection} {place.stream}: the connector broke on an answer of the vendor "
            f"({type(err).__name__}: {log.scrub(str(err))[:200]}); please report it"
        ) from err


def _start(stream: StreamSpec, position: Position, wish: Wish) -> Cursor | None:
    """Return the cursor to read from; never later than where the last read ended, so that nothing is jumped over."""
    if wish.full:
        return None
    if wish.since is None or position.cursor is None or not stream.incremental:
        return position.cursor
    held = position.cursor.get("updated_at")
    reached = parse_stamp(str(held)) if held else position.as_of
    if reached is None:
        return None
    return {"updated_at": stamp(wish.since)} if wish.since < reached else position.cursor


def _next_position(position: Position, page: Page, started_at: datetime, *, full: bool) -> Position:
    """Return the state to commit with `page`; a cursor that cannot be resumed inside the read is kept as it was."""
    if not page.complete:
        cursor = page.cursor if page.cursor is not None else position.cursor
        return replace(position, cursor=cursor, reading_full=full and page.cursor is not None)
    return replace(
        position,
        cursor=page.cursor,
        reading_full=False,
        as_of=started_at,
        full_at=started_at if full else position.full_at,
        failed_at=None,
        error=None,
    )


def _note_failure(space: Workspace, progress: StreamProgress) -> None:
    """Keep why a read ended early; what it has stored so far stays, and so does its cursor."""
    with space.store.begin() as connection:
        position = cursors.load(connection, progress.place)
        cursors.save(connection, replace(position, failed_at=space.now(), error=str(progress.error)))


def _note_health(space: Workspace, result: PullResult, *, is_part: bool) -> None:
    """Tell once when a connection goes down and once when it is back: when no stream of it fails any more."""
    state, error = health.UP, None
    if is_part and not result.errors and _still_fails(space, result.connection):
        return
    if result.errors:
        worst = result.errors[0]
        state = health.PAUSED if isinstance(worst, AuthError | ConfigError) else health.DOWN
        error = str(worst)
    with space.store.begin() as connection:
        is_new = health.note(connection, result.connection, state, at=space.now(), error=error)
    if not is_new:
        return
    logger = log.get(connection=result.connection)
    if state == health.UP:
        logger.info("connection back")
    else:
        logger.warning("connection down", error=error, next=next_step(result.errors[0]))


def _still_fails(space: Workspace, connection: str) -> bool:
    used = space.mapping(connection).streams
    with space.store.read() as database:
        positions = cursors.all_of(database, connection)
    return any(position.failed_at for position in positions if position.place.stream in used)


def next_step(error: Exception) -> str:
    """Say what happens next after an error of a read."""
    match error:
        case AuthError():
            return "paused until the credentials are mended: syncd check"
        case ConfigError():
            return "paused until the configuration is mended"
        case RateLimitedError():
            return "the next run goes on where this one ended"
        case TransientError():
            return "the next run tries again"
        case ContractError():
            return "digests that need this stream are held; the connector or its address must be mended"
        case _:
            return "see the log"
