"""Reading: objects by ascending `_id`, which never moves under a reader and knows no end at row 10,000; employees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from connectors.fxiaoke.gateway import PAGE_SIZE, Gateway, Listing, condition
from connectors.fxiaoke.objects import USERS
from syncd.sdk import ContractError, Cursor, Json, Page, Record
from syncd.sdk.api import where
from syncd.sdk.paging import Position, keyset, parse_stamp, resume_from, stamp

OVERLAP: Final = timedelta(minutes=15)
INVALID: Final = "invalid"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_USERS_A_PAGE: Final = 200
_RELATED: Final = "related_object_data"


def read_object(
    gateway: Gateway, stream: str, name: str, cursor: Cursor | None, *, now: datetime, watch_invalid: bool
) -> Iterator[Page]:
    """Yield the records of the object `name` that changed since the cursor, invalid ones first and as tombstones.

    The cursor is `{"updated_at": …}`; on the way it also says what is needed to go on: `after` (the last `_id`), `seen`
    (the latest change so far) and `started_at`. A change behind our back is younger than the start of the read, which
    the next one therefore never leaves out.
    """
    marks = _Marks(cursor, now)
    since = resume_from(cursor, OVERLAP)
    window = [] if since is None else [condition("last_modified_time", "GTE", millis(since))]
    if since is not None and watch_invalid and not marks.after:
        invalid = [*window, condition("life_status", "EQ", INVALID)]
        for listing in walk(gateway, name, invalid):
            marks.begin(listing.at)
            if listing.rows:
                yield Page([_record(stream, row, deleted=True) for row in listing.rows], dict(cursor or {}))
    is_resumed = bool(marks.after)
    for listing in walk(gateway, name, window, after=marks.after):
        marks.begin(listing.at)
        records = [_record(stream, row, deleted=_is_gone(row)) for row in listing.rows]
        marks.see(records)
        last, total = not listing.more, None if is_resumed else listing.total
        yield Page(records, marks.cursor(is_end=last), complete=last, total=total)


def walk(gateway: Gateway, name: str, filters: Sequence[Json], *, after: str = "") -> Iterator[Listing]:
    """Yield all rows that fit, by `_id`, each page beginning behind the last one of the page before.

    The first page is counted: when more rows are there than it gives, its size is what this gateway calls a full page,
    however many were asked for. ContractError when the rows do not come in the order asked for: then the next page
    would leave some out.
    """
    latest: list[Listing] = []
    full = PAGE_SIZE

    def fetch(at: Position | None) -> tuple[Sequence[Json], bool]:
        nonlocal full
        behind = [condition("_id", "GT", at.id)] if at else []
        listing = gateway.query(name, [*filters, *behind], counted=not latest)
        _check_order(name, [at.id if at else "", *(str(row["_id"]) for row in listing.rows)])
        if not latest and listing.more:
            full = len(listing.rows)
        latest[:] = [replace(listing, more=listing.more or len(listing.rows) >= full)]
        return listing.rows, latest[0].more

    start = Position("", after) if after else None
    for _ in keyset(fetch, lambda row: Position("", str(row["_id"])), start):
        yield latest[0]


def read_users(gateway: Gateway) -> Iterator[Page]:
    """Yield all employees; Fxiaoke gives them in one answer, and says of none when it was changed."""
    reply = gateway.employees()
    rows = reply.member("userList")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and row.get("openUserId") for row in rows):
        raise ContractError(f"{where(reply.url)}: the answer has no list 'userList' of people with an openUserId")
    people = list({str(row["openUserId"]): row for row in rows}.items())  # some may be in two departments
    starts = range(0, max(1, len(people)), _USERS_A_PAGE)
    for start in starts:
        part = people[start : start + _USERS_A_PAGE]
        records = [Record(USERS, open_user_id, row) for open_user_id, row in part]
        yield Page(records, complete=start == starts[-1], total=len(people))


def millis(at: datetime) -> str:
    """Write an aware time as Fxiaoke wants it in filters."""
    return str((at - _EPOCH) // _MILLISECOND)


class _Marks:
    """How far a read has come; `after` is the last `_id`, empty at the start."""

    def __init__(self, cursor: Cursor | None, now: datetime) -> None:
        known = cursor or {}
        self.after = str(known.get("after") or "")
        self._base = _time(known.get("updated_at"))
        self._seen = _time(known.get("seen"))
        self._started_at = _time(known.get("started_at")) or now
        self._has_begun = bool(self.after)

    def begin(self, vendor_time: datetime | None) -> None:
        """Note the vendor's clock at the first answer: the read began then, or by our clock if that is earlier."""
        if not self._has_begun and vendor_time:
            self._started_at = min(self._started_at, vendor_time)
        self._has_begun = True

    def see(self, records: Sequence[Record]) -> None:
        if records:
            self.after = records[-1].remote_id
            self._seen = max(filter(None, (self._seen, *(record.updated_at for record in records))))

    def cursor(self, *, is_end: bool) -> Cursor | None:
        if is_end:
            reached = max(filter(None, (self._base, self._seen)), default=None)
            return {"updated_at": stamp(min(reached, self._started_at))} if reached else None
        times = {"updated_at": self._base, "seen": self._seen, "started_at": self._started_at}
        return {"after": self.after, **{key: stamp(at) for key, at in times.items() if at}}


def _time(value: Any) -> datetime | None:
    return parse_stamp(str(value)) if value is not None else None


def _record(stream: str, row: Json, *, deleted: bool) -> Record:
    return Record(stream, str(row["_id"]), _with_related_ids(row), _changed_at(row), deleted=deleted)


def _is_gone(row: Json) -> bool:
    """Say whether the record is invalid (作废), should a plain query show such ones."""
    return row.get("life_status") == INVALID or row.get("is_deleted") is True


def _changed_at(row: Json) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=int(row["last_modified_time"]))
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise ContractError(
            f"record {row['_id']}: last_modified_time is missing or no time; changes cannot be followed"
        ) from err


def _with_related_ids(row: Json) -> Json:
    """Add `related_ids`, the related records by object: a path of a mapping cannot choose among list members."""
    related = row.get(_RELATED)
    if not isinstance(related, list):
        return row
    ids: dict[str, list[str]] = {}
    for entry in related:
        if isinstance(entry, Mapping) and entry.get("describe_api_name") and entry.get("id"):
            ids.setdefault(str(entry["describe_api_name"]), []).append(str(entry["id"]))
    return {**row, "related_ids": ids}


def _check_order(name: str, ids: Sequence[str]) -> None:
    if any(here >= there for here, there in pairwise(ids)):
        raise ContractError(f"{name}: the records do not come by ascending _id as asked for; some would be left out")
