"""When something is due: the rhythms of a communication plan, and their slots in a time zone.

The rule at clock changes: a wall time that is skipped counts as the first valid minute after it, a wall time that
comes twice counts once, the first time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SLOT: Final = re.compile(r"(?:(daily|weekdays|" + "|".join(_DAYS) + r")|monthly (\d{1,2})) (\d{1,2}):(\d{2})")
_EVERY: Final = re.compile(r"every (\d{1,2})m")
_FIELDS: Final = ("minute", "hour", "day", "month", "weekday")
_PART: Final = re.compile(r"(?:\*|(?P<from>[a-z0-9]+)(?:-(?P<to>[a-z0-9]+))?)(?:/(?P<step>\d{1,2}))?", re.ASCII)
_LONGEST: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month at most
_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES: Final[tuple[dict[str, int], ...]] = (
    {},
    {},
    {},
    {month: number for number, month in enumerate(_MONTHS, 1)},
    {day[:3]: number for number, day in enumerate(_DAYS, 1)},
)
_APS_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # APScheduler counts from Monday = 0
_LONGEST_CLOSURE: Final = 366
_DAY: Final = timedelta(days=1)
_LAST_COMMON_DAY: Final = 28

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
            return cls(text=words, cron=_slot_cron(slot, text), on_working_days=True)
        raise ValueError(
            f"{text!r} is not a time; write friday 16:00, daily 09:30, weekdays 09:30, monthly 1 09:00, every 15m, "
            "cron 0 16 * * fri, or with digest"
        )


def next_due(when: When, after: datetime, zone: ZoneInfo, is_working: IsWorking) -> datetime | None:
    """Return the first slot strictly after `after` (both aware UTC); None for a rhythm without slots.

    None, too, when no working day comes within a year.
    """
    if when.cron is None:
        return None
    trigger = _trigger(when.cron)
    wall = after.astimezone(zone).replace(tzinfo=UTC, fold=0)
    last = wall + 2 * _LONGEST_CLOSURE * _DAY if when.on_working_days else None
    if when.on_working_days:
        wall = _after_last_work(wall, is_working)
    best: datetime | None = None
    while (found := trigger.get_next_fire_time(None, wall)) is not None and (last is None or found <= last):
        if best is not None and _instant(found, zone) >= best:
            break  # every later slot is due later still: moving a slot only delays it
        day = _moved(found, is_working) if when.on_working_days else found
        due = _instant(day, zone) if day is not None else None
        if due is not None and due > after and (best is None or due < best):
            best = due
        wall = found + timedelta(seconds=1)
    return best


def slots_between(when: When, start: datetime, end: datetime, zone: ZoneInfo, is_working: IsWorking) -> list[datetime]:
    """Return the slots in (start, end], oldest first."""
    found: list[datetime] = []
    due = next_due(when, start, zone, is_working)
    while due is not None and due <= end:
        found.append(due)
        due = next_due(when, due, zone, is_working)
    return found


@lru_cache(maxsize=256)
def _trigger(cron: str) -> CronTrigger:
    minute, hour, day, month, weekday = cron.split()
    return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=_aps_days(weekday), timezone=UTC)


def _aps_days(weekday: str) -> str:
    """Return a weekday field by name, day by day: APScheduler counts otherwise, and knows no week's end to go over."""
    if weekday == "*":
        return weekday
    numbers = _numbers(weekday, 0, 6)
    return ",".join(dict.fromkeys(_APS_DAYS[number % 7] for number in sorted(numbers)))


def _after_last_work(wall: datetime, is_working: IsWorking) -> datetime:
    """Return the first moment whose slots can have been moved past `wall`: after the last working day before it."""
    for days in range(1, _LONGEST_CLOSURE + 1):
        if is_working((wall - days * _DAY).date()):
            return datetime.combine((wall - (days - 1) * _DAY).date(), time.min, UTC)
    return wall - _LONGEST_CLOSURE * _DAY


def _moved(wall: datetime, is_working: IsWorking) -> datetime | None:
    """Return the same wall time on the first working day from `wall` on; None when there is none within a year."""
    days = (wall + days * _DAY for days in range(_LONGEST_CLOSURE))
    return next((day for day in days if is_working(day.date())), None)


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
    return after.replace(microsecond=0)  # clocks jump at whole seconds, and `after` is less than one behind the jump


def _slot_cron(slot: re.Match[str], text: str) -> str:
    hour, minute = int(slot[3]), int(slot[4])
    if hour > 23 or minute > 59:
        raise ValueError(f"{text!r}: the time must lie between 00:00 and 23:59")
    if slot[1] is None:
        if not 1 <= int(slot[2]) <= _LAST_COMMON_DAY:
            raise ValueError(f"{text!r}: take a day from 1 to {_LAST_COMMON_DAY}, which every month has")
        return _cron(f"{minute} {hour} {slot[2]} * *")
    days = {"daily": "*", "weekdays": "mon-fri"}.get(slot[1], slot[1][:3])
    return _cron(f"{minute} {hour} * * {days}")


def _cron(line: str) -> str:
    """Check a five-field cron line and return it with numbers for names (0 and 7 are Sunday)."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f"{line!r} is not a cron line: it needs five fields (minute hour day month weekday)")
    if fields[2] != "*" and fields[4] != "*":
        # Cron programs take either for enough, APScheduler wants both: whoever writes it should not have to know.
        raise ValueError(f"{line!r}: give a day of the month or a weekday, and * for the other")
    cron = " ".join(_cron_field(*field) for field in zip(fields, _FIELDS, _RANGES, _NAMES, strict=True))
    if not _ever_comes(cron):
        raise ValueError(f"{line!r} is not a cron line that ever comes: no such day exists")
    return cron


def _cron_field(field: str, title: str, limits: tuple[int, int], names: dict[str, int]) -> str:
    """Check one field and return it with numbers for names."""
    low, high = limits
    return ",".join(_cron_part(part, title, low, high, names) for part in field.split(","))


def _cron_part(part: str, title: str, low: int, high: int, names: dict[str, int]) -> str:
    found = _PART.fullmatch(part)
    wanted = f"{part!r} is not a {title} of a cron line; write *, a number from {low} to {high}, 1-5, */2, or a list"
    if not found:
        raise ValueError(wanted)
    ends = [names.get(end, int(end) if end.isdecimal() else -1) for end in (found["from"], found["to"]) if end]
    if len(ends) == 2 and high == 7 and ends[0] == 7:
        ends[0] = 0  # a week that begins on Sunday
    step = int(found["step"]) if found["step"] else None
    longest = (ends[1] if len(ends) == 2 else high) - (ends[0] if ends else low)
    if not all(low <= end <= high for end in ends) or ends != sorted(ends) or (step and step > longest) or step == 0:
        raise ValueError(wanted)
    return "-".join(map(str, ends) if ends else "*") + (f"/{step}" if step else "")


def _ever_comes(cron: str) -> bool:
    """Say whether the days that a cron line names exist in some month that it names (29 February does)."""
    _, _, day, month, _ = cron.split()
    if day == "*":
        return True
    days = (_LONGEST[number] for number in _numbers(month, 1, 12))
    return min(_numbers(day, 1, 31)) <= max(days)


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (span if span != "*" else f"{low}-{high}").partition("-")
        end = int(last) if last else high if step else int(first)
        found.update(range(int(first), end + 1, int(step or 1)))
    return found
