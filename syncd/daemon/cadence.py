"""When a connection is read: the slots of its streams, and the pause after a failure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd.engine.workspace import Workspace

CENSUS: Final = "census"
_CENSUS_CADENCE: Final = timedelta(weeks=1)
_FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(slots=True)
class Track:
    """What a leading process remembers of a connection's reads; the slots themselves are rows.

    `done` holds the newest slot of each stream that needs no more work, `failures` how often a stream failed in a row,
    `retry_at` when it is tried again, `rest_until` a time before which the vendor is not called at all.
    """

    done: dict[str, datetime] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    rest_until: datetime | None = None

    def succeeded(self, name: str, slot: datetime) -> None:
        """Note that a stream's slot is done."""
        self.done[name] = slot
        self.failures.pop(name, None)
        self.retry_at.pop(name, None)

    def failed(self, name: str, now: datetime) -> None:
        """Note a failure: five minutes' pause, doubled each time up to an hour; an hour for a census, which is dear."""
        self.failures[name] = times = self.failures.get(name, 0) + 1
        pause = LONGEST_PAUSE if name == CENSUS else min(_FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE)
        self.retry_at[name] = now + pause

    def is_resting(self, now: datetime) -> bool:
        """Whether the vendor is not to be called yet."""
        return self.rest_until is not None and now < self.rest_until

    def next_look(self, connection: str, spans: Mapping[str, timedelta], now: datetime) -> datetime:
        """Return when there may be something to read again: at once when a slot has come while another was read."""
        looks = [self._look(name, slot_at(connection, span, now), span, now) for name, span in spans.items()]
        return max(min(looks, default=now + LONGEST_PAUSE), now, self.rest_until or now)

    def _look(self, name: str, slot: datetime, span: timedelta, now: datetime) -> datetime:
        if name in self.retry_at:
            return self.retry_at[name]
        return slot + span if self.done.get(name) == slot else now


def cadences(space: Workspace, connection: str) -> dict[str, timedelta]:
    """Return how often each stream of a connection is read, and how often a census is taken; {} when it has none."""
    own = space.connection(connection).pull
    used = space.mapping(connection).streams
    found = {s.name: own.get(s.name, s.cadence) for s in space.spec(connection).streams if s.name in used}
    if found:
        found[CENSUS] = own.get(CENSUS, _CENSUS_CADENCE)
    return found


def slot_at(connection: str, cadence: timedelta, now: datetime) -> datetime:
    """Return the slot of a cadence that `now` lies in.

    Connections are spread over time by their names. The streams of one connection that share a cadence share their
    slots, so that they are read in one go, in the connector's order.
    """
    span = int(cadence.total_seconds())
    offset = zlib.crc32(connection.encode()) % span
    seconds = int(now.timestamp()) - offset
    return datetime.fromtimestamp(seconds - seconds % span + offset, tz=UTC)
