"""Work item types: the vendor names system types by a word and others by a 24-digit id, and sometimes not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.pingcode.generation import Generation
from connectors.pingcode.lists import Listing, all_items
from syncd.sdk import ApiClient, AuthError

WORDS: Final = frozenset({"epic", "feature", "story", "task", "bug", "issue"})
TYPE_KEY: Final = "work_item_type"
_EVERYTHING: Final = {"include_deleted": "true", "include_archived": "true"}

Items = Sequence[dict[str, Any]]


class TypeNames:
    """Gives work items their type for the length of one read; asks the vendor only for what the items do not tell.

    An item with a type that is no known word gets `work_item_type` with id, name and group (a milestone is a type with
    a name); an item without any type (kanban projects, seen live) gets the type under which the vendor lists it.
    """

    def __init__(self, api: ApiClient, generation: Generation) -> None:
        self._api = api
        self._generation = generation
        self._types: dict[str, Mapping[str, Any]] = {}
        self._listed: dict[str, Mapping[str, str]] = {}

    def complete(self, items: Items) -> Items:
        """Return `items` with their types, in the same order."""
        if all(item.get("type") in WORDS for item in items):
            return items
        return [self._completed(item) for item in items]

    def _completed(self, item: dict[str, Any]) -> dict[str, Any]:
        project = _project_of(item)
        kind = item.get("type")
        if kind in WORDS or not project:
            return item
        if not kind:
            kind = self._listed_under(project).get(item["id"])
        found = self._types_of(project).get(str(kind))
        named = {"type": kind, TYPE_KEY: found} if found and kind not in WORDS else {"type": kind}
        return {**item, **named}

    def _types_of(self, project: str) -> Mapping[str, Any]:
        if project not in self._types:
            self._types[project] = self._read_types(project)
        return self._types[project]

    def _read_types(self, project: str) -> Mapping[str, Any]:
        listing = Listing(self._api, self._generation.types, {"project_id": project})
        try:
            found = list(all_items(listing))
        except AuthError as err:
            # Without the right to read types the items still count; `check` names the right.
            if err.status != 403:
                raise
            return {}
        return {t["id"]: {"id": t["id"], "name": t.get("name"), "group": t.get("group")} for t in found}

    def _listed_under(self, project: str) -> Mapping[str, str]:
        """Return item id → type id of a project, from one list per type."""
        if project not in self._listed:
            self._listed[project] = {
                item["id"]: kind for kind in self._types_of(project) for item in self._of_type(project, kind)
            }
        return self._listed[project]

    def _of_type(self, project: str, kind: str) -> Items:
        plural = "" if self._generation.has_search else "s"
        params = {f"project_id{plural}": project, f"type_id{plural}": kind, **_EVERYTHING}
        return list(all_items(Listing(self._api, self._generation.work_items, params)))


def _project_of(item: Mapping[str, Any]) -> str | None:
    project = item.get("project")
    return project.get("id") if isinstance(project, Mapping) else None
