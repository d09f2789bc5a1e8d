"""The streams: which list each one is, from where it is read, and how far its cursor may move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.pingcode.dialect import NOT_FOUND, is_set, moment
from connectors.pingcode.generation import Generation
from connectors.pingcode.lists import Listing, all_items, rows
from connectors.pingcode.types import TypeNames
from syncd.sdk import ApiClient, ConfigError, ConnectorContext, ContractError, Cursor, Page, Record
from syncd.sdk.paging import parse_stamp, resume_from, stamp

OVERLAP: Final = timedelta(minutes=15)
_EVERYTHING: Final = {"include_deleted": "true", "include_archived": "true"}
_WITH_SPRINTS: Final = frozenset({"scrum", "hybrid"})
_IDS_AT_ONCE: Final = 20  # the most that a comma list of generation A takes
_SHOWN: Final = 20
_RECHECK_EVERY: Final = timedelta(days=1)
# Keys that change without the item having changed: unchanged records must stay equal.
_VOLATILE: Final = frozenset({"public_image_token"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one team. `wanted`: project ids or keys to restrict to; `comment_days`: how far back comments are read."""

    api: ApiClient
    generation: Generation
    context: ConnectorContext
    wanted: tuple[str, ...]
    comment_days: int

    def projects(self) -> Iterator[Page]:
        """Yield all projects, archived and deleted ones too."""
        listing = Listing(self.api, self.generation.projects, _EVERYTHING)
        if self.wanted:
            records = [_record("projects", project) for project in self.wanted_projects()]
            yield Page(records, complete=True, total=len(records))
            return
        yield from _plain_pages("projects", listing)

    def users(self) -> Iterator[Page]:
        """Yield everybody in the team's directory."""
        return _plain_pages("users", Listing(self.api, "/v1/directory/users"))

    def of_project(self, stream: str, project: str) -> Iterator[Page]:
        """Yield the sprints or versions of one project."""
        return _plain_pages(stream, Listing(self.api, self.generation.of_project(project, stream)))

    def project_ids(self, stream: str) -> list[str]:
        """Return the projects that can have records of `stream`, in the vendor's order."""
        projects = (p for p in self.wanted_projects() if not is_set(p.get("is_deleted")))
        return [p["id"] for p in projects if stream != "sprints" or p.get("type") in _WITH_SPRINTS]

    def wanted_projects(self) -> list[dict[str, Any]]:
        """Return the configured projects, all when none are; ConfigError for one that the vendor does not have."""
        found = list(all_items(Listing(self.api, self.generation.projects, _EVERYTHING)))
        if not self.wanted:
            return found
        names = {name for project in found for name in _names_of(project)}
        if unknown := [name for name in self.wanted if name not in names]:
            known = ", ".join(sorted(str(p.get("identifier")) for p in found)[:_SHOWN]) or "none"
            raise ConfigError(
                f"connections.{self.context.connection}.config.projects: {unknown[0]!r} is neither the id nor the key "
                f"of a project that these credentials can see; they see {known}"
            )
        return [project for project in found if _names_of(project) & set(self.wanted)]

    def work_items(self, cursor: Cursor | None) -> Iterator[Page]:
        """Yield work items changed since the cursor, all when there is none, in the vendor's order.

        Only the last page has a cursor: the order is not by change, so until the end an older change may be to come.
        """
        scope = self._scope()
        start = None if _has_grown(cursor, scope) else cursor
        since = resume_from(start, OVERLAP)
        reached = _Reached(start, self.context.now())
        types = TypeNames(self.api, self.generation)
        listings = self._changed(since, scope)
        for number, listing in enumerate(listings, 1):
            for part in rows(listing):
                records = [_record("work_items", item) for item in types.complete(part.items)]
                reached.note(records, listing.vendor_time)
                done = part.done and number == len(listings)
                total = part.total if len(listings) == 1 else None
                yield Page(records, cursor=reached.cursor(scope) if done else None, complete=done, total=total)

    def comments(self, cursor: Cursor | None) -> Iterator[Page]:
        """Yield the comments of work items changed since the cursor, and once a day of all changed lately.

        The vendor has no list of comments, and whether a comment counts as a change of its item is not documented.
        """
        if not self.comment_days:
            yield Page((), complete=True)
            return
        scope = self._scope()
        since, checked_at = self._comment_window(cursor)
        reached = _Reached(cursor, self.context.now())
        for listing in self._changed(since, scope):
            for item in all_items(listing):
                record = _record("work_items", item)
                reached.note([record], listing.vendor_time)
                if not record.deleted and (record.updated_at is None or record.updated_at >= since):
                    yield from self._comments_of(item)
        yield Page((), cursor={**(reached.cursor(scope) or {}), "checked_at": stamp(checked_at)}, complete=True)

    def _comment_window(self, cursor: Cursor | None) -> tuple[datetime, datetime]:
        """Return since when items are looked at, and when all recent ones were looked at last."""
        now = self.context.now().astimezone(UTC).replace(microsecond=0)
        window = now - timedelta(days=self.comment_days)
        since = resume_from(cursor, OVERLAP)
        if since is None:
            return window, now
        checked_at = cursor.get("checked_at") if cursor else None
        if checked_at is None:
            return since, now
        if now - parse_stamp(str(checked_at)) >= _RECHECK_EVERY:
            return min(since, window), now
        return since, parse_stamp(str(checked_at))

    def _comments_of(self, item: Mapping[str, Any]) -> Iterator[Page]:
        # A comment does not name its work item, so the record keeps what the mapping needs of it.
        principal = {key: item.get(key) for key in ("id", "identifier", "title", "html_url", "project")}
        listing = Listing(
            self.api, "/v1/comments", {"principal_type": self.generation.work_item, "principal_id": item["id"]}
        )
        try:
            for part in rows(listing):
                if part.items:
                    yield Page([_comment(comment, principal) for comment in part.items])
        except ContractError as err:
            if err.code not in NOT_FOUND:  # deleted since it was listed
                raise

    def _scope(self) -> tuple[str, ...]:
        return tuple(sorted(project["id"] for project in self.wanted_projects())) if self.wanted else ()

    def _changed(self, since: datetime | None, scope: tuple[str, ...]) -> list[Listing]:
        path = self.generation.work_items
        if self.generation.has_search:
            search = {"filter": _filter(since, scope), "include_deleted": True, "include_archived": True}
            return [Listing(self.api, f"{path}/search", search=search)]
        groups = [scope[at : at + _IDS_AT_ONCE] for at in range(0, len(scope), _IDS_AT_ONCE)] or [()]
        between = {"updated_between": int(since.timestamp())} if since else {}
        wanted = [{"project_ids": ",".join(group)} if group else {} for group in groups]
        return [Listing(self.api, path, {**_EVERYTHING, **between, **projects}) for projects in wanted]


