"""The communication record: the reconciled picture of one account's project for one period.

Every number in it is a claim whose sources are named in `claims`. "Days" are working days of the account's calendar.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from syncd.model.entities import Goal, Holder, MilestoneStatus, TaskStatus, Visibility


class Line(BaseModel):
    """Base of everything inside a record: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SENT = "sent"
    SUPERSEDED = "superseded"


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"  # older than the limit: shown grey, holds the send
    FAILED = "failed"  # the last read ended in an error
    NEVER = "never"  # never read


class SourceState(Line):
    """How complete one connection's data are. `data_as_of` is the start of the last read that ran to its end."""

    connection: str
    title: str
    data_as_of: AwareDatetime | None = None
    freshness: Freshness = Freshness.NEVER
    parked: int = 0
    note: str = ""


class Reason(StrEnum):
    """Why an item that the last delivered record promised is not done; the first that holds."""

    DELETED = "deleted"
    LEFT_PROJECT = "left_project"  # no longer among the project's tasks
    CANCELLED = "cancelled"
    WAITS_FOR_CLIENT = "waits_for_client"
    WAITS_FOR_THIRD_PARTY = "waits_for_third_party"
    BLOCKED = "blocked"
    MOVED = "moved"  # its due date is a later one now
    IN_PROGRESS = "in_progress"
    NOT_STARTED = "not_started"


class Show(Line):
    """What may leave, task by task: private by default, so an empty one lets only counts out.

    A task is chosen by type and label, by both when both are given; None means any, and `"*"` names any value,
    a missing one included. With neither given nothing is chosen. Of a chosen task only `fields` are shown.
    Audiences of our own see everything.
    """

    types: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ("title", "status", "due_date")

    def selects(self, type_: str | None, labels: Collection[str]) -> bool:
        """Whether a task of this type with these labels may be shown by itself."""
        if self.types is None and self.labels is None:
            return False
        by_type = self.types is None or "*" in self.types or type_ in self.types
        by_label = self.labels is None or "*" in self.labels or not set(self.labels).isdisjoint(labels)
        return by_type and by_label


class Item(Line):
    """One task as the record shows it. `owner` is a display name; `days_late` working days past `due_date`.

    `due_date` is the effective one: the task's own, else its milestone's. `was_due_date` is the date the last
    delivered record promised. `reason` is a word of `Reason`: why something planned was not done.
    """

    id: str
    key: str | None = None
    title: str
    url: str | None = None
    type: str | None = None
    labels: list[str] = Field(default_factory=list)
    status: TaskStatus
    remote_status: str | None = None
    owner: str | None = None
    holder: Holder | None = None
    milestone: str | None = None
    start_date: date | None = None
    due_date: date | None = None
    was_due_date: date | None = None
    completed_at: AwareDatetime | None = None
    days_late: int = 0
    age_days: int | None = None
    reason: Reason | None = None
    weight: float = 1.0
    visibility: Visibility = Visibility.INTERNAL


class Ask(Line):
    """Something that waits for the client: a decision, an approval, an answer.

    A task they hold has `is_task`, with the task's type and labels: it may be named to a client only as tasks may.
    """

    id: str
    question: str
    options: list[str] = Field(default_factory=list)
    asked_at: AwareDatetime | None = None
    due_date: date | None = None
    days_waiting: int | None = None
    blocks: int = 0
    url: str | None = None
    is_task: bool = False
    type: str | None = None
    labels: list[str] = Field(default_factory=list)
    visibility: Visibility = Visibility.CLIENT


class MilestoneLine(Line):
    """One milestone: the promise, the last report's date, the date now.

    `slip_days` is working days from baseline to the date now (to the completion day once it is done, to today while it
    is overdue), `slip_since_last` from the date in the last delivered record to the date now; None when either date is
    missing. `days_late` is working days past `due_date`, None unless the milestone is open and was due before today.
    """

    id: str
    name: str
    url: str | None = None
    status: MilestoneStatus
    baseline_due_date: date | None = None
    last_due_date: date | None = None
    due_date: date | None = None
    completed_date: date | None = None
    slip_days: int | None = None
    slip_since_last: int | None = None
    days_late: int | None = None
    done_count: int = 0
    total_count: int = 0


