"""The operations: comments and work items that carry our mark, and how the mark is found again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from connectors.pingcode.dialect import is_set
from connectors.pingcode.generation import Generation
from connectors.pingcode.lists import Listing, all_items
from syncd.sdk import (
    ApiClient,
    Command,
    ConnectorError,
    ContractError,
    Json,
    Outcome,
    OutcomeUnknownError,
    Receipt,
    RejectedError,
    Reply,
)
from syncd.sdk.api import where

_OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}")
_ITEM_KEY: Final = re.compile(r"[A-Z0-9_-]+-\d+")
_EVERYTHING: Final = {"include_deleted": "true", "include_archived": "true"}

# The vendor drops unknown body fields without a word, so a misspelt one is refused here.
_COMMENT_FIELDS: Final = frozenset({"content", "reply_comment_id"})
_ITEM_PLAIN: Final = frozenset({"title", "start_at", "end_at", "parent_id", "story_points", "estimated_workload"})
_ITEM_REFS: Final = {
    "assignee_id": "assignee",
    "priority_id": "priority",
    "state_id": "state",
    "sprint_id": "sprint",
    "board_id": "board",
    "entry_id": "entry",
    "swimlane_id": "swimlane",
}
_ITEM_FIELDS: Final = (
    _ITEM_PLAIN
    | set(_ITEM_REFS)
    | {"type_id", "description", "remaining_workload", "version_ids", "participant_ids", "properties"}
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to one team, to the `wanted` projects (ids or keys; all when empty) and to no other.

    `external_id_property` is the custom text property that holds our key, None without one.
    """

    api: ApiClient
    generation: Generation
    wanted: tuple[str, ...]
    external_id_property: str | None

    def create_comment(self, command: Command) -> Receipt:
        """Comment on the work item that the target names (id, short id or key such as ORB-17)."""
        _check_fields(command, _COMMENT_FIELDS, needed=("content",))
        item, mark = self._work_item(command), _mark(command)
        _check_alive(command, item)
        content = str(command.payload["content"])
        body = {
            **_sent(command.payload),
            "principal_type": self.generation.work_item,
            "principal_id": item["id"],
            "content": content if mark in content else f"{content}\n\n{mark}",
        }
        made = _made(self.api.post("/v1/comments", body), command)
        kept = mark in str(made.get("content", mark))
        detail = "" if kept else "PingCode changed the comment's text: its mark is gone"
        return Receipt(made["id"], Outcome.CREATED, url=item.get("html_url"), detail=detail)

    def find_comment(self, command: Command) -> Receipt | None:
        """Look through the comments of the work item; a deleted one counts, since it was written."""
        item, mark = self._work_item(command), _mark(command)
        params = {"principal_type": self.generation.work_item, "principal_id": item["id"]}
        for comment in all_items(Listing(self.api, "/v1/comments", params)):
            if mark in str(comment.get("content", "")):
                return Receipt(comment["id"], Outcome.UNCHANGED, url=item.get("html_url"))
        return None

    def create_work_item(self, command: Command) -> Receipt:
        """Create a work item in the project that the target names (id or key such as ORB)."""
        _check_fields(command, _ITEM_FIELDS, needed=("title", "type_id"))
        project = self._project(command)
        _check_alive(command, project)
        body = {**self._item_body(command), "project_id": project["id"]}
        made = _made(self.api.post(self.generation.work_items, body), command)
        return Receipt(made["id"], Outcome.CREATED, url=made.get("html_url"), detail=self._verify(made["id"], body))

    def find_work_item(self, command: Command) -> Receipt | None:
        """Look for our key in the custom property, without one for our mark in the project's descriptions."""
        for item in self._candidates(command, self._project(command)["id"]):
            if self._is_ours(item, command):
                return Receipt(item["id"], Outcome.UNCHANGED, url=item.get("html_url"))
        return None

    def _item_body(self, command: Command) -> dict[str, Any]:
        payload = _sent(command.payload)
        versions = payload.pop("version_ids", None)
        if versions:
            key = self.generation.version_field
            payload[key] = versions[0] if key == "version_id" else versions
        if self.external_id_property:
            ours = {self.external_id_property: command.idempotency_key}
            payload["properties"] = {**(payload.get("properties") or {}), **ours}
        else:
            payload["description"] = f"{payload.get('description', '')}<p>{_mark(command)}</p>"
        return payload

    def _candidates(self, command: Command, project: str) -> Iterator[Mapping[str, Any]]:
        generation = self.generation
        if not generation.has_search:
            params = {**_EVERYTHING, "project_ids": project}
            return all_items(Listing(self.api, generation.work_items, params))
        if not self.external_id_property:
            return all_items(Listing(self.api, generation.work_items, {**_EVERYTHING, "project_id": project}))
        wanted = {
            "project.id": {"in": [project]},
            f"properties.{self.external_id_property}": {"contains": command.idempotency_key},
        }
        search = {"filter": wanted, "include_deleted": True, "include_archived": True}
        return all_items(Listing(self.api, f"{generation.work_items}/search", search=search))

    def _is_ours(self, item: Mapping[str, Any], command: Command) -> bool:
        if self.external_id_property:
            value = (item.get("properties") or {}).get(self.external_id_property)
            return bool(value == command.idempotency_key)
        return _mark(command) in str(item.get("description") or "")

    def _verify(self, item_id: str, body: Mapping[str, Any]) -> str:
        """Read the new work item again and say which fields the vendor did not keep."""
        try:
            item = self.api.get(f"{self.generation.work_items}/{item_id}").json
        except ConnectorError:
            return "created; it could not be read again, so its fields are not verified"
        lost = _lost_fields(body, item if isinstance(item, Mapping) else {})
        return f"PingCode did not keep {', '.join(lost)}" if lost else ""

    def _work_item(self, command: Command) -> Json:
        """Return the target; only the list knows an item by its key, only the item itself by its short id."""
        target = _target(command, "a work item: its id, short id or key such as ORB-17")
        item = self._named(self.generation.work_items, target, by_key=bool(_ITEM_KEY.fullmatch(target)))
        project = item.get("project")
        self._check_wanted(command, project if isinstance(project, Mapping) else {})
        return item

    def _project(self, command: Command) -> Json:
        target = _target(command, "a project: its id or key such as ORB")
        project = self._named(self.generation.projects, target, by_key=not _OBJECT_ID.fullmatch(target))
        self._check_wanted(command, project)
        return project

    def _named(self, path: str, name: str, *, by_key: bool) -> Json:
        if not by_key:
            return _object(self.api.get(f"{path}/{quote(name, safe='')}"))
        for item in all_items(Listing(self.api, path, {"identifier": name})):
            if item.get("identifier") == name:
                return item
        raise RejectedError(f"{path}: PingCode has nothing with the key {name!r}")

    def _check_wanted(self, command: Command, project: Json) -> None:
        if self.wanted and not {project.get("id"), project.get("identifier")} & set(self.wanted):
            raise RejectedError(
                f"{command.operation}: {command.target_id!r} lies outside the projects that this connection is for; "
                f"it is for {', '.join(self.wanted)}"
            )