class _Reached:
    """How far a cursor may move: to the latest change that was seen, and never past the start of the read.

    What changes while the list is read may be missed and is the next read's, by the vendor's clock and by ours.
    """

    def __init__(self, cursor: Cursor | None, now: datetime) -> None:
        self._latest = resume_from(cursor, timedelta(0))
        self._started = now.astimezone(UTC).replace(microsecond=0)

    def note(self, records: Sequence[Record], vendor_time: datetime | None) -> None:
        """Take in what was read, and the vendor's clock at the start of the read."""
        stamps = [record.updated_at for record in records if record.updated_at]
        self._latest = max([*stamps, self._latest] if self._latest else stamps, default=None)
        self._started = min(self._started, vendor_time or self._started)

    def cursor(self, scope: tuple[str, ...]) -> Cursor | None:
        """Return the cursor, None when nothing with a stamp was ever seen."""
        if self._latest is None:
            return None
        place = {"updated_at": stamp(min(self._latest, self._started))}
        return {**place, "projects": ",".join(scope)} if scope else place


def _has_grown(cursor: Cursor | None, scope: tuple[str, ...]) -> bool:
    """Say whether projects were added since the cursor: their older items were never read, so all are read again."""
    before = str(cursor.get("projects") or "") if cursor else ""
    return bool(before) and not (scope and set(scope) <= set(before.split(",")))


def _filter(since: datetime | None, scope: tuple[str, ...]) -> Mapping[str, Any]:
    """Build the search filter. Times are compared by day in a zone that is not ours: a day more covers every zone."""
    wanted: dict[str, Any] = {"project.id": {"in": list(scope)}} if scope else {}
    if since:
        day = since.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        wanted["updated_at"] = {"gte": int(day.timestamp())}
    return wanted


def _plain_pages(stream: str, listing: Listing) -> Iterator[Page]:
    for part in rows(listing):
        yield Page([_record(stream, item) for item in part.items], complete=part.done, total=part.total)


def _record(stream: str, item: Mapping[str, Any]) -> Record:
    data = {key: value for key, value in item.items() if key not in _VOLATILE}
    return Record(stream, item["id"], data, moment(item.get("updated_at")), deleted=is_set(item.get("is_deleted")))


def _comment(item: Mapping[str, Any], principal: Mapping[str, Any]) -> Record:
    data = {**item, "work_item": principal}
    return Record("comments", item["id"], data, moment(item.get("created_at")), deleted=is_set(item.get("is_deleted")))


def _names_of(project: Mapping[str, Any]) -> set[str]:
    return {str(project["id"]), str(project.get("identifier"))}
