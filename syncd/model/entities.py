"""Canonical objects: what every vendor's records become.

Units: `*_at` aware UTC datetime · `*_date` a date that never passes through a time zone · `*_hours` float ·
`percent_complete` 0–100 · `probability` 0–1 · money = `amount` (Decimal) + `currency` (ISO 4217) · `locale` BCP 47 ·
`timezone` IANA. None means "not known". A field that names another entity holds that entity's id.
"""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_NAMESPACE: Final = uuid.UUID("6f0d2c5e-6a0b-5c1e-9d4b-7d7b5d1a2c33")


def entity_id(connection: str, stream: str, remote_id: str) -> str:
    """Return the stable id of the entity made from one record: uuid5 over connection, stream and remote id."""
    return str(uuid.uuid5(_NAMESPACE, f"{connection}\x1f{stream}\x1f{remote_id}"))


# Many records refer to the same few users, projects and milestones; its own id a record needs but once.
referred_id: Final = lru_cache(maxsize=16_384)(entity_id)


class TaskStatus(StrEnum):
    TODO = "todo"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self not in (TaskStatus.DONE, TaskStatus.CANCELLED)


class ProjectStatus(StrEnum):
    PLANNED = "planned"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    DONE = "done"
    CANCELLED = "cancelled"


class MilestoneStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class RiskStatus(StrEnum):
    OPEN = "open"
    OCCURRED = "occurred"
    CLOSED = "closed"


