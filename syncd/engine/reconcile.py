"""Reconcile: the entities of one account become the facts of each project's communication record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from syncd.engine.completeness import source_states
from syncd.engine.identity import Roots, contacts_of, owners_of, roots, users_of
from syncd.engine.merge import merge
from syncd.engine.workspace import Workspace
from syncd.model.communication import CommunicationRecord, Person, Show
from syncd.model.entities import (
    ChangeRequest,
    ChangeStatus,
    Contact,
    Decision,
    Goal,
    Holder,
    Milestone,
    Task,
    User,
)
from syncd.report import asof
from syncd.report.calendar import WorkingCalendar
from syncd.report.facts import ProjectFacts
from syncd.settings import AccountSettings, ProjectSettings
from syncd.store import Connection, records


@dataclass(frozen=True, slots=True)
class Frame:
    """The period that facts are gathered for, and what came before; `now` is when it is looked at."""

    period_start: datetime
    period_end: datetime
    next_end: datetime
    now: datetime
    number: int = 1
    previous: CommunicationRecord | None = None
    previous_delivered_at: datetime | None = None


def gather(space: Workspace, account: AccountSettings, project: ProjectSettings, frame: Frame) -> ProjectFacts:
    """Return the facts of a project as they stood at the end of the period, from the recorded history."""
    with space.store.read() as connection:
        root = roots(connection, project)
        work = _work(connection, root, frame.period_end)
        contacts = contacts_of(connection, root)
        sources = space.sources_of(account)
        users = users_of(connection, sources)
        states = source_states(space, connection, project, root, frame.now)
        baselines = _baselines(connection, work.milestones)
        held_since = _held_since(connection, work)
    people: dict[str, str] = {user.id: user.full_name for user in users}
    people.update({contact.id: contact.full_name for contact in contacts})
    return ProjectFacts(
        account=account.id,
        account_name=account.account,
        project=project.name,
        project_name=project.name,
        goals=[Goal(goal=g.goal, measure=g.measure, target_date=g.target_date) for g in project.goals],
        tasks=work.tasks,
        milestones=work.milestones,
        decisions=work.decisions,
        change_requests=work.change_requests,
        people=people,
        key_contacts=_key_contacts(space, account, contacts, users),
        sources=states,
        author=account.author,
        period_start=frame.period_start,
        period_end=frame.period_end,
        next_end=frame.next_end,
        now=frame.now,
        timezone=account.zone,
        number=frame.number,
        previous=frame.previous,
        previous_delivered_at=frame.previous_delivered_at,
        baselines=baselines,
        calendar=calendar_of(account),
        show=show_of(account),
        held_since=held_since,
    )


@dataclass(slots=True)
class _Work:
    tasks: list[Task]
    milestones: list[Milestone]
    decisions: list[Decision]
    change_requests: list[ChangeRequest]


def _work(connection: Connection, root: Roots, as_of: datetime) -> _Work:
    def of(kind: str) -> list[Any]:
        return [e for project in root.projects for e in records.entities_of(connection, kind, project=project.id)]

    def past(kind: str) -> list[Any]:
        return [e for project in root.projects for e in _rewound(connection, kind, project.id, as_of)]

    return _Work(past("Task"), past("Milestone"), of("Decision"), of("ChangeRequest"))


def _rewound(connection: Connection, kind: str, project: str, as_of: datetime) -> list[Any]:
    """Return what was in the project just before `as_of`, as it was then."""
    here = records.entities_of(connection, kind, project=project)
    left = records.moved_from(connection, kind, project, since=as_of)
    now: dict[str, Any] = {entity.id: entity for entity in [*here, *left]}
    history = records.changes_of(connection, list(now), since=as_of)
    past = []
    for entity in now.values():
        changes = [(name, _value(old), _value(new), at) for name, old, new, at in history.get(entity.id, [])]
        past.append(asof.rewind(entity, as_of, changes))
    return [entity for entity in past if entity is not None and entity.project == project]


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _baselines(connection: Connection, milestones: Sequence[Milestone]) -> dict[str, date]:
    """Return the first due date ever seen of each milestone."""
    history = records.changes_of(connection, [milestone.id for milestone in milestones], field="due_date")
    first: dict[str, date] = {}
    for milestone in milestones:
        dates = [_value(old) for _, old, _, _ in reversed(history.get(milestone.id, []))]
        earliest = next((date.fromisoformat(text) for text in dates if text), milestone.due_date)
        if earliest is not None:
            first[milestone.id] = earliest
    return first


def _held_since(connection: Connection, work: _Work) -> dict[str, datetime]:
    """Return when the ball came to the client, for what waits for them now, as far as it was seen coming."""
    tasks = [task.id for task in work.tasks if task.holder is Holder.CLIENT]
    changes = [change.id for change in work.change_requests if change.status is ChangeStatus.AWAITING_CLIENT]
    history = {
        **records.changes_of(connection, tasks, field="holder"),
        **records.changes_of(connection, changes, field="status"),
    }
    return {entity: newest[0][3] for entity, newest in history.items()}


def _key_contacts(
    space: Workspace, account: AccountSettings, contacts: Sequence[Contact], users: Sequence[User]
) -> list[Person]:
    """Return the people whom the client's file names, with what the systems know of them, field by field."""
    found: dict[str, Person] = {}
    for audience in account.audiences.values():
        for address in audience.addresses:
            known = {**_merged(space, users, address), **_merged(space, contacts, address)}
            is_client = address in audience.contacts
            person = Person(
                name=known.get("full_name", address), role=known.get("job_title"), email=address, is_client=is_client
            )
            found.setdefault(address.casefold(), person)
    return list(found.values())


def _merged(space: Workspace, people: Sequence[Contact] | Sequence[User], address: str) -> dict[str, Any]:
    """Return the fields of the person with that address; where systems differ, the owner's value wins."""
    same = [person for person in people if (person.email or "").strip().casefold() == address.casefold()]
    return merge(address, same, owners_of(space, same[0].entity_kind))[0] if same else {}


def calendar_of(account: AccountSettings) -> WorkingCalendar:
    """Return the working days that both sides of an account share."""
    return WorkingCalendar(account.calendars.countries, account.calendars.closed)


def show_of(account: AccountSettings) -> Show:
    """Return what may leave to the client, item by item."""
    tasks = account.show.tasks
    if tasks is None:
        return Show()
    return Show(
        types=tuple(tasks.types) if tasks.types is not None else None,
        labels=tuple(tasks.labels) if tasks.labels is not None else None,
        fields=tuple(tasks.fields),
    )
