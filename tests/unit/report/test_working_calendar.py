from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ConfigError
from syncd.report.calendar import WorkingCalendar

CHINA = WorkingCalendar(["CN"])
BOTH = WorkingCalendar(["CN", "DE"])
DAYS = st.dates(min_value=date(2025, 1, 1), max_value=date(2027, 12, 31))


@pytest.mark.parametrize("day", [date(2026, 2, 14), date(2026, 2, 28), date(2026, 1, 4), date(2026, 10, 10)])
def test_a_make_up_day_is_a_working_day_in_china(day: date) -> None:
    assert day.weekday() >= 5
    assert CHINA.is_working(day)


def test_spring_festival_is_closed_in_china() -> None:
    closed = [day for day in range(13, 25) if not CHINA.is_working(date(2026, 2, day))]

    assert closed == [15, 16, 17, 18, 19, 20, 21, 22, 23]


def test_a_day_counts_only_when_both_sides_work() -> None:
    ascension, make_up_saturday, plain_tuesday = date(2026, 5, 14), date(2026, 2, 14), date(2026, 3, 10)

    working = [day for day in (ascension, make_up_saturday, plain_tuesday) if BOTH.is_working(day)]

    assert working == [plain_tuesday]


def test_a_company_day_is_closed() -> None:
    calendar = WorkingCalendar(["CN"], closed=[date(2026, 3, 9)])

    assert not calendar.is_working(date(2026, 3, 9))
    assert calendar.days_between(date(2026, 3, 6), date(2026, 3, 10)) == 1


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (date(2026, 3, 6), date(2026, 3, 6), 0),
        (date(2026, 3, 6), date(2026, 3, 7), 0),  # Friday to Saturday
        (date(2026, 3, 6), date(2026, 3, 9), 1),  # Friday to Monday
        (date(2026, 3, 9), date(2026, 3, 6), -1),
        (date(2026, 3, 10), date(2026, 3, 24), 10),
        (date(2026, 2, 13), date(2026, 2, 24), 2),  # over Spring Festival, with its make-up Saturday
        (date(2025, 12, 31), date(2026, 1, 5), 2),  # the make-up Sunday and the Monday
    ],
)
def test_days_between_counts_working_days_after_the_first_day(start: date, end: date, days: int) -> None:
    assert CHINA.days_between(start, end) == days


def test_a_date_of_the_far_future_costs_no_time_and_counts_as_the_last_known_day() -> None:
    assert CHINA.days_between(date(2100, 12, 31), date(9999, 12, 31)) == 0
    assert CHINA.days_between(date(1, 1, 1), date(1970, 1, 1)) == 0


def test_add_finds_the_working_day_that_many_days_on() -> None:
    assert CHINA.add(date(2026, 3, 6), 1) == date(2026, 3, 9)
    assert CHINA.add(date(2026, 3, 9), -1) == date(2026, 3, 6)
    assert CHINA.add(date(2026, 3, 7), 0) == date(2026, 3, 7)
    assert CHINA.add(date(2026, 2, 13), 2) == date(2026, 2, 24)


def test_without_a_country_monday_to_friday_work() -> None:
    calendar = WorkingCalendar([])

    week = [calendar.is_working(date(2026, 5, day)) for day in range(4, 11)]

    assert week == [True] * 5 + [False] * 2


@pytest.mark.parametrize("country", ["XX", "DE-ZZ", "china"])
def test_an_unknown_country_is_named_with_the_way_out(country: str) -> None:
    with pytest.raises(ConfigError, match=f"no holidays are known for '{country}'.*such as CN, US or DE-BY"):
        WorkingCalendar([country])


@given(DAYS, DAYS)
def test_days_between_equals_counting_day_by_day(start: date, end: date) -> None:
    first, last = sorted((start, end))

    counted = sum(BOTH.is_working(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))

    assert BOTH.days_between(first, last) == counted
    assert BOTH.days_between(last, first) == -counted


@given(DAYS, st.integers(min_value=1, max_value=60))
def test_adding_working_days_and_counting_them_agree(day: date, count: int) -> None:
    later = BOTH.add(day, count)

    assert BOTH.is_working(later)
    assert BOTH.days_between(day, later) == count
