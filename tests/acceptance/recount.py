"""A second count of a GitHub project on a past day, over the raw export, sharing no code with syncd or its connectors.

The rules, in this file's own words:

- A task is an issue or pull request created before the moment. Its key is its number.
- It is closed when the last of its events `closed`, `merged`, `reopened` before the moment is not `reopened`. GitHub's
  final state is the judge of that: it must come out of all events. `CLOSED_WITHOUT_EVENT` are the issues where it does
  not, since GitHub keeps no event of their closing; for them `closed_at` counts.
- It was finished at the first closing since it was last open. Events may stand a second (once 25 seconds) behind the
  `closed_at` of the same closing, so no moment asked for may lie that close to one: `Count` refuses it.
- A pull request is done when it is merged, cancelled when closed otherwise. An issue is done, unless it is closed as
  `not_planned` or `duplicate`; the export shows the reason of the last closing only, earlier ones count as done.
- An open pull request is in progress, an open issue todo, and either is blocked while it wears the label `BLOCKED`.
- It belongs to the milestone of its last `milestoned` that no `demilestoned` of the same milestone took back. Events
  name a milestone by its title of that day: `TITLES` lists all titles that each one has had.
- It is due when its milestone is; a milestone's due day is the first ten letters of `due_on`. The export does not tell
  of due days that were moved. An open milestone past its due day slips on with every working day, until it is reached;
  it is as many days late as lie between its due day and the day of the moment.
- A report promises what is open and due before the day of the next one. Of that, a later report answers for what was
  promised for a day before its own; on the rhythm that is all of it.
- Cancelled tasks are in no total. Overdue is what is open and was due before the client's day of the moment.
- Days are Monday to Friday without China's holidays, with its made-up weekends: `DAYS_OFF`, `MADE_UP`, as announced by
  the State Council for 2023 to 2025. The client's day is the one in China.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

BLOCKED = "next-meeting"
CLOSED_WITHOUT_EVENT = {978, 1109, 1180, 1262, 1428, 1447, 1501, 1509, 1590, 1601, 1780}
TITLES = {
    1: ["initial release", "initial release (1.0.0-rc.1)", "stable release (1.0.0-rc.1)"],
    2: ["initial release (0.x)"],
    3: ["0.3.0"],
    4: ["0.3.1 (or 0.4.0)", "0.3.2 (or 0.4.0)", "0.3.3 (or 0.4.0)", "0.4.0"],
    5: ["0.4.1 or 0.5.0", "0.4.1"],
    6: ["0.5.0", "0.6.0"],
    8: ["0.6.1", "0.7.0"],
    9: ["0.7.1"],
    10: ["0.7.2", "0.8.0"],
    11: ["next breaking release"],
    13: ["0.8.1"],
}
# 2023, 2024, 2025: what falls on Monday to Friday, and the Saturdays and Sundays worked in exchange.
DAYS_OFF = """
    2023-01-02 2023-01-23 2023-01-24 2023-01-25 2023-01-26 2023-01-27 2023-04-05 2023-05-01 2023-05-02 2023-05-03
    2023-06-22 2023-06-23 2023-09-29 2023-10-02 2023-10-03 2023-10-04 2023-10-05 2023-10-06
    2024-01-01 2024-02-12 2024-02-13 2024-02-14 2024-02-15 2024-02-16 2024-04-04 2024-04-05 2024-05-01 2024-05-02
    2024-05-03 2024-06-10 2024-09-16 2024-09-17 2024-10-01 2024-10-02 2024-10-03 2024-10-04 2024-10-07
    2025-01-01 2025-01-28 2025-01-29 2025-01-30 2025-01-31 2025-02-03 2025-02-04 2025-04-04 2025-05-01 2025-05-02
    2025-05-05 2025-06-02 2025-10-01 2025-10-02 2025-10-03 2025-10-06 2025-10-07 2025-10-08
"""
MADE_UP = """
    2023-01-28 2023-01-29 2023-04-23 2023-05-06 2023-06-25 2023-10-07 2023-10-08
    2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12
    2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11
