"""The one write whose path and body are documented: a new project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.worktile.dialect import unwrapped
from connectors.worktile.lists import Listing, all_rows
from connectors.worktile.reading import PROJECTS
from syncd.sdk import (
    ApiClient,
    Command,
    ConnectorError,
    Json,
    Outcome,
    OutcomeUnknownError,
    Receipt,
    RejectedError,
)

# Source: https://apifox.com/apidoc/docs-site/3131222 (create project), read 2026-11-21.
_CREATE: Final = "mission/project"
_FIELDS: Final = frozenset({"template_name", "name", "visibility", "members", "ext"})
_EXTRA: Final = frozenset({"assignee", "start", "due", "properties"})
_NEEDED: Final = ("template_name", "name")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to one team, when `allowed` by the configuration of `connection`."""

    api: ApiClient
    connection: str
    allowed: bool

    def create_project(self, command: Command) -> Receipt:
        """Make a project from a template, unless there is one with this name."""
        self._check_allowed(command)
        _check_payload(command)
        name = command.payload["name"]
        if there := self._called(name):
            raise RejectedError(
                f"create_project: there is a project called {name!r} already ({there[0]}); choose another name"
            )
        reply = self.api.post(_CREATE, dict(command.payload))
        made = unwrapped(reply.json)
        project = made.get("_id") if isinstance(made, Mapping) else None
        if not isinstance(project, str) or not project:
            project = self._found_after(name)
        return Receipt(project, Outcome.CREATED)

    def _check_allowed(self, command: Command) -> None:
        if not self.allowed:
            raise RejectedError(
                f"{command.operation}: connection {self.connection!r} only reads; to let it write, set "
                f"connections.{self.connection}.config.allow_writes to true and retry the command"
            )

    def _called(self, name: str) -> list[str]:
        return [p["_id"] for p in all_rows(Listing(self.api, PROJECTS, {})) if p.get("name") == name]

    def _found_after(self, name: str) -> str:
        """Look up the id of what was made, which the answer does not tell in every case."""
        try:
            found = self._called(name)
        except ConnectorError as err:
            raise OutcomeUnknownError(f"create_project: made, but {name!r} cannot be looked up: {err}") from err
        if len(found) != 1:
            raise OutcomeUnknownError(f"create_project: {len(found)} projects are called {name!r} after the write")
        return found[0]


def _check_payload(command: Command) -> None:
    payload = command.payload
    _check_keys(payload, _FIELDS, "")
    if missing := [key for key in _NEEDED if not isinstance(payload.get(key), str) or not payload[key].strip()]:
        raise RejectedError(f"create_project: the payload lacks {', '.join(missing)}")
    if payload.get("visibility", 0) not in (0, 1):
        raise RejectedError(f"create_project: visibility is {payload['visibility']!r}; it must be 0 or 1")
    members = payload.get("members", [])
    if not isinstance(members, list) or not all(isinstance(member, str) and member for member in members):
        raise RejectedError("create_project: members is not a list of uids")
    extra = payload.get("ext", {})
    if not isinstance(extra, Mapping):
        raise RejectedError("create_project: ext is not an object")
    _check_keys(extra, _EXTRA, "ext.")


def _check_keys(given: Json | Mapping[str, Any], known: frozenset[str], place: str) -> None:
    if unknown := sorted(set(given) - known):
        raise RejectedError(
            f"create_project: {place}{unknown[0]} is not a documented field; allowed: {', '.join(sorted(known))}"
        )
