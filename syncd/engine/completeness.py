"""Completeness: how current and how whole the data of each of a project's connections are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from syncd.engine.identity import Roots
from syncd.engine.workspace import Workspace
from syncd.model.communication import Freshness, SourceState
from syncd.settings import ProjectSettings
from syncd.store import Connection, cursors, parked
from syncd.store.cursors import Position

_MOST_PARKED: Final = 0.1  # a digest without more than a tenth of the records would not be true


def source_states(
    space: Workspace, connection: Connection, project: ProjectSettings, root: Roots, now: datetime
) -> list[SourceState]:
    """Return the state of each connection of a project, in the order of its file."""
    waiting = parked.open_counts(connection)
    names = dict.fromkeys(source.connection for source in project.sources)
    return [_state(space, connection, project, name, root, now, waiting.get(name, 0)) for name in names]


def _state(
    space: Workspace,
    connection: Connection,
    project: ProjectSettings,
    name: str,
    root: Roots,
    now: datetime,
    waiting: int,
) -> SourceState:
    """Return how complete one connection's data are; the oldest stream that matters decides."""
    wanted = [stream.name for stream in space.spec(name).streams if stream.name in space.mapping(name).streams]
    ours = {target for source in project.sources if source.connection == name for target in source.targets.values()}
    positions = [
        position
        for position in cursors.all_of(connection, name)
        if position.place.stream in wanted and position.place.partition in ("", *ours)
    ]
    data_as_of = min((position.as_of for position in positions if position.as_of), default=None)
    fresh_for = space.config.service.fresh_for
    positions.sort(key=lambda position: wanted.index(position.place.stream))
    freshness, note = _judged(wanted, positions, root.missing.get(name, []), data_as_of, now=now, fresh_for=fresh_for)
    if freshness is Freshness.FRESH and waiting and (unfit := _unfit(space, connection, name, ours)):
        freshness, note = Freshness.FAILED, unfit
    return SourceState(
        connection=name,
        title=space.connection(name).title or space.spec(name).title,
        data_as_of=data_as_of,
        freshness=freshness,
        parked=waiting,
        note=note,
    )


def _unfit(space: Workspace, connection: Connection, name: str, ours: set[str]) -> str:
    """Say that too many records of what projects consist of are parked for a digest of the others to be true."""
    streams = {rule.stream for rule in space.mapping(name).file.pull if "project" in rule.entity.model_fields}
    count, total = parked.share_of(connection, name, streams, {"", *ours})
    if count <= total * _MOST_PARKED:
        return ""
    return f"{count:,} of {total:,} records do not fit the mapping; see: syncd parked list"


def _judged(
    wanted: Sequence[str],
    positions: Sequence[Position],
    missing: Sequence[str],
    data_as_of: datetime | None,
    *,
    now: datetime,
    fresh_for: timedelta,
) -> tuple[Freshness, str]:
    known = {position.place.stream for position in positions}
    unread = [name for name in wanted if name not in known]
    unread += [position.place.stream for position in positions if position.as_of is None]
    failed = [position.place.stream for position in positions if position.failed_at is not None]
    if unread or data_as_of is None:
        return Freshness.NEVER, f"{(unread or ['nothing'])[0]}: not read to its end yet"
    if missing:
        return Freshness.FAILED, f"not found: {', '.join(missing)}"
    if now - data_as_of > fresh_for:
        return Freshness.STALE, ""
    if failed:
        return Freshness.FAILED, f"{failed[0]}: the last read failed"
    return Freshness.FRESH, ""
