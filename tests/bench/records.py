"""What the bench server serves: GitHub-shaped issues of about 3.9 KB, the same for the same number every time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2026, 6, 1, tzinfo=UTC)
API: Final = "https://api.github.com"
_PEOPLE: Final = 400
_MILESTONES: Final = 25
_LABELS: Final = ("bug", "docs", "blocked", "feature", "needs info", "good first issue")
_NOUNS: Final = (
    "login page", "invoice export", "order list", "search index", "nightly import", "contact form", "audit log",
    "mobile menu", "payment callback", "report template", "password reset", "staging database",
)  # fmt: skip
_CLAUSES: Final = (
    "shows an empty state after the session has run out",
    "takes more than eight seconds for a client with many orders",
    "should keep the filter when one goes back to the list",
    "loses the umlaut in the name of the company",
    "needs a confirmation before anything is deleted",
    "sends the same mail twice when the button is pressed twice",
    "rounds the amount before the tax is added",
    "must be readable on a small screen",
)


def stamp(at: datetime) -> str:
    """Write a time as GitHub does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def updated_at(index: int, count: int) -> datetime:
    """Return when record `index` of `count` was changed last: evenly spread, whole seconds, in the order of numbers."""
    return FIRST + timedelta(seconds=int((LAST - FIRST).total_seconds() * index / count))


def repository() -> dict[str, Any]:
    """Return the one repository."""
    return {
        "id": 1296269,
        "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
        "name": "app",
        "full_name": "acme/app",
        "owner": user(7),
        "private": False,
        "html_url": "https://github.com/acme/app",
        "description": "The customer portal",
        "url": f"{API}/repos/acme/app",
        "archived": False,
        "has_issues": True,
        "created_at": stamp(FIRST),
        "updated_at": stamp(LAST),
    }


def users() -> list[dict[str, Any]]:
    """Return who can be assigned."""
    return [user(number) for number in range(50)]


def labels() -> list[dict[str, Any]]:
    """Return the repository's labels."""
    return [_label(name) for name in _LABELS]


def milestones() -> list[dict[str, Any]]:
    """Return the repository's milestones."""
    return [milestone(number) for number in range(1, _MILESTONES + 1)]


def user(number: int) -> dict[str, Any]:
    """Return a user as GitHub puts one into every issue."""
    login = f"developer-{number}"
    own = f"{API}/users/{login}"
    return {
        "login": login,
        "id": 1_000_000 + number,
        "node_id": f"MDQ6VXNlcjEwMDAwMDA{number:04}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{1_000_000 + number}?v=4",
        "gravatar_id": "",
        "url": own,
        "html_url": f"https://github.com/{login}",
        "followers_url": f"{own}/followers",
        "following_url": f"{own}/following{{/other_user}}",
        "gists_url": f"{own}/gists{{/gist_id}}",
        "starred_url": f"{own}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{own}/subscriptions",
        "organizations_url": f"{own}/orgs",
        "repos_url": f"{own}/repos",
        "events_url": f"{own}/events{{/privacy}}",
        "received_events_url": f"{own}/received_events",
        "type": "User",
        "user_view_type": "public",
        "site_admin": False,
    }


def milestone(number: int) -> dict[str, Any]:
    """Return a milestone as GitHub lists it, and puts it into an issue."""
    own = f"{API}/repos/acme/app/milestones/{number}"
    return {
        "url": own,
        "html_url": f"https://github.com/acme/app/milestone/{number}",
        "labels_url": f"{own}/labels",
        "id": 5_000_000 + number,
        "node_id": f"MI_kwDOABPHjc4A{number:04}",
        "number": number,
        "title": f"Release {number}",
        "description": f"Everything that the client accepts with release {number}",
        "creator": user(number),
        "open_issues": number,
        "closed_issues": 3 * number,
        "state": "open",
        "created_at": stamp(FIRST),
        "updated_at": stamp(FIRST + timedelta(days=number)),
        "due_on": stamp(LAST + timedelta(days=14 * number)),
        "closed_at": None,
    }


def _label(name: str) -> dict[str, Any]:
    number = 300_000_000 + _LABELS.index(name)
    return {
        "id": number,
        "node_id": f"LA_kwDOABPHjc8{number}",
        "url": f"{API}/repos/acme/app/labels/{name.replace(' ', '%20')}",
        "name": name,
        "color": "d73a4a",
        "default": False,
        "description": f"Marks what is {name} for whoever looks at the list",
    }


def issue(index: int, count: int) -> bytes:
    """Return issue `index` of `count` as JSON."""
    rng = random.Random(index)
    number = index + 1
    own = f"{API}/repos/acme/app/issues/{number}"
    changed = updated_at(index, count)
    is_closed = rng.random() < 0.6
    assignee = user(rng.randrange(_PEOPLE)) if rng.random() < 0.3 else None
    return msgspec.json.encode(
        {
            "url": own,
            "repository_url": f"{API}/repos/acme/app",
            "labels_url": f"{own}/labels{{/name}}",
            "comments_url": f"{own}/comments",
            "events_url": f"{own}/events",
            "html_url": f"https://github.com/acme/app/issues/{number}",
            "id": 2_000_000_000 + index,
            "node_id": f"I_kwDOABPHjc{2_000_000_000 + index}",
            "number": number,
            "title": _sentence(rng),
            "user": user(rng.randrange(_PEOPLE)),
            "labels": [_label(name) for name in rng.sample(_LABELS, rng.randrange(4))],
            "state": "closed" if is_closed else "open",
            "locked": False,
            "assignee": assignee,
            "assignees": [assignee] if assignee else [],
            "milestone": milestone(rng.randint(1, _MILESTONES)) if rng.random() < 0.2 else None,
            "comments": 0,
            "created_at": stamp(changed - timedelta(days=rng.randrange(1, 60))),
            "updated_at": stamp(changed),
            "closed_at": stamp(changed) if is_closed else None,
            "author_association": "CONTRIBUTOR",
            "active_lock_reason": None,
            "body": "\r\n".join(_sentence(rng) for _ in range(rng.randint(1, 6))) + "\r\n客户待确认 – “ok” ✓",
            "closed_by": None,
            "reactions": _reactions(own),
            "timeline_url": f"{own}/timeline",
            "performed_via_github_app": None,
            "state_reason": "completed" if is_closed else None,
        }
    )


def _sentence(rng: random.Random) -> str:
    return f"The {rng.choice(_NOUNS)} {rng.choice(_CLAUSES)}, and the {rng.choice(_NOUNS)} {rng.choice(_CLAUSES)}"


def _reactions(own: str) -> dict[str, Any]:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{own}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}
