"""What people answer to our messages: the threads of our digests, read again while somebody may still write there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.slack.message import key_of
from connectors.slack.web import Web
from syncd.sdk import ContractError, Cursor, Page, Record
from syncd.sdk.paging import parse_stamp, resume_from, stamp

STREAM: Final = "replies"
OVERLAP: Final = timedelta(minutes=15)
_MOST_THREADS: Final = 50


@dataclass(frozen=True, slots=True)
class _State:
    """A cursor: `updated_at` of the newest reply, the newest message seen in the channel, the threads followed."""

    updated_at: datetime | None
    seen: str | None
    threads: tuple[str, ...] = ()

    @classmethod
    def of(cls, cursor: Cursor | None) -> _State:
        """Read a cursor; `updated_at` alone is one."""
        found = cursor or {}
        updated_at = found.get("updated_at")
        return cls(
            parse_stamp(str(updated_at)) if updated_at is not None else None,
            str(found["seen"]) if found.get("seen") else None,
            tuple(str(found.get("threads") or "").split()),
        )

    def cursor(self) -> dict[str, str]:
        """Write it as flat JSON."""
        at = {"updated_at": stamp(self.updated_at)} if self.updated_at else {}
        return {**at, "threads": " ".join(self.threads), **({"seen": self.seen} if self.seen else {})}


class Reader:
    """Reads one channel. A thread is followed for `follow` after its digest was posted."""

    def __init__(self, web: Web, channel: str, *, follow: timedelta, now: datetime) -> None:
        self._web = web
        self._channel = channel
        self._follow = follow
        self._now = now

    def pages(self, cursor: Cursor | None) -> Iterator[Page]:
        """Yield the replies that were written or edited since; without a cursor all of them.

        The threads do not come in the order of their replies, so only the last page can be continued from.
        """
        state = _State.of(cursor)
        since = resume_from(cursor, OVERLAP)
        found, seen = self._digests(state, since)
        threads = sorted({*state.threads, *found}, key=_order)
        if state.seen:
            threads = self._followed(threads)
        newest = state.updated_at
        for thread in threads:
            for records in self._thread(thread, since):
                newest = max(filter(None, (newest, *(record.updated_at for record in records))), default=None)
                yield Page(records)
        reached = replace(
            state,
            updated_at=min(newest, self._now) if newest else self._now,
            seen=seen or state.seen,
            threads=tuple(self._followed(threads)[-_MOST_THREADS:]),
        )
        yield Page([], reached.cursor(), complete=True)

    def _followed(self, threads: list[str]) -> list[str]:
        return [thread for thread in threads if _moment(thread) >= self._now - self._follow]

    def _digests(self, state: _State, since: datetime | None) -> tuple[list[str], str | None]:
        """Return our messages that the cursor does not know yet, and the newest message of the channel."""
        params: dict[str, Any] = {"channel": self._channel, "include_all_metadata": "true"}
        if state.seen:
            params["oldest"] = _bound(_moment(state.seen) - OVERLAP)
        elif since:
            params["oldest"] = _bound(since - self._follow)
        ours: list[str] = []
        newest: str | None = None
        for part in self._web.pages("conversations.history", params):
            stamps = [message["ts"] for message in part.items]
            newest = max(filter(None, (newest, *stamps)), key=_order, default=None)
            ours += [message["ts"] for message in part.items if key_of(message)]
        return ours, newest

    def _thread(self, thread: str, since: datetime | None) -> Iterator[list[Record]]:
        """Yield the replies of one thread page by page; nothing when its digest has been deleted."""
        params = {"channel": self._channel, "ts": thread, "include_all_metadata": "true"}
        digest: str | None = None
        try:
            for part in self._web.pages("conversations.replies", params):
                digest = digest or next((key_of(m) for m in part.items if m["ts"] == thread), None)
                records = [self._record(m, digest) for m in part.items if m["ts"] != thread]
                yield [r for r in records if since is None or r.updated_at is None or r.updated_at >= since]
        except ContractError as err:
            if err.code != "thread_not_found":
                raise

    def _record(self, message: Mapping[str, Any], digest: str | None) -> Record:
        """Return a reply as Slack sent it, with the channel and the key of the digest that it answers."""
        data = {**message, "channel": self._channel, "digest": {"key": digest}}
        edited = message.get("edited")
        changed = edited.get("ts") if isinstance(edited, Mapping) else None
        at = max(_moment(message["ts"]), _moment(str(changed)) if changed else _moment(message["ts"]))
        return Record(STREAM, f"{self._channel}/{message['ts']}", data, updated_at=at)


def _moment(ts: str) -> datetime:
    """Return the second of a ts; what stands behind its dot tells messages of one second apart and is no time."""
    try:
        return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC)
    except (ValueError, OverflowError, OSError) as err:
        raise ContractError(f"{ts!r} is not a ts such as 1700000100.000200") from err


def _order(ts: str) -> tuple[int, str]:
    second, _, number = ts.partition(".")
    return int(second), number


def _bound(at: datetime) -> str:
    return f"{max(0, int(at.timestamp()))}.000000"
