"""The demo's history: two clients lived through on the fakes' clocks, day by day, from `scenario.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from syncd import yamlfile

WEEKS: Final = 8
_MONDAY: Final = date(2026, 1, 12)
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_REPORT_HOUR: Final = time(16, 0)
_NOT_YET: Final = "-"
_STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "zh": {"start": "进行中", "waits": "待客户确认", "blocked": "阻塞", "done": "已完成", "dropped": "已取消"},
    "en": {
        "start": "In progress",
        "waits": "Waiting for client",
        "blocked": "Blocked",
        "done": "Done",
        "dropped": "Cancelled",
    },
}

Event = tuple[datetime, int, Callable[[], None]]


@dataclass(slots=True)
class Engagement:
    """One client's project, with the ids that the tools gave to it."""

    key: str
    project: str
    language: str
    company: str
    contacts: Sequence[Mapping[str, str]]
    team: Sequence[Mapping[str, str]]
    ids: dict[str, str] = field(default_factory=dict)


class Scenario:
    """Eight weeks of two engagements. `live_until` moves the fakes through everything up to a moment."""

    def __init__(self, pingcode: Any, zoho: Any) -> None:
        self._pingcode = pingcode
        self._zoho = zoho
        self._file = yamlfile.plain(yamlfile.load(Path(__file__).with_name("scenario.yaml")).data)
        self.engagements: list[Engagement] = []
        self._events = iter(sorted(self._tell(), key=lambda event: event[:2]))
        self._next: Event | None = next(self._events, None)

    def live_until(self, moment: datetime) -> int:
        """Let everything happen that happens before `moment`; return how many things did."""
        count = 0
        while self._next is not None and self._next[0] < moment:
            self._set_clocks(self._next[0])
            self._next[2]()
            self._next = next(self._events, None)
            count += 1
        self._set_clocks(moment)
        return count

    def _set_clocks(self, at: datetime) -> None:
        self._pingcode.set_clock(at)
        self._zoho.set_clock(at)

    # -- the story --------------------------------------------------------------------------------------------

    def _tell(self) -> Iterator[Event]:
        for number, told in enumerate(self._file["engagements"]):
            engagement = Engagement(
                told["key"], told["project"], told["language"], told["company"], told["contacts"], told["team"]
            )
            self.engagements.append(engagement)
            self._set_clocks(_at("1.1", time(8, number)))
            self._found(engagement, told)
            for row, milestone in enumerate(told["milestones"]):
                yield from self._milestone(engagement, milestone, time(8, 10 + row))
            for row, work in enumerate(told["works"]):
                yield from self._work(engagement, work, row)

    def _found(self, engagement: Engagement, told: Mapping[str, Any]) -> None:
        """Make the client in the CRM and the project in the project tool."""
        account = self._zoho.add_account(engagement.company, website=told["website"])
        for person in engagement.contacts:
            self._zoho.add_contact(
                person["last"],
                first_name=person["first"],
                email=person["email"],
                account=account,
                Title=person["title"],
            )
        deal = self._zoho.add_deal(f"{engagement.company} – {engagement.project}", account=account, stage="Closed Won")
        people = [self._pingcode.add_user(p["name"], email=p["email"], job=p["job"]) for p in engagement.team]
        project = self._pingcode.add_project(
            engagement.project,
            identifier=engagement.key,
            assignee=people[0],
            start=_MONDAY,
            end=_day("12.5"),
            language=engagement.language,
        )
        engagement.ids.update({"account": account, "deal": deal, "project": project})
        engagement.ids.update({f"person {number}": person for number, person in enumerate(people)})

    def _milestone(self, engagement: Engagement, told: Sequence[Any], born: time) -> Iterator[Event]:
        title, due, done, *rest = told
        key = f"milestone {title}"

        def make() -> None:
            engagement.ids[key] = self._pingcode.add_milestone(engagement.ids["project"], title, _day(due))

        yield _at("1.1", born), 0, make
        for day, new_due in rest[0] if rest else []:
            yield _at(day, time(11, 0)), 1, self._update(engagement, key, end_at=_day(new_due))
        if str(done) != _NOT_YET:
            yield _at(done, time(15, 0)), 1, self._enter(engagement, key, "done")

    def _work(self, engagement: Engagement, told: Sequence[Any], row: int) -> Iterator[Event]:
        title, hours, due, start, done, *rest = told
        turns: Mapping[str, Any] = rest[0] if rest else {}
        key, minute = f"work {title}", row % 60
        owner = engagement.ids[f"person {row % len(engagement.team)}"]

        def make() -> None:
            engagement.ids[key] = self._pingcode.add_work_item(
                engagement.ids["project"],
                title,
                type=turns.get("type", "任务"),
                end=_day(due),
                assignee=owner,
                estimated_workload=hours,
            )

        yield _at(turns.get("from", "1.1"), time(8, minute)), 0, make
        for turn, day in (
            ("start", start),
            ("done", done),
            *((t, turns[t]) for t in ("waits", "blocked", "dropped") if t in turns),
        ):
            if str(day) != _NOT_YET:
                yield _at(day, _HOURS[turn].replace(minute=minute)), 1, self._enter(engagement, key, turn)
        if "moved" in turns:
            day, new_due = turns["moved"]
            yield _at(day, time(11, minute)), 1, self._update(engagement, key, end_at=_day(new_due))

    def _enter(self, engagement: Engagement, key: str, turn: str) -> Callable[[], None]:
        return lambda: self._pingcode.set_state(engagement.ids[key], _STATES[engagement.language][turn])

    def _update(self, engagement: Engagement, key: str, **values: Any) -> Callable[[], None]:
        tenant = self._pingcode.tenant
        return lambda: tenant.update(tenant.work_items[engagement.ids[key]], **values)


_HOURS: Final = {"start": time(9), "waits": time(10), "blocked": time(12), "dropped": time(13), "done": time(14)}


def report_time(week: int) -> datetime:
    """Return the Friday afternoon of a week (1 to 8) on which the reports are due, aware UTC."""
    return datetime.combine(_day(f"{week}.5"), _REPORT_HOUR, _ZONE).astimezone(UTC)


def _day(told: Any) -> date:
    """Return the date of a day written as WEEK.WEEKDAY."""
    week, weekday = str(told).split(".")
    return _MONDAY + timedelta(weeks=int(week) - 1, days=int(weekday) - 1)


def _at(told: Any, hour: time) -> datetime:
    return datetime.combine(_day(told), hour, _ZONE).astimezone(UTC)
