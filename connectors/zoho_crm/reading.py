"""Reading: modules with their deletions, and users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.zoho_crm.changes import Ask, Listing, changed_at, listing_of, time_of, walk
from connectors.zoho_crm.errors import PAGE_WALL
from connectors.zoho_crm.modules import Module
from syncd.sdk import ApiClient, ContractError, Cursor, Json, Page, Record
from syncd.sdk.paging import page_numbers, parse_stamp, resume_from, stamp

PAGE_SIZE: Final = 200
OVERLAP: Final = timedelta(minutes=15)


def read_module(api: ApiClient, path: str, module: Module, cursor: Cursor | None, *, now: datetime) -> Iterator[Page]:
    """Yield the deletions, then the records of `module`; every page but the first ones of a full read can be resumed.

    The cursor is `{"updated_at": …, "deleted_at": …}`: the latest change and the latest deletion seen. Deletions come
    first, so that a record which was deleted and brought back ends as what the list says.
    """
    at = _Marks(cursor)
    if module.reports_deletes:
        for tombstones in _read_deleted(api, path, module, at):
            yield Page(tombstones, at.cursor() if cursor else None)
    since = resume_from(cursor, OVERLAP)
    for step in walk(_lister(api, path, module), since, has_tokens=module.has_tokens, started_at=now):
        at.see_update(step.reached)
        records = [Record(module.stream, str(row["id"]), row, changed_at(row)) for row in step.rows]
        yield Page(records, at.cursor() if step.reached or step.last else None, complete=step.last)


def read_users(api: ApiClient, path: str, cursor: Cursor | None, *, now: datetime) -> Iterator[Page]:
    """Yield the users, changed ones only when there is a cursor; the list has no order to resume in."""
    at = _Marks(cursor)
    since = resume_from(cursor, OVERLAP)
    latest: datetime | None = None
    parts = page_numbers(lambda page: _user_page(api, path, since, page))
    for number, part in enumerate(parts, start=1):
        records = [_user(row) for row in part.items]
        latest = max((at for at in (latest, *(r.updated_at for r in records)) if at), default=None)
        if part.last:  # what changed while we turned pages may stand on a page already read
            at.see_update(min(latest, now) if latest and number > 1 else latest)
        yield Page(records, at.cursor() if part.last else None, complete=part.last)


class _Marks:
    """The two positions of a cursor; neither goes back."""

    def __init__(self, cursor: Cursor | None) -> None:
        self.updated_at = _time(cursor, "updated_at")
        self.deleted_at = _time(cursor, "deleted_at")

    def see_update(self, at: datetime | None) -> None:
        self.updated_at = max(filter(None, (self.updated_at, at)), default=None)

    def see_deletion(self, at: datetime | None) -> None:
        self.deleted_at = max(filter(None, (self.deleted_at, at)), default=None)

    def cursor(self) -> Cursor | None:
        marks = {"updated_at": self.updated_at, "deleted_at": self.deleted_at}
        return {name: stamp(at) for name, at in marks.items() if at} or None


def _time(cursor: Cursor | None, key: str) -> datetime | None:
    value = (cursor or {}).get(key)
    return parse_stamp(str(value)) if value is not None else None


def since_header(since: datetime | None) -> dict[str, str]:
    """Return the header that limits a list to what changed at or after `since`; whole seconds, rounded down."""
    return {} if since is None else {"If-Modified-Since": since.replace(microsecond=0).isoformat()}


def _lister(api: ApiClient, path: str, module: Module) -> Callable[[Ask], Listing]:
    asked = module

    def fetch(ask: Ask) -> Listing:
        nonlocal asked
        try:
            return _list(api, path, asked, ask)
        except ContractError as err:
            asked = _without_unknown_fields(api, path, asked, err)
        return _list(api, path, asked, ask)

    return fetch


def _list(api: ApiClient, path: str, module: Module, ask: Ask) -> Listing:
    params: dict[str, Any] = {
        "fields": ",".join(module.fields),
        "per_page": PAGE_SIZE,
        "sort_by": "Modified_Time",
        "sort_order": "asc",
    }
    if ask.token:
        params["page_token"] = ask.token
    elif ask.page > 1:
        params["page"] = ask.page
    return listing_of(api.get(f"{path}/{module.name}", params, headers=since_header(ask.after)))


def _without_unknown_fields(api: ApiClient, path: str, module: Module, err: ContractError) -> Module:
    """Ask no more for fields that this organisation does not have; any other refusal stays one."""
    if err.code != "INVALID_DATA":
        raise err
    unknown = set(module.fields) - known_fields(api, path, module)
    if not unknown:
        raise err
    return module.without_fields(unknown)


def known_fields(api: ApiClient, path: str, module: Module) -> frozenset[str]:
    """Return the API names of the fields that `module` has in this organisation."""
    body = api.get(f"{path}/settings/fields", {"module": module.name}).json
    fields = body.get("fields") if isinstance(body, Mapping) else None
    if not isinstance(fields, list):
        raise ContractError(f"settings/fields of {module.name}: the answer has no list 'fields'")
    return frozenset(str(field.get("api_name")) for field in fields)


def _read_deleted(api: ApiClient, path: str, module: Module, at: _Marks) -> Iterator[list[Record]]:
    """Yield pages of tombstones deleted since the last one seen; all that Zoho still lists when none was seen yet.

    The order of this list is not documented, so the mark moves only when all of it was read.
    """
    since = at.deleted_at - OVERLAP if at.deleted_at else None
    latest: datetime | None = None

    def fetch(number: int) -> tuple[list[Json], None, bool]:
        params = {"type": "all", "page": number, "per_page": PAGE_SIZE}
        reply = api.get(f"{path}/{module.name}/deleted", params, headers=since_header(since))
        listing = listing_of(reply)
        return list(listing.rows), None, listing.more

    try:
        for part in page_numbers(fetch):
            tombstones = [_tombstone(module, row) for row in part.items]
            latest = max((at for at in (latest, *(t.updated_at for t in tombstones)) if at), default=None)
            if tombstones:
                yield tombstones
    except ContractError as err:
        _end_at_wall(err, module, is_full=at.updated_at is None)
    at.see_deletion(latest)


def _end_at_wall(err: ContractError, module: Module, *, is_full: bool) -> None:
    """A full read shows what is there without this list, so it may end early; an incremental read may not."""
    if err.code != PAGE_WALL:
        raise err
    if not is_full:
        raise ContractError(
            f"{module.stream}: more deletions since the last read than Zoho lists; "
            f"read the stream in full once (syncd run --full)",
            status=err.status,
            code=err.code,
        ) from err


def _tombstone(module: Module, row: Json) -> Record:
    return Record(module.stream, str(row["id"]), row, time_of(row.get("deleted_time")), deleted=True)


def _user_page(api: ApiClient, path: str, since: datetime | None, page: int) -> tuple[list[Json], None, bool]:
    params = {"type": "AllUsers", "page": page, "per_page": PAGE_SIZE}
    listing = listing_of(api.get(f"{path}/users", params, headers=since_header(since)), "users")
    return list(listing.rows), None, listing.more


def _user(row: Json) -> Record:
    return Record("users", str(row["id"]), row, time_of(row.get("Modified_Time")))