class Progress(Line):
    """Done and total by count and weight; `weight_unit` is "hours" if all counted tasks have an estimate, else "items".

    Cancelled tasks count neither as done nor in the total. `*_this_period` compares with the start of the period.
    """

    done_count: int = 0
    total_count: int = 0
    done_weight: float = 0.0
    total_weight: float = 0.0
    weight_unit: str = "items"
    done_this_period: int = 0
    done_weight_this_period: float = 0.0
    added_this_period: int = 0
    removed_this_period: int = 0
    by_status: dict[TaskStatus, int] = Field(default_factory=dict)


class DateMove(Line):
    """A date that differs from the last delivered record."""

    id: str
    name: str
    was: date | None = None
    now: date | None = None


class Correction(Line):
    """A number of the last delivered record that later data showed to be wrong; `what` is the claim's name."""

    what: str
    was: str
    now: str


class SinceLast(Line):
    """Differences to the last delivered record: what the client really received.

    `promised` counts the items of its `next` that were due before the day of `period_end`, `kept` those that are done.
    `*_before` are its own numbers.
    `is_quiet` says that nothing changed and no promise is open: two lines are enough.
    """

    number: int
    delivered_at: AwareDatetime
    milestone_moves: list[DateMove] = Field(default_factory=list)
    done: int = 0
    added: int = 0
    removed: int = 0
    newly_overdue: int = 0
    done_count_before: int = 0
    total_count_before: int = 0
    promised: int = 0
    kept: int = 0
    corrections: list[Correction] = Field(default_factory=list)
    is_quiet: bool = False


class Person(Line):
    """A key contact, theirs or ours."""

    name: str
    role: str | None = None
    email: str | None = None
    is_client: bool = True


class CommunicationRecord(Line):
    """The one thing that every source is normalised into.

    The period is [`period_start`, `period_end`), aware UTC; `next_end` ends the period that `next` plans for.
    Lists hold all lines, longest-waiting or soonest first; a rendering cuts them. `claims` maps a claim's name
    (`progress.done_count`) to the ids of the entities behind it. `content_hash` covers what is said, not when: all
    but id, number, author, state, `made_at` and the sources' `data_as_of`.
    """

    id: str
    account: str
    account_name: str
    project: str
    project_name: str
    goals: list[Goal] = Field(default_factory=list)
    number: int
    period_start: AwareDatetime
    period_end: AwareDatetime
    next_end: AwareDatetime
    timezone: str
    made_at: AwareDatetime
    author: str | None = None
    sources: list[SourceState] = Field(default_factory=list)
    needs_you: list[Ask] = Field(default_factory=list)
    progress: Progress = Field(default_factory=Progress)
    done: list[Item] = Field(default_factory=list)
    planned_not_done: list[Item] = Field(default_factory=list)
    in_progress: list[Item] = Field(default_factory=list)
    overdue: list[Item] = Field(default_factory=list)
    next: list[Item] = Field(default_factory=list)
    milestones: list[MilestoneLine] = Field(default_factory=list)
    key_contacts: list[Person] = Field(default_factory=list)
    since_last: SinceLast | None = None
    claims: dict[str, list[str]] = Field(default_factory=dict)
    state: RecordState = RecordState.DRAFT
    content_hash: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every source is fresh and nothing of it is parked."""
        return all(s.freshness is Freshness.FRESH and s.parked == 0 for s in self.sources)

    @property
    def holds(self) -> list[SourceState]:
        """The sources that forbid sending: stale, failed or never read."""
        return [s for s in self.sources if s.freshness is not Freshness.FRESH]


class Digest(Line):
    """One rendering of a record for one audience, language and channel, in every format that a channel may ask for.

    `body_html` is a whole mail document with inline CSS, `body_text` and `body_markdown` hold the same facts.
    `images` maps a content id to a PNG, base64. `content_hash` covers what the reader sees.
    """

    record: str
    audience: str
    locale: str
    subject: str
    preheader: str = ""
    body_text: str
    body_markdown: str
    body_html: str
    images: dict[str, str] = Field(default_factory=dict)
    is_quiet: bool = False
    content_hash: str
