"""Who we are at GitHub, and what the token may not do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.github.rest import Rest, Row, calls_left
from syncd.sdk import AuthError, ConnectorContext, ContractError, Identity, Reply

_FOR_PRIVATE = "repo"
_FOR_PUBLIC = "public_repo"


def check(rest: Rest, names: Sequence[str], context: ConnectorContext) -> Identity:
    """Ask who we are and look at every repository; AuthError when the token is not valid."""
    login, reply = _login(rest)
    scopes = _scopes(reply)
    missing: list[str] = []
    notes: list[str] = []
    for name in names:
        try:
            reply = rest.get(f"repos/{name}")
        except (AuthError, ContractError) as err:
            missing.append(f"{name}: it does not exist, or the token may not see it ({err.status})")
            continue
        missing += _missing(name, reply.json, scopes)
        notes += _notes(name, reply.json)
    if scopes is None:
        notes.append("GitHub does not tell the rights of this token; to comment it needs `Issues: write`")
    return Identity(
        name=login,
        tenant=", ".join(names),
        missing=tuple(missing),
        clock_skew_seconds=(reply.date - context.now()).total_seconds() if reply and reply.date else None,
        quota_left=calls_left(reply) if reply else None,
        notes=tuple(notes),
    )


def _login(rest: Rest) -> tuple[str, Reply | None]:
    try:
        reply = rest.get("user")
    except AuthError as err:
        if err.status == 403:  # the token of an app's installation is nobody's
            return "an app's installation", None
        raise
    return str((reply.json or {}).get("login") or "a token without a login"), reply


def _scopes(reply: Reply | None) -> frozenset[str] | None:
    """Return the scopes of a classic token, None for tokens that GitHub does not tell them of."""
    value = reply.headers.get("x-oauth-scopes") if reply else None
    return None if value is None else frozenset(scope.strip() for scope in value.split(",") if scope.strip())


def _missing(name: str, repository: Row, scopes: frozenset[str] | None) -> Iterator[str]:
    if repository.get("has_issues") is False:
        yield f"{name}: issues are switched off, so that its lists cannot be read"
    if repository.get("archived") is True:
        yield f"{name}: archived, so that nothing can be written"
    needed = (_FOR_PRIVATE,) if repository.get("private") else (_FOR_PRIVATE, _FOR_PUBLIC)
    if scopes is not None and not scopes.intersection(needed):
        yield f"{name}: the token's scope {' or '.join(needed)} is missing, so that nothing can be written"


def _notes(name: str, repository: Row) -> Iterator[str]:
    if str(repository.get("full_name", name)).lower() != name.lower():
        yield f"{name} is now {repository['full_name']}: write the new name under config.repositories"
    if (repository.get("permissions") or {}).get("push") is False:
        yield f"{name}: no push right, so that update_issue cannot set labels, assignees or a milestone"
