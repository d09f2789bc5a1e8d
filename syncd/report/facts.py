"""What a communication record is built from: one project's entities and the frame around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from syncd.model.communication import CommunicationRecord, Person, Show, SourceState
from syncd.model.entities import ChangeRequest, Decision, Goal, Milestone, Task
from syncd.report.calendar import WorkingCalendar


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """Everything `record.build` may look at; it reads no clock and no store.

    `account` and `project` are ids or slugs, `*_name` what people read. `tasks` and `milestones` may hold deleted
    ones. `people` maps the id of a User or Contact to a display name. The period is [`period_start`, `period_end`);
    `next_end` ends the one that `next` plans for. `previous` is the last record that was really delivered, at
    `previous_delivered_at`. `baselines` maps a milestone's id to the first due date ever seen. `held_since` maps the
    id of something that waits for the client (task or change request) to the time the ball came to them.
    """

    account: str
    account_name: str
    project: str
    project_name: str
    goals: Sequence[Goal]
    tasks: Sequence[Task]
    milestones: Sequence[Milestone]
    decisions: Sequence[Decision]
    change_requests: Sequence[ChangeRequest]
    people: Mapping[str, str]
    key_contacts: Sequence[Person]
    sources: Sequence[SourceState]
    author: str | None
    period_start: datetime
    period_end: datetime
    next_end: datetime
    now: datetime
    timezone: ZoneInfo
    number: int
    previous: CommunicationRecord | None
    previous_delivered_at: datetime | None
    baselines: Mapping[str, date]
    calendar: WorkingCalendar
    show: Show
    held_since: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The account's date at `now`."""
        return self.day(self.now)

    def day(self, moment: datetime) -> date:
        """Return the account's date at this moment."""
        return moment.astimezone(self.timezone).date()
