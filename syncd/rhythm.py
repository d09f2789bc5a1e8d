"""When something is due: the rhythms of a communication plan, and their slots in a time zone.

The rule at clock changes: a wall time that is skipped counts as the first valid minute after it, a wall time that
comes twice counts once, the first time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SLOT: Final = re.compile(r"(?:(daily|weekdays|" + "|".join(_DAYS) + r")|monthly (\d{1,2})) (\d{1,2}):(\d{2})")
_EVERY: Final = re.compile(r"every (\d{1,2})m")
_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES: Final[tuple[dict[str, int], ...]] = (
    {},
    {},
    {},
    {month: number for number, month in enumerate(_MONTHS, 1)},
    {day[:3]: number for number, day in enumerate(_DAYS, 1)},
)
_APS_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # APScheduler counts from Monday = 0
_LONGEST_CLOSURE: Final = 30

IsWorking = Callable[[date], bool]


class When(BaseModel):
    """A rhythm, kept as a five-field cron line in the account's own wall time.

    `on_working_days` moves a slot that falls on a closed day to the next working day; a cron line and `every` are
    taken literally. `with_digest` rows have no rhythm of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    cron: str | None = None
    on_working_days: bool = False
    with_digest: bool = False

    @classmethod
    def parse(cls, text: str) -> When:
        """Parse `friday 16:00`, `daily 09:30`, `weekdays 9:00`, `monthly 1 09:00`, `every 2m`, `cron …`, `with digest`.

        ValueError with the forms when it is none of them.
        """
        words = " ".join(str(text).lower().split())
        if words == "with digest":
            return cls(text=words, with_digest=True)
        if words.startswith("cron "):
            return cls(text=words, cron=_cron(words[5:]))
        if (every := _EVERY.fullmatch(words)) and 0 < int(every[1]) < 60 and 60 % int(every[1]) == 0:
            return cls(text=words, cron=f"*/{every[1]} * * * *")
        if slot := _SLOT.fullmatch(words):
            return cls(text=words, cron=_slot_cron(slot), on_working_days=True)
        raise ValueError(
            f"{text!r} is not a time; write friday 16:00, daily 09:30, weekdays 09:30, monthly 1 09:00, every 15m, "
            "cron 0 16 * * fri, or with digest"
        )


def next_due(when: When, after: datetime, zone: ZoneInfo, is_working: IsWorking) -> datetime | None:
    """Return the first slot strictly after `after` (both aware UTC); None for a rhythm without slots."""
    if when.cron is None:
        return None
    trigger = _trigger(when.cron)
    back = _LONGEST_CLOSURE + 2 if when.on_working_days else 1
    wall = after.astimezone(zone).replace(tzinfo=UTC) - timedelta(days=back)
    best: datetime | None = None
    while True:
        found = trigger.get_next_fire_time(None, wall)
        if found is None:
            return best
        if best is not None and _instant(found, zone) >= best:
            return best  # every later slot is due later still: moving a slot only delays it
        wall = found + timedelta(seconds=1)
        due = _instant(_moved(found, is_working) if when.on_working_days else found, zone)
        if due > after and (best is None or due < best):
            best = due


def slots_between(when: When, start: datetime, end: datetime, zone: ZoneInfo, is_working: IsWorking) -> list[datetime]:
    """Return the slots in (start, end], oldest first."""
    found: list[datetime] = []
    due = next_due(when, start, zone, is_working)
    while due is not None and due <= end:
        found.append(due)
        due = next_due(when, due, zone, is_working)
    return found


def _trigger(cron: str) -> CronTrigger:
    minute, hour, day, month, weekday = cron.split()
    names = re.sub(r"(?<![\d/])\d", lambda digit: _APS_DAYS[int(digit[0])], weekday)
    return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=names, timezone=UTC)


def _moved(wall: datetime, is_working: IsWorking) -> datetime:
    """Return the same wall time on the first working day from `wall` on."""
    for days in range(_LONGEST_CLOSURE):
        if is_working((wall + timedelta(days=days)).date()):
            return wall + timedelta(days=days)
    return wall


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a wall time (carried as if it were UTC)."""
    local = wall.replace(tzinfo=zone, fold=0)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_gap(local, zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the clock jumped over `local`."""
    before = local.replace(fold=1).astimezone(UTC)  # the offset after the gap: an instant before the jump
    after = local.replace(fold=0).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0) + (timedelta(seconds=1) if after.microsecond else timedelta(0))


def _slot_cron(slot: re.Match[str]) -> str:
    hour, minute = int(slot[3]), int(slot[4])
    if slot[1] is None:
        return _cron(f"{minute} {hour} {slot[2]} * *")
    days = {"daily": "*", "weekdays": "mon-fri"}.get(slot[1], slot[1][:3])
    return _cron(f"{minute} {hour} * * {days}")


def _cron(line: str) -> str:
    """Check a five-field cron line and return it with numbers for names (0 and 7 are Sunday)."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f"{line!r} is not a cron line: it needs five fields (minute hour day month weekday)")
    checked = zip(fields, _RANGES, _NAMES, strict=True)
    return " ".join(_cron_field(field, low, high, names) for field, (low, high), names in checked)


def _cron_field(field: str, low: int, high: int, names: dict[str, int]) -> str:
    for part in field.split(","):
        span, _, step = part.partition("/")
        ends = [] if span == "*" else span.split("-")
        numbers = [names.get(end, int(end) if end.isdigit() else -1) for end in ends]
        in_range = len(numbers) <= 2 and all(low <= number <= high for number in numbers)
        if not in_range or numbers != sorted(numbers) or ("/" in part and not (step.isdigit() and int(step) > 0)):
            raise ValueError(f"{part!r} is not a cron field between {low} and {high}")
    return re.sub("|".join(names) or "$^", lambda found: str(names[found[0]]), field)