"""
_CLOSINGS = ("closed", "merged")


def working_days(start: date, end: date) -> int:
    """Count the working days after `start` up to and including `end`; negative when `end` comes first."""
    if end < start:
        return -working_days(end, start)
    days = (start + timedelta(days=n) for n in range(1, (end - start).days + 1))
    return sum(str(day) in MADE_UP or (day.weekday() < 5 and str(day) not in DAYS_OFF) for day in days)


def china(moment: str | datetime) -> date:
    """Return the day in China."""
    return ((datetime.fromisoformat(moment) if isinstance(moment, str) else moment) + timedelta(hours=8)).date()


class Export:
    """The raw files."""

    def __init__(self, folder: Path) -> None:
        self.issues: dict[int, Any] = {row["number"]: row for row in _lines(folder / "issues.jsonl.gz")}
        self.milestones = json.loads((folder / "milestones.json").read_text("utf-8"))
        self.comments = [row["created_at"] for row in _lines(folder / "comments.jsonl.gz")]
        self.events: dict[int, list[Any]] = defaultdict(list)
        for event in _lines(folder / "events.jsonl.gz"):
            self.events[event["issue_number"]].append(event)

    def closed_without_event(self) -> set[int]:
        """Return the tasks that are closed although no event says so, or open although one does."""
        return {
            n for n, row in self.issues.items() if (_last_turn(self.events[n]) == "open") != (row["state"] == "open")
        }


def _lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _last_turn(events: list[Any]) -> str:
    turns = [event["event"] for event in events if event["event"] in (*_CLOSINGS, "reopened")]
    return "closed" if turns and turns[-1] in _CLOSINGS else "open"


@dataclass
class Count:
    """The project just before `at` (aware)."""

    export: Export
    at: datetime

    def __post_init__(self) -> None:
        turns = [e for events in self.export.events.values() for e in events if e["event"] in (*_CLOSINGS, "reopened")]
        near = [e for e in turns if abs(datetime.fromisoformat(e["created_at"]) - self.at) < timedelta(minutes=1)]
        assert not near, f"{self.at} is too close to a closing or reopening: {near[0]['issue_number']}"

    @cached_property
    def states(self) -> dict[int, str]:
        """State by number."""
        return {n: self._state(n, row) for n, row in self.export.issues.items() if row["created_at"] < self._stamp}

    @cached_property
    def due(self) -> dict[int, date]:
        """Due day by number, of the open tasks that have one."""
        days = {m["number"]: m["due_on"] for m in self.export.milestones}
        numbers = {n: self.milestone_of(n) for n in self.open}
        return {n: date.fromisoformat(days[m][:10]) for n, m in numbers.items() if m is not None and days[m]}

    @property
    def comments(self) -> int:
        """How many comments there were."""
        return sum(created_at < self._stamp for created_at in self.export.comments)

    @property
    def open(self) -> set[int]:
        """Numbers of what is to be done."""
        return {n for n, state in self.states.items() if state in ("todo", "in_progress", "blocked")}

    @property
    def counted(self) -> set[int]:
        """Numbers of what is in the totals."""
        return {n for n, state in self.states.items() if state != "cancelled"}

    @property
    def overdue(self) -> dict[int, int]:
        """Working days late by number."""
        today = china(self.at)
        return {n: working_days(due, today) for n, due in self.due.items() if due < today}

    def in_state(self, state: str) -> set[int]:
        """Numbers in that state."""
        return {n for n, is_ in self.states.items() if is_ == state}

    def done_since(self, start: datetime) -> set[int]:
        """Numbers of what is done and was finished at `start` or later."""
        return {n for n in self.in_state("done") if datetime.fromisoformat(self._closed_at(n) or "") >= start}

    def removed_since(self, start: datetime) -> set[int]:
        """Numbers of what was cancelled at `start` or later."""
        return {n for n in self.in_state("cancelled") if datetime.fromisoformat(self._closed_at(n) or "") >= start}

    def added_since(self, start: datetime) -> set[int]:
        """Numbers of what is in the totals and was created at `start` or later."""
        return {n for n in self.counted if datetime.fromisoformat(self.export.issues[n]["created_at"]) >= start}

    def promised(self, until: date) -> set[int]:
        """Numbers of what is open and due before `until`, overdue included."""
        return {n for n, due in self.due.items() if due < until}

    def milestones(self) -> dict[int, dict[str, Any]]:
        """Baseline, day now or day of closing, slip and counts, by milestone number."""
        return {m["number"]: self._milestone(m) for m in self.export.milestones if m["created_at"] < self._stamp}

    def milestone_of(self, number: int) -> int | None:
        """Return the milestone that a task is under."""
        held: int | None = None
        for event in self._past(number, "milestoned", "demilestoned"):
            named = next(n for n, titles in TITLES.items() if event["milestone"]["title"] in titles)
            if event["event"] == "milestoned":
                held = named
            elif held == named:
                held = None
        return held

    @property
    def _stamp(self) -> str:
        return self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _past(self, number: int, *kinds: str) -> list[Any]:
        events = self.export.events[number]
        return [event for event in events if event["event"] in kinds and event["created_at"] < self._stamp]

    def _closed_at(self, number: int) -> str | None:
        if number in CLOSED_WITHOUT_EVENT:
            closed_at: str = self.export.issues[number]["closed_at"]
            return closed_at if closed_at < self._stamp else None
        closings: list[str] = []
        for event in self._past(number, *_CLOSINGS, "reopened"):
            closings = [] if event["event"] == "reopened" else [*closings, event["created_at"]]
        return closings[0] if closings else None

    def _state(self, number: int, row: Any) -> str:
        if self._closed_at(number) is None:
            worn = {e["label"]["name"]: e["event"] == "labeled" for e in self._past(number, "labeled", "unlabeled")}
            return "blocked" if worn.get(BLOCKED) else "in_progress" if "pull_request" in row else "todo"
        if "pull_request" in row:
            return "done" if self._past(number, "merged") else "cancelled"
        turns = [e for e in self.export.events[number] if e["event"] in (*_CLOSINGS, "reopened")]
        is_last_closing = len(self._past(number, *_CLOSINGS, "reopened")) == len(turns)
        return "cancelled" if is_last_closing and row["state_reason"] in ("not_planned", "duplicate") else "done"

    def _milestone(self, row: Any) -> dict[str, Any]:
        due = date.fromisoformat(row["due_on"][:10]) if row["due_on"] else None
        closed = china(row["closed_at"]) if row["closed_at"] and row["closed_at"] < self._stamp else None
        today = china(self.at)
        is_late = closed is None and due is not None and due < today
        now, until = closed or due, today if is_late else closed or due
        states = [self.states[n] for n in self.counted if self.milestone_of(n) == row["number"]]
        return {
            "name": row["title"],
            "baseline": due,
            "now": now,
            "is_done": closed is not None,
            "slip": working_days(due, until) if due and until else None,
            "late": working_days(due, today) if due and is_late else None,
            "done": states.count("done"),
            "total": len(states),
        }
