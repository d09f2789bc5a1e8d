"""The project at the end of the period, and its entities as lines of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from syncd.model.communication import Item, MilestoneLine
from syncd.model.entities import Holder, Milestone, MilestoneStatus, Task, TaskStatus, Visibility
from syncd.report import metrics
from syncd.report.asof import rewind
from syncd.report.facts import ProjectFacts


@dataclass(frozen=True, slots=True)
class Picture:
    """Tasks by id, deleted and cancelled ones included; milestones by id, standing ones only."""

    facts: ProjectFacts
    tasks: Mapping[str, Task]
    milestones: Mapping[str, Milestone]
    weight_unit: str

    @classmethod
    def at_period_end(cls, facts: ProjectFacts) -> Picture:
        """Return the project as far as it is known to have stood when the period ended."""
        tasks = {t.id: t for task in facts.tasks if (t := rewind(task, facts.period_end)) is not None}
        milestones = [m for milestone in facts.milestones if (m := rewind(milestone, facts.period_end)) is not None]
        counted = [task for task in tasks.values() if metrics.is_counted(task)]
        return cls(facts, tasks, metrics.standing(milestones), metrics.weight_unit(counted))

    @property
    def promised(self) -> list[Item]:
        """What the last delivered record put into `next` for a day before the period's last: what is due by now."""
        day = self.facts.day(self.facts.period_end)
        announced = self.facts.previous.next if self.facts.previous else []
        return [item for item in announced if item.due_date is not None and item.due_date < day]

    def due_date(self, task: Task) -> date | None:
        """Return the task's effective due date."""
        return metrics.due_date(task, self.milestones, self.facts.baselines)

    def is_overdue(self, task: Task) -> bool:
        """Return whether the task is open and was due before today."""
        due = self.due_date(task)
        return metrics.is_open(task) and due is not None and due < self.facts.today

    def item(self, task: Task) -> Item:
        """Return the task as a line; names instead of ids."""
        due, is_open = self.due_date(task), metrics.is_open(task)
        milestone = self.milestones.get(task.milestone or "")
        return Item(
            id=task.id,
            key=task.key,
            title=task.title,
            url=task.url,
            type=task.type,
            labels=task.labels,
            status=task.status,
            remote_status=task.remote_status,
            owner=self.facts.people.get(task.assignee or ""),
            holder=(task.holder or Holder.US) if is_open else None,
            milestone=milestone.name if milestone else None,
            start_date=task.start_date,
            due_date=due,
            completed_at=task.completed_at,
            days_late=self._days_late(task),
            age_days=self._age_days(task),
            weight=metrics.weight(task, self.weight_unit),
            visibility=self._visibility(task),
        )

    def milestone_line(self, milestone: Milestone, last: MilestoneLine | None) -> MilestoneLine:
        """Return the milestone as a line, beside `last`, its line in the last delivered record."""
        completed = self._completed_date(milestone)
        baseline = metrics.baseline(milestone, self.facts.baselines)
        now, before = completed or milestone.due_date, (last.completed_date or last.due_date) if last else None
        late_since = now if now and milestone.status is MilestoneStatus.OPEN and now < self.facts.today else None
        tasks = [t for t in self.tasks.values() if t.milestone == milestone.id and metrics.is_counted(t)]
        return MilestoneLine(
            id=milestone.id,
            name=milestone.name,
            url=milestone.url,
            status=milestone.status,
            baseline_due_date=baseline,
            last_due_date=before,
            due_date=milestone.due_date,
            completed_date=completed,
            slip_days=self._slip(baseline, self.facts.today if late_since else now),
            slip_since_last=self._slip(before, now),
            days_late=self._slip(late_since, self.facts.today),
            done_count=sum(task.status is TaskStatus.DONE for task in tasks),
            total_count=len(tasks),
        )

    def _days_late(self, task: Task) -> int:
        due = self.due_date(task)
        return self.facts.calendar.days_between(due, self.facts.today) if due and self.is_overdue(task) else 0

    def _age_days(self, task: Task) -> int | None:
        if task.start_date is None or not metrics.is_open(task) or task.start_date > self.facts.today:
            return None
        return self.facts.calendar.days_between(task.start_date, self.facts.today)

    def _visibility(self, task: Task) -> Visibility:
        may_leave = self.facts.show.selects(task.type, task.labels)
        return Visibility.CLIENT if may_leave else Visibility.INTERNAL

    def _completed_date(self, milestone: Milestone) -> date | None:
        if milestone.status is not MilestoneStatus.DONE or milestone.completed_at is None:
            return None
        return self.facts.day(milestone.completed_at)

    def _slip(self, start: date | None, end: date | None) -> int | None:
        return self.facts.calendar.days_between(start, end) if start and end else None
