"""Who we are at Redmine, and what the key's user may not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.redmine.projects import Projects, has_issues
from connectors.redmine.rest import Rest, Row, row_of
from syncd.sdk import AuthError, ConnectorContext, ContractError, Identity

_CLOSED: Final = 5
# Permissions of a role, with their names on the page "Roles and permissions".
_NEEDED: Final[Mapping[str, str]] = {
    "view_issues": "View issues",
    "add_issue_notes": "Add notes, so that nothing can be commented",
    "edit_issues": "Edit issues, so that update_issue changes nothing",
}


def check(rest: Rest, projects: Projects, context: ConnectorContext) -> Identity:
    """Ask who we are, look at every configured project, and at the roles that we have there."""
    user, reply = rest.me({"include": "memberships"})
    rows: list[Row] = []
    missing: list[str] = []
    notes: list[str] = []
    for name in projects.names:
        try:
            rows.append(projects.row(name))
        except (AuthError, ContractError) as err:
            missing.append(f"{name}: it does not exist, is archived, or the user may not see it ({err.status})")
            continue
        missing += _missing(rows[-1])
        notes += _notes(rows[-1])
    if not user.get("admin"):
        missing += _rights(rest, user, rows)
        notes.append("not an administrator: users are the members of the projects, custom_fields cannot be read")
    return Identity(
        name=str(user.get("login") or user["id"]),
        tenant=", ".join(projects.names) or rest.url,
        missing=tuple(missing),
        clock_skew_seconds=(reply.date - context.now()).total_seconds() if reply.date else None,
        notes=tuple(notes),
    )


def _missing(row: Row) -> Iterator[str]:
    if not has_issues(row):
        yield f"{row['identifier']}: issue tracking is switched off, so that its lists cannot be read"


def _notes(row: Row) -> Iterator[str]:
    if row.get("status") == _CLOSED:
        yield f"{row['identifier']}: closed, so that nothing can be written"


def _rights(rest: Rest, user: Row, rows: list[Row]) -> Iterator[str]:
    """Yield what none of our roles in a project allows; each role is asked for once."""
    memberships = [member for member in user.get("memberships") or [] if isinstance(member, dict)]
    roles = {member["project"]["id"]: [role["id"] for role in member.get("roles") or []] for member in memberships}
    named = {row["id"]: row["identifier"] for row in rows}
    if not named:
        named = {member["project"]["id"]: member["project"].get("name", "?") for member in memberships}
    known: dict[int, frozenset[str]] = {}
    for project, name in named.items():
        if project not in roles:
            yield f"{name}: {user.get('login')} is not a member"
            continue
        for role in roles[project]:
            known.setdefault(role, _permissions(rest, role))
        allowed = frozenset[str]().union(*(known[role] for role in roles[project]))
        yield from (f"{name}: no role of ours has {label}" for key, label in _NEEDED.items() if key not in allowed)


def _permissions(rest: Rest, role: int) -> frozenset[str]:
    told: Any = row_of(rest.get(f"roles/{role}.json"), "role").get("permissions")
    return frozenset(told) if isinstance(told, list) else frozenset(_NEEDED)
