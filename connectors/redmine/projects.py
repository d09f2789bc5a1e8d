"""Which projects a connection reads, and what Redmine tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from connectors.redmine.rest import Rest, Row, row_of
from syncd.sdk import ContractError

# Without a filter only active projects are listed. Archived ones (9) are hidden from everybody in lists.
_OPEN_OR_CLOSED: Final = "1|5"
_ISSUE_TRACKING: Final = "issue_tracking"
_WITH_MODULES: Final = {"include": "enabled_modules"}


class Projects:
    """The configured projects, or those that the key's user is a member of (all, for an administrator)."""

    def __init__(self, rest: Rest, names: Sequence[str]) -> None:
        self._rest = rest
        self.names = tuple(names)

    def rows(self) -> list[Row]:
        """Return the projects, each with its identifier; those without issue tracking are left out of "all"."""
        if self.names:
            return [self.row(name) for name in self.names]
        user, _ = self._rest.me({"include": "memberships"})
        listed = [_named(row) for row in self._listed()]
        if not user.get("admin"):
            mine = {_project_id(member) for member in user.get("memberships") or []}
            listed = [row for row in listed if row["id"] in mine]
        return [row for row in listed if has_issues(row)]

    def row(self, name: str) -> Row:
        """Return the project with identifier `name`."""
        return _named(row_of(self._rest.get(f"projects/{name}.json", _WITH_MODULES), "project"))

    def identifiers(self) -> list[str]:
        """Return the identifiers: in the configured order, or the oldest first."""
        return list(self.names) or [row["identifier"] for row in self.rows()]

    def _listed(self) -> Iterator[Row]:
        params = {"status": _OPEN_OR_CLOSED, "sort": "created_on:asc", **_WITH_MODULES}
        found: dict[int, Row] = {}
        for rows in self._rest.listed("projects.json", "projects", params):
            found |= {row["id"]: row for row in rows}
        yield from found.values()


def has_issues(row: Row) -> bool:
    """Say whether issue tracking is switched on: without it the lists of the project answer 403."""
    modules = row.get("enabled_modules")
    if not isinstance(modules, list):
        return True  # older servers do not tell
    return any(isinstance(module, dict) and module.get("name") == _ISSUE_TRACKING for module in modules)


def _named(row: Row) -> Row:
    if type(row.get("identifier")) is not str:
        raise ContractError(f"project {row['id']} has no identifier")
    return row


def _project_id(member: Any) -> Any:
    project = member.get("project") if isinstance(member, dict) else None
    return project.get("id") if isinstance(project, dict) else None
