"""The streams: always read in full, since Worktile has no filter by time; what has not changed is found by its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import msgspec

from connectors.worktile.dialect import moment, unwrapped
from connectors.worktile.lists import Listing, all_rows, rows
from connectors.worktile.richtext import plain
from syncd.sdk import ApiClient, ConfigError, ConnectorContext, ContractError, Page, Record

PROJECTS: Final = "mission/get-projects-by-page"
TASKS: Final = "mission/get-project-tasks-by-page"
DETAILS: Final = "mission/get-tasks-by-ids"
MEMBERS: Final = "contact/get-members-by-page"
FIELDS: Final = ("assignee", "participant", "start", "due", "tag", "priority", "desc", "attachment")
_IDS_AT_ONCE: Final = 20  # how many the vendor takes is not documented
_SHOWN: Final = 20
_STAMPS: Final = frozenset({"created_at", "updated_at", "completed_at"})
_DAYS: Final = frozenset({"start", "due"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one team.

    `wanted`: project ids or names to restrict to; `properties`: keys of custom task properties to read;
    `comment_days`: comments are read of tasks that changed within so many days, none with 0.
    """

    api: ApiClient
    context: ConnectorContext
    wanted: tuple[str, ...]
    properties: tuple[str, ...]
    comment_days: int

    def projects(self) -> Iterator[Page]:
        """Yield all projects, or those that are configured."""
        if self.wanted:
            found = self.wanted_projects()
            yield Page([_record("projects", p["_id"], p) for p in found], complete=True, total=len(found))
            return
        yield from _plain_pages("projects", Listing(self.api, PROJECTS, {}))

    def users(self) -> Iterator[Page]:
        """Yield the members of the team."""
        return _plain_pages("users", Listing(self.api, MEMBERS, {}, ("uid", "_id")))

    def tasks(self, project: str) -> Iterator[Page]:
        """Yield all tasks of a project with their properties; the list itself has none, so they are asked for by id."""
        for part in rows(self._task_list(project)):
            ids = list(part.items)
            for group in (ids[at : at + _IDS_AT_ONCE] for at in range(0, len(ids), _IDS_AT_ONCE)):
                details = self._details_of(group)
                # One that the details leave out is there all the same: the list has shown it.
                shown = [_task({**part.items[key], **details.get(key, {})}, project) for key in group]
                yield Page([_record("tasks", task["_id"], task) for task in shown], total=part.total)
        yield Page((), complete=True)

    def _details_of(self, ids: list[str]) -> Mapping[str, dict[str, Any]]:
        """Return tasks with their properties by id; answers may be cut short, so what is missing is asked again."""
        found: dict[str, dict[str, Any]] = {}
        while left := [key for key in ids if key not in found]:
            shown = self._details(left)
            if not shown.keys() & set(left):
                break
            found |= shown
        if not found and len(ids) > 1:
            raise ContractError(f"{DETAILS}: none of {len(ids)} tasks that the list has just shown")
        return found

    def _details(self, ids: list[str]) -> Mapping[str, dict[str, Any]]:
        params = {"task_ids": ",".join(ids), "fields": ",".join((*FIELDS, *self.properties))}
        reply = self.api.get(DETAILS, params)
        found = unwrapped(reply.json)
        if not isinstance(found, list) or not all(isinstance(t, dict) and isinstance(t.get("_id"), str) for t in found):
            raise ContractError(f"{DETAILS}: the answer is not a list of tasks", status=reply.status)
        return {task["_id"]: task for task in found}

    def comments(self, project: str) -> Iterator[Page]:
        """Yield the comments of the tasks that changed lately; they come with one task at a time only."""
        since = self.context.now() - timedelta(days=self.comment_days)
        if self.comment_days:
            for task in all_rows(self._task_list(project)):
                changed_at = moment(task.get("updated_at"))
                if changed_at is None or changed_at >= since:
                    yield from self._comments_of(task, project)
        yield Page((), complete=True)

    def project_ids(self) -> list[str]:
        """Return the projects that are read, in the vendor's order."""
        return [project["_id"] for project in self.wanted_projects()]

    def wanted_projects(self) -> list[dict[str, Any]]:
        """Return the configured projects, all when none are; ConfigError for one that the vendor does not show."""
        found = list(all_rows(Listing(self.api, PROJECTS, {})))
        if not self.wanted:
            return found
        names = {name for project in found for name in _names_of(project)}
        if unknown := [name for name in self.wanted if name not in names]:
            known = ", ".join(sorted(str(p.get("name")) for p in found)[:_SHOWN]) or "none"
            raise ConfigError(
                f"connections.{self.context.connection}.config.projects: {unknown[0]!r} is neither the id nor the name "
                f"of a project that this application can see; it sees {known}"
            )
        return [project for project in found if _names_of(project) & set(self.wanted)]

    def _task_list(self, project: str) -> Listing:
        return Listing(self.api, TASKS, {"project_id": project})

    def _comments_of(self, task: Mapping[str, Any], project: str) -> Iterator[Page]:
        path = f"mission/tasks/{quote(task['_id'], safe='')}"
        try:
            reply = self.api.get(path, {"columns": "properties,comments"})
        except ContractError as err:
            if err.status != 404:  # deleted since it was listed
                raise
            return
        found = unwrapped(reply.json)
        comments = found.get("comments") or [] if isinstance(found, Mapping) and "_id" in found else None
        if not isinstance(comments, list) or not all(isinstance(comment, dict) for comment in comments):
            raise ContractError(f"{path}: the answer is not a task with comments", status=reply.status)
        # A comment does not name its task, so the record keeps what the mapping needs of it.
        owner = {"project_id": project, **{key: task.get(key) for key in ("_id", "identifier", "title")}}
        if comments:
            yield Page([_comment(comment, owner) for comment in comments])


def _plain_pages(stream: str, listing: Listing) -> Iterator[Page]:
    for part in rows(listing):
        yield Page([_record(stream, key, row) for key, row in part.items.items()], total=part.total)
    yield Page((), complete=True)


def _record(stream: str, remote_id: str, data: Mapping[str, Any]) -> Record:
    return Record(stream, remote_id, data, moment(data.get("updated_at")))


def _task(task: Mapping[str, Any], project: str) -> dict[str, Any]:
    """Complete a task: its project, its description as text, and no time where the vendor writes 0 for none."""
    data = {"project_id": project, **{key: v for key, v in task.items() if v or key not in _STAMPS}}
    properties = data.get("properties")
    if not isinstance(properties, Mapping):
        return data
    data["properties"] = {key: value for key, value in properties.items() if key not in _DAYS or _has_date(value)}
    text = plain(properties.get("desc"))
    return data if text is None else {**data, "desc_text": text}


def _has_date(value: Any) -> bool:
    return not isinstance(value, Mapping) or bool(value.get("date"))


def _comment(comment: Mapping[str, Any], task: Mapping[str, Any]) -> Record:
    author = comment.get("created_by")
    uid = author.get("uid") if isinstance(author, Mapping) else author
    data = {**comment, "task": task, "author_uid": uid, "content_text": plain(comment.get("content"))}
    remote_id = comment.get("_id")
    if not isinstance(remote_id, str) or not remote_id:
        # Author, time and content are all that tells the comments of one task apart.
        told = msgspec.json.encode([uid, comment.get("created_at"), comment.get("content")])
        remote_id = f"{task['_id']}-{blake2b(told, digest_size=8).hexdigest()}"
    return Record("comments", remote_id, data, moment(comment.get("created_at")))


def _names_of(project: Mapping[str, Any]) -> set[str]:
    return {str(project["_id"]), str(project.get("name"))}
