"""Identity: which entities of an account's systems are one thing, and where they disagree.

Explicit ids of the client's file first, then exact e-mail or domain; never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from syncd.engine.merge import merge
from syncd.engine.workspace import Workspace
from syncd.model.entities import Account, Contact, Entity, Opportunity, Project, User
from syncd.settings import AccountSettings, ProjectSettings
from syncd.store import Connection, links, records
from syncd.store.links import Conflict, Link

Found = TypeVar("Found", bound=Entity)
_KINDS: Final = {"project": ("Project",), "account": ("Account",), "opportunity": ("Opportunity",)}


@dataclass(slots=True)
class Roots:
    """The entities that a project's `from` entries name, and the entries whose record was not found."""

    projects: list[Project] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    opportunities: list[Opportunity] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)  # connection → what was not found


@dataclass(frozen=True, slots=True)
class Linked:
    """What linking an account changed."""

    account: str
    links_changed: int
    conflicts_changed: int


def roots(connection: Connection, project: ProjectSettings) -> Roots:
    """Find the entities that a project's file names."""
    found = Roots()
    for source in project.sources:
        for key, remote_id in source.targets.items():
            if key not in _KINDS:
                continue
            entity = records.find_entity(connection, source=source.connection, kinds=_KINDS[key], remote_id=remote_id)
            match entity:
                case Project():
                    found.projects.append(entity)
                case Account():
                    found.accounts.append(entity)
                case Opportunity():
                    found.opportunities.append(entity)
                case _:
                    found.missing.setdefault(source.connection, []).append(f"{key} {remote_id}")
            if entity is not None and entity.deleted_at is not None:
                found.missing.setdefault(source.connection, []).append(f"{key} {remote_id} (deleted there)")
    return found


def link(space: Workspace, account: AccountSettings) -> Linked:
    """Link the account's entities over its systems and note conflicts, in one transaction; writes only what changed."""
    with space.store.read() as connection:
        found_links: list[Link] = []
        found_conflicts: list[Conflict] = []
        for project in account.projects:
            root = roots(connection, project)
            groups: list[tuple[str, list[Entity], str]] = [
                (f"project:{project.name}", [*root.projects, *root.opportunities], "explicit"),
                (f"account:{account.id}", list(root.accounts), "explicit"),
            ]
            for canonical, group, how in groups:
                found_links += [Link(canonical[:128], e.entity_kind, e.id, how) for e in group]
                found_conflicts += _conflicts(space, canonical, group)
            found_links += _by_domain(connection, space, account, root)
            people_links, people_conflicts = _people(connection, space, account, root)
            found_links += people_links
            found_conflicts += people_conflicts
    at = space.now()
    with space.store.begin() as connection:
        return Linked(
            account.id,
            links.save_links(connection, account.id, _once(found_links), at=at),
            links.save_conflicts(connection, account.id, _once_each(found_conflicts), at=at),
        )


def _once(found: Iterable[Link]) -> list[Link]:
    return list({(link.canonical, link.entity): link for link in reversed(list(found))}.values())


def _once_each(found: Iterable[Conflict]) -> list[Conflict]:
    return list({(c.canonical, c.field, c.other_from): c for c in found}.values())


def owners_of(space: Workspace, kind: str) -> list[str]:
    """Return the connections whose word counts for a kind of entity, in order of precedence."""
    connections = space.config.service.connections
    return [name for name, settings in connections.items() if kind in settings.owns]


def _conflicts(space: Workspace, canonical: str, group: Sequence[Entity]) -> list[Conflict]:
    """Compare the entities of one kind among themselves."""
    found: list[Conflict] = []
    for kind in {entity.entity_kind for entity in group}:
        same = [entity for entity in group if entity.entity_kind == kind]
        found += merge(canonical[:128], same, owners_of(space, kind))[1]
    return found


def _by_domain(connection: Connection, space: Workspace, account: AccountSettings, root: Roots) -> list[Link]:
    """Link companies of the account's other systems that have exactly the same domain."""
    domains = {entity.domain for entity in root.accounts if entity.domain}
    known = {entity.id for entity in root.accounts}
    if not domains:
        return []
    companies = [
        company
        for source in space.sources_of(account)
        for company in cast("list[Account]", records.entities_of(connection, "Account", source=source))
    ]
    return [
        Link(f"account:{account.id}", "Account", company.id, "domain")
        for company in _live(companies)
        if company.domain in domains and company.id not in known
    ]


def _people(
    connection: Connection, space: Workspace, account: AccountSettings, root: Roots
) -> tuple[list[Link], list[Conflict]]:
    """Link people with exactly the same e-mail address: contacts of the account, and users of its systems."""
    by_address: dict[str, list[Contact | User]] = {}
    people_of_all: list[Contact | User] = [
        *contacts_of(connection, root),
        *users_of(connection, space.sources_of(account)),
    ]
    for person in people_of_all:
        if person.email and person.deleted_at is None:
            by_address.setdefault(person.email.strip().lower(), []).append(person)
    found_links: list[Link] = []
    found_conflicts: list[Conflict] = []
    for address, people in sorted(by_address.items()):
        if len(people) < 2 and not isinstance(people[0], Contact):
            continue
        canonical = f"person:{address}"[:128]
        found_links += [Link(canonical, person.entity_kind, person.id, "email") for person in people]
        found_conflicts += _conflicts(space, canonical, people)
    return found_links, found_conflicts


def contacts_of(connection: Connection, root: Roots) -> list[Contact]:
    """Return the live contacts of the companies that a project names."""
    found = [
        contact
        for company in root.accounts
        for contact in cast("list[Contact]", records.entities_of(connection, "Contact", account=company.id))
    ]
    return _live(found)


def users_of(connection: Connection, sources: Sequence[str]) -> list[User]:
    """Return the users of these connections."""
    return [
        user
        for source in sources
        for user in cast("list[User]", records.entities_of(connection, "User", source=source))
    ]


def _live(found: Iterable[Found]) -> list[Found]:
    return [entity for entity in found if entity.deleted_at is None]
