"""When something is due: each slot once, whatever clocks and calendars do."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.rhythm import When, next_due, slots_between

DAY: Final = timedelta(days=1)
FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2036, 1, 1, tzinfo=UTC)
BERLIN: Final = ZoneInfo("Europe/Berlin")
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")


def always(_: date) -> bool:
    return True


def monday_to_friday(day: date) -> bool:
    return day.weekday() < 5


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def due(text: str, after: datetime, zone: ZoneInfo = SHANGHAI) -> datetime | None:
    return next_due(When.parse(text), after, zone, monday_to_friday)


def different_zones() -> Iterator[ZoneInfo]:
    """Yield the IANA zones, of equal ones the first."""
    seen: set[bytes] = set()
    for key in sorted(available_timezones()):
        source = files("tzdata.zoneinfo").joinpath(*key.split("/"))
        mark = hashlib.sha256(source.read_bytes() if source.is_file() else key.encode()).digest()
        if mark not in seen:
            seen.add(mark)
            yield ZoneInfo(key)


def jumps(zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants from 2020 to 2035 at which the zone's offset changes."""
    before = FIRST
    while before < LAST:
        after = before + 7 * DAY
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
                same = middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        before = after


def by_the_rule(at: time, jump: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the slots of `daily at` within 36 hours of a jump: skipped = first valid minute, doubled = the first."""
    old, new = ((jump - timedelta(seconds=1)).astimezone(zone).utcoffset(), jump.astimezone(zone).utcoffset())
    assert old is not None
    assert new is not None
    found = []
    for days in range(-3, 4):
        wall = datetime.combine((jump + days * DAY).date(), at, UTC)
        found.append(wall - old if wall - old < jump else max(jump, wall - new))
    return [slot for slot in found if jump - 1.5 * DAY < slot <= jump + 1.5 * DAY]


def test_every_slot_comes_once_at_every_clock_change_of_every_zone_until_2035() -> None:
    checked, wrong = 0, []

    for zone in different_zones():
        for jump in jumps(zone):
            for at in (time(2, 30), time(0, 15)):
                when = When.parse(f"cron {at.minute} {at.hour} * * *")
                slots = slots_between(when, jump - 1.5 * DAY, jump + 1.5 * DAY, zone, always)
                checked += 1
                if slots != by_the_rule(at, jump, zone):
                    wrong.append((zone.key, jump, at, slots))

    assert wrong == []
    assert checked > 4000


@pytest.mark.parametrize(
    ("zone", "at", "day", "expected"),
    [
        ("Europe/Berlin", "02:30", date(2026, 3, 29), utc(2026, 3, 29, 1, 0)),
        ("Europe/Berlin", "02:07", date(2026, 3, 29), utc(2026, 3, 29, 1, 0)),
        ("Europe/Berlin", "02:00", date(2026, 3, 29), utc(2026, 3, 29, 1, 0)),
        ("Europe/Berlin", "03:00", date(2026, 3, 29), utc(2026, 3, 29, 1, 0)),
        ("Europe/Berlin", "02:30", date(2026, 10, 25), utc(2026, 10, 25, 0, 30)),
        ("America/New_York", "01:30", date(2026, 11, 1), utc(2026, 11, 1, 5, 30)),
        ("Australia/Lord_Howe", "02:10", date(2026, 10, 4), utc(2026, 10, 3, 15, 30)),
        ("Africa/Cairo", "00:30", date(2026, 4, 24), utc(2026, 4, 23, 22, 0)),
        ("Asia/Shanghai", "02:30", date(2026, 3, 29), utc(2026, 3, 28, 18, 30)),
    ],
)
def test_a_skipped_time_is_due_when_the_clock_goes_on_and_a_doubled_one_once(
    zone: str, at: str, day: date, expected: datetime
) -> None:
    place = ZoneInfo(zone)
    midnight = datetime.combine(day, time.min, place).astimezone(UTC) - timedelta(seconds=1)

    slots = slots_between(When.parse(f"daily {at}"), midnight, midnight + timedelta(hours=22), place, always)

    assert slots == [expected]


def test_slots_that_fall_together_in_a_skipped_hour_are_one() -> None:
    slots = slots_between(When.parse("every 15m"), utc(2026, 3, 29, 0, 40), utc(2026, 3, 29, 1, 20), BERLIN, always)

    assert slots == [utc(2026, 3, 29, 0, 45), utc(2026, 3, 29, 1, 0), utc(2026, 3, 29, 1, 15)]


def test_a_doubled_hour_has_its_slots_once() -> None:
    slots = slots_between(When.parse("every 30m"), utc(2026, 10, 24, 23, 45), utc(2026, 10, 25, 2, 15), BERLIN, always)

    assert slots == [utc(2026, 10, 25, 0, 0), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 2, 0)]


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("friday 16:00", utc(2026, 3, 2, 12, 0), utc(2026, 3, 6, 8, 0)),
        ("Friday  16:00 ", utc(2026, 3, 6, 8, 0), utc(2026, 3, 13, 8, 0)),
        ("daily 09:30", utc(2026, 3, 2, 1, 29, 59), utc(2026, 3, 2, 1, 30)),
        ("daily 9:30", utc(2026, 3, 2, 1, 30), utc(2026, 3, 3, 1, 30)),
        ("weekdays 09:30", utc(2026, 3, 6, 2, 0), utc(2026, 3, 9, 1, 30)),
        ("monthly 1 09:00", utc(2026, 3, 2, 0, 0), utc(2026, 3, 2, 1, 0)),  # the 1st was a Sunday
        ("monthly 1 09:00", utc(2026, 3, 2, 1, 0), utc(2026, 4, 1, 1, 0)),
        ("every 15m", utc(2026, 3, 2, 12, 1), utc(2026, 3, 2, 12, 15)),
        ("cron 0 16 * * fri", utc(2026, 3, 2, 12, 0), utc(2026, 3, 6, 8, 0)),
        ("cron 0 16 * * SAT", utc(2026, 3, 2, 12, 0), utc(2026, 3, 7, 8, 0)),
        ("cron 0 16 * * 0", utc(2026, 3, 2, 12, 0), utc(2026, 3, 8, 8, 0)),
        ("cron 0 16 * * 7", utc(2026, 3, 2, 12, 0), utc(2026, 3, 8, 8, 0)),
        ("cron 5/20 8-9 * * *", utc(2026, 3, 2, 1, 30), utc(2026, 3, 2, 1, 45)),
        ("cron 0 9 29 feb *", utc(2026, 3, 2, 0, 0), utc(2028, 2, 29, 1, 0)),
        ("cron 0 9 31 * *", utc(2026, 3, 31, 2, 0), utc(2026, 5, 31, 1, 0)),
        ("cron 0 9 1 jul-sep/2 *", utc(2026, 7, 2, 0, 0), utc(2026, 9, 1, 1, 0)),
    ],
)
def test_the_next_slot_of_each_form(text: str, after: datetime, expected: datetime) -> None:
    assert due(text, after) == expected


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("1-5", "MTWRF"),
        ("mon-fri", "MTWRF"),
        ("0-2", "MTU"),
        ("sun-tue", "MTU"),
        ("5-7", "FSU"),
        ("sat-sun", "SU"),
        ("*/2", "TRSU"),
        ("1-5/2", "MWF"),
        ("mon,wed,5", "MWF"),
        ("0,7", "U"),
    ],
)
def test_a_cron_line_counts_its_weekdays_as_cron_programs_do(weekday: str, days: str) -> None:
    slots = slots_between(When.parse(f"cron 0 9 * * {weekday}"), utc(2026, 3, 2), utc(2026, 3, 9), SHANGHAI, always)

    assert "".join("MTWRFSU"[slot.weekday()] for slot in slots) == days


def test_with_digest_has_no_time_of_its_own() -> None:
    when = When.parse("with digest")

    assert when.with_digest
    assert next_due(when, FIRST, SHANGHAI, always) is None
    assert slots_between(when, FIRST, LAST, SHANGHAI, always) == []


FORMS: Final = (
    "write friday 16:00, daily 09:30, weekdays 09:30, monthly 1 09:00, every 15m, cron 0 16 * * fri, or with digest"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fridays 16:00", f"'fridays 16:00' is not a time; {FORMS}"),
        ("friday", f"'friday' is not a time; {FORMS}"),
        ("", f"'' is not a time; {FORMS}"),
        ("every 7m", f"'every 7m' is not a time; {FORMS}"),
        ("every 0m", f"'every 0m' is not a time; {FORMS}"),
        ("friday 24:00", "'friday 24:00': the time must lie between 00:00 and 23:59"),
        ("daily 12:60", "'daily 12:60': the time must lie between 00:00 and 23:59"),
        ("monthly 31 09:00", "'monthly 31 09:00': take a day from 1 to 28, which every month has"),
        ("monthly 0 09:00", "'monthly 0 09:00': take a day from 1 to 28, which every month has"),
        ("cron 0 16 * *", "'0 16 * *' is not a cron line: it needs five fields (minute hour day month weekday)"),
        ("cron 60 * * * *", "'60' is not a minute of a cron line; write *, a number from 0 to 59, 1-5, */2, or a list"),
        ("cron * 24 * * *", "'24' is not a hour of a cron line; write *, a number from 0 to 23, 1-5, */2, or a list"),
        ("cron * * 0 * *", "'0' is not a day of a cron line; write *, a number from 1 to 31, 1-5, */2, or a list"),
        ("cron * * * 13 *", "'13' is not a month of a cron line; write *, a number from 1 to 12, 1-5, */2, or a list"),
        ("cron * * * * 8", "'8' is not a weekday of a cron line; write *, a number from 0 to 7, 1-5, */2, or a list"),
        ("cron * * * * freitag", "'freitag' is not a weekday of a cron line"),
        ("cron * * * jan *x", "'*x' is not a weekday of a cron line"),
        ("cron 5-1 * * * *", "'5-1' is not a minute of a cron line"),
        ("cron 1-2-3 * * * *", "'1-2-3' is not a minute of a cron line"),
        ("cron */0 * * * *", "'*/0' is not a minute of a cron line"),
        ("cron */60 * * * *", "'*/60' is not a minute of a cron line"),
        ("cron 0-10/20 * * * *", "'0-10/20' is not a minute of a cron line"),
        ("cron 1,,2 * * * *", "'' is not a minute of a cron line"),
        ("cron ² * * * *", "'²' is not a minute of a cron line"),
        ("cron @daily", "'@daily' is not a cron line: it needs five fields"),
        ("cron 0 9 1 * mon", "'0 9 1 * mon': give a day of the month or a weekday, and * for the other"),
        ("cron 0 9 30 feb *", "'0 9 30 feb *' is not a cron line that ever comes: no such day exists"),
        ("cron 0 9 31 4,6,9 *", "'0 9 31 4,6,9 *' is not a cron line that ever comes: no such day exists"),
    ],
)
def test_what_is_no_time_is_told_with_what_would_be(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is what is tested
        When.parse(text)

    assert str(caught.value).startswith(message)


def test_a_slot_on_a_closed_day_moves_to_the_next_working_day_at_the_same_time() -> None:
    closed = {date(2026, 4, 3), date(2026, 4, 6)}  # Good Friday, Easter Monday; the clock changed the Sunday before

    def works(day: date) -> bool:
        return day.weekday() < 5 and day not in closed

    slots = slots_between(When.parse("friday 16:00"), utc(2026, 3, 23), utc(2026, 4, 12), BERLIN, works)

    assert slots == [utc(2026, 3, 27, 15, 0), utc(2026, 4, 7, 14, 0), utc(2026, 4, 10, 14, 0)]


def test_slots_that_move_to_the_same_day_are_one() -> None:
    slots = slots_between(When.parse("daily 09:30"), utc(2026, 3, 6), utc(2026, 3, 11), SHANGHAI, monday_to_friday)

    assert slots == [utc(2026, 3, 6, 1, 30), utc(2026, 3, 9, 1, 30), utc(2026, 3, 10, 1, 30)]


def test_a_long_closure_is_waited_out() -> None:
    opens = date(2026, 6, 1)

    def works(day: date) -> bool:
        return day >= opens

    slots = slots_between(When.parse("daily 09:30"), utc(2026, 1, 1), utc(2026, 6, 3), SHANGHAI, works)

    assert slots == [utc(2026, 6, 1, 1, 30), utc(2026, 6, 2, 1, 30)]


def test_without_any_working_day_in_a_year_nothing_is_due() -> None:
    assert next_due(When.parse("friday 16:00"), FIRST, SHANGHAI, lambda _: False) is None


def test_a_cron_line_is_taken_literally_on_closed_days() -> None:
    assert next_due(When.parse("cron 0 9 * * sat"), utc(2026, 3, 2), SHANGHAI, lambda _: False) == utc(2026, 3, 7, 1, 0)


TEXTS: Final = st.sampled_from(
    ["friday 16:00", "daily 02:30", "weekdays 00:15", "monthly 28 23:59", "cron 30 1-3 * * *", "cron 0 0 * * 0-2"]
)
ZONES: Final = st.sampled_from(
    [
        ZoneInfo(key)
        for key in ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Chatham", "Africa/Casablanca")
    ]
)
MOMENTS: Final = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 1), timezones=st.just(UTC))
CLOSED: Final = st.frozensets(st.integers(0, 6), max_size=5)


@settings(max_examples=60, deadline=None)
@given(TEXTS, ZONES, MOMENTS, CLOSED, st.integers(0, 40), st.integers(0, 40))
def test_slots_are_later_than_asked_in_order_complete_and_never_on_a_closed_day(
    text: str, zone: ZoneInfo, start: datetime, closed: frozenset[int], first_days: int, more_days: int
) -> None:
    when = When.parse(text)
    middle, end = start + first_days * DAY, start + (first_days + more_days) * DAY

    def works(day: date) -> bool:
        return day.weekday() not in closed

    whole = slots_between(when, start, end, zone, works)
    parts = slots_between(when, start, middle, zone, works) + slots_between(when, middle, end, zone, works)

    assert whole == parts
    assert all(start < slot <= end for slot in whole)
    assert all(earlier < later for earlier, later in itertools.pairwise(whole))
    if when.on_working_days:
        assert all(works(slot.astimezone(zone).date()) for slot in whole)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"cron( [0-9a-z*/,-]{1,6}){5}", fullmatch=True))
def test_any_text_is_a_time_that_comes_or_a_clear_refusal(text: str) -> None:
    try:
        when = When.parse(text)
    except ValueError as err:
        refusal = str(err)
        when = None

    if when is None:
        assert any(words in refusal for words in (" is not a ", "give a day of the month", "take a day", "must lie"))
        return

    assert when.with_digest or next_due(when, utc(2026, 1, 1), SHANGHAI, always) is not None