def _mark(command: Command) -> str:
    """Return what a reader sees as a short reference and `find` as proof; safe in plain text and in HTML."""
    return f"[syncd {hashlib.blake2b(command.idempotency_key.encode(), digest_size=8).hexdigest()}]"


def _target(command: Command, wanted: str) -> str:
    target = (command.target_id or "").strip()
    if not target:
        raise RejectedError(f"{command.operation}: no target; it needs {wanted}")
    return target


def _check_fields(command: Command, known: frozenset[str], *, needed: tuple[str, ...]) -> None:
    if unknown := sorted(set(command.payload) - known):
        raise RejectedError(
            f"{command.operation}: PingCode has no field {unknown[0]!r} and would drop it in silence; "
            f"allowed: {', '.join(sorted(known))}"
        )
    if missing := [name for name in needed if not command.payload.get(name)]:
        raise RejectedError(f"{command.operation}: the payload lacks {', '.join(missing)}")


def _sent(payload: Json) -> dict[str, Any]:
    """Leave out what is null: PingCode reads it as absent."""
    return {key: value for key, value in payload.items() if value is not None}


def _check_alive(command: Command, target: Json) -> None:
    if is_set(target.get("is_deleted")):
        raise RejectedError(f"{command.operation}: {command.target_id!r} was deleted; nobody would see the write")


def _object(reply: Reply) -> Json:
    body = reply.json
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise ContractError(f"{where(reply.url)}: the answer is not an object with an id", status=reply.status)
    return body


def _made(reply: Reply, command: Command) -> Json:
    body = reply.json
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise OutcomeUnknownError(
            f"{command.operation}: PingCode answered {reply.status} without an id", status=reply.status
        )
    return body


def _lost_fields(body: Mapping[str, Any], item: Mapping[str, Any]) -> list[str]:
    """Return the fields of `body` that `item` does not show; descriptions are left out, as PingCode rewrites HTML."""
    kept = item.get("properties") or {}
    plain = [key for key in sorted(_ITEM_PLAIN) if key in body and item.get(key) != body[key]]
    refs = [key for key, name in _ITEM_REFS.items() if key in body and (item.get(name) or {}).get("id") != body[key]]
    custom = [f"properties.{key}" for key, value in body.get("properties", {}).items() if kept.get(key) != value]
    return [*plain, *refs, *custom]