class IssueStatus(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed"


class IssueKind(StrEnum):
    PROBLEM = "problem"
    COMPLAINT = "complaint"


class Holder(StrEnum):
    """Who holds the ball."""

    US = "us"
    CLIENT = "client"
    THIRD_PARTY = "third_party"


class Visibility(StrEnum):
    INTERNAL = "internal"
    CLIENT = "client"


class ContactRole(StrEnum):
    DECISION_MAKER = "decision_maker"
    SPONSOR = "sponsor"
    USER = "user"
    FINANCE = "finance"


class ChangeStatus(StrEnum):
    SUBMITTED = "submitted"
    ASSESSED = "assessed"
    AWAITING_CLIENT = "awaiting_client"
    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    WITHDRAWN = "withdrawn"
    IMPLEMENTED = "implemented"
    ACCEPTED = "accepted"


class DecisionStatus(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class FeedbackKind(StrEnum):
    COMPLAINT = "complaint"
    PRAISE = "praise"
    REQUEST = "request"
    SURVEY = "survey"


class ActivityKind(StrEnum):
    CALL = "call"
    EMAIL = "email"
    MEETING = "meeting"
    NOTE = "note"
    FOLLOW_UP = "follow_up"


class Ref(BaseModel):
    """Where an entity comes from: one record of one stream of one connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str
    stream: str
    remote_id: str


class Entity(BaseModel):
    """What every canonical object has; `id` is `entity_id` of `ref`, `remote_status` the vendor's word verbatim."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    entity_kind: ClassVar[str] = "Entity"

    id: str
    ref: Ref
    url: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None
    remote_status: str | None = None
    custom_fields: dict[str, Any] = Field(default_factory=dict)
    visibility: Visibility = Visibility.INTERNAL


class Account(Entity):
    """The client company."""

    entity_kind = "Account"
    name: str
    legal_name: str | None = None
    domain: str | None = None
    industry: str | None = None
    phone: str | None = None
    owner: str | None = None
    parent: str | None = None
    lifecycle_stage: str | None = None
    locale: str | None = None
    timezone: str | None = None


class Contact(Entity):
    """A person at the client."""

    entity_kind = "Contact"
    account: str | None = None
    full_name: str
    job_title: str | None = None
    email: str | None = None
    phone: str | None = None
    role: ContactRole | None = None
    preferred_channel: str | None = None
    locale: str | None = None
    timezone: str | None = None
    do_not_contact: bool = False


class User(Entity):
    """A person of ours."""

    entity_kind = "User"
    full_name: str
    email: str | None = None
    job_title: str | None = None
    active: bool = True


class Opportunity(Entity):
    """A deal in the CRM."""

    entity_kind = "Opportunity"
    account: str | None = None
    name: str
    stage: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    probability: float | None = Field(default=None, ge=0, le=1)
    close_date: date | None = None
    owner: str | None = None


class Goal(BaseModel):
    """What the client wants, how it is measured, and by when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    goal: str
    measure: str | None = None
    target_date: date | None = None


class Project(Entity):
    """Work for a client with an end."""

    entity_kind = "Project"
    account: str | None = None
    opportunity: str | None = None
    key: str | None = None
    name: str
    description: str | None = None
    goals: list[Goal] = Field(default_factory=list)
    manager: str | None = None
    status: ProjectStatus | None = None
    start_date: date | None = None
    baseline_due_date: date | None = None
    due_date: date | None = None
    completed_at: AwareDatetime | None = None
    percent_complete: float | None = Field(default=None, ge=0, le=100)
    budget_amount: Decimal | None = None
    currency: str | None = None


class Milestone(Entity):
    """A date that was promised. `baseline_due_date` is the first one ever seen, unless the vendor keeps one."""

    entity_kind = "Milestone"
    project: str | None = None
    name: str
    description: str | None = None
    owner: str | None = None
    status: MilestoneStatus = MilestoneStatus.OPEN
    baseline_due_date: date | None = None
    due_date: date | None = None
    completed_at: AwareDatetime | None = None
    acceptance_criteria: str | None = None
    accepted_by: str | None = None
    accepted_at: AwareDatetime | None = None


class Task(Entity):
    """A piece of work. `holder` says who holds the ball."""

    entity_kind = "Task"
    project: str | None = None
    milestone: str | None = None
    parent: str | None = None
    key: str | None = None
    title: str
    description: str | None = None
    type: str | None = None
    status: TaskStatus
    priority: str | None = None
    assignee: str | None = None
    reporter: str | None = None
    start_date: date | None = None
    due_date: date | None = None
    completed_at: AwareDatetime | None = None
    estimate_hours: float | None = None
    spent_hours: float | None = None
    percent_complete: float | None = Field(default=None, ge=0, le=100)
    labels: list[str] = Field(default_factory=list)
    holder: Holder | None = None


class Risk(Entity):
    """Something that may happen: cause, event, effect."""

    entity_kind = "Risk"
    project: str | None = None
    title: str
    cause: str | None = None
    effect: str | None = None
    probability: float | None = Field(default=None, ge=0, le=1)
    impact: str | None = None
    response: str | None = None
    mitigation_plan: str | None = None
    owner: str | None = None
    status: RiskStatus = RiskStatus.OPEN
    identified_at: AwareDatetime | None = None
    review_date: date | None = None


class Issue(Entity):
    """Something that has happened: a problem or a complaint."""

    entity_kind = "Issue"
    project: str | None = None
    title: str
    severity: str | None = None
    status: IssueStatus = IssueStatus.OPEN
    owner: str | None = None
    kind: IssueKind = IssueKind.PROBLEM
    opened_at: AwareDatetime | None = None
    due_date: date | None = None
    resolved_at: AwareDatetime | None = None
    resolution: str | None = None


class ChangeRequest(Entity):
    """A wish to change scope, date or cost, with an answer."""

    entity_kind = "ChangeRequest"
    project: str | None = None
    title: str
    reason: str | None = None
    requested_by: str | None = None
    status: ChangeStatus = ChangeStatus.SUBMITTED
    scope_impact: str | None = None
    schedule_impact_days: float | None = None
    cost_impact_amount: Decimal | None = None
    currency: str | None = None
    recommendation: str | None = None
    decided_by: str | None = None
    decided_at: AwareDatetime | None = None


class Decision(Entity):
    """A question to the client."""

    entity_kind = "Decision"
    project: str | None = None
    question: str
    options: list[str] = Field(default_factory=list)
    asked_of: str | None = None
    asked_at: AwareDatetime | None = None
    due_date: date | None = None
    status: DecisionStatus = DecisionStatus.OPEN
    answer: str | None = None
    answered_by: str | None = None
    answered_at: AwareDatetime | None = None


class Feedback(Entity):
    """What the client said of our work."""

    entity_kind = "Feedback"
    account: str | None = None
    contact: str | None = None
    project: str | None = None
    channel: str | None = None
    kind: FeedbackKind | None = None
    rating: float | None = None
    rating_scale: int | None = None
    body: str | None = None
    received_at: AwareDatetime | None = None
    status: str | None = None


class Activity(Entity):
    """A contact or a comment that took place, or a follow-up that should."""

    entity_kind = "Activity"
    account: str | None = None
    contacts: list[str] = Field(default_factory=list)
    project: str | None = None
    task: str | None = None
    owner: str | None = None
    kind: ActivityKind = ActivityKind.NOTE
    direction: str | None = None
    subject: str | None = None
    body: str | None = None
    occurred_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    outcome: str | None = None


ENTITIES: Final[dict[str, type[Entity]]] = {
    entity.entity_kind: entity
    for entity in (
        Account,
        Contact,
        User,
        Opportunity,
        Project,
        Milestone,
        Task,
        Risk,
        Issue,
        ChangeRequest,
        Decision,
        Feedback,
        Activity,
    )
}
