"""Working days: a day counts when none of the named countries is closed and no company day is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import holidays

from syncd.errors import ConfigError

_FIRST: Final = date(1970, 1, 1)
_LAST: Final = date(2100, 12, 31)  # holidays knows nothing later; a date beyond counts as this one
_DAY: Final = timedelta(days=1)


class WorkingCalendar:
    """The working days that two sides share.

    `countries` are ISO 3166 codes, with a subdivision if needed (`CN`, `DE-BY`); a day on which one of them is closed
    is no working day for either. China's make-up days (调休) are working Saturdays and Sundays. `closed` are company
    days. Without a country every Monday to Friday works.

    Raises ConfigError for a country or subdivision without a calendar. Make-up days and moved holidays are known only
    for the years the State Council has announced; later years follow the statutory days.
    """

    def __init__(self, countries: Sequence[str], closed: Collection[date] = ()) -> None:
        self._countries = tuple(dict.fromkeys(countries))
        self._closed = frozenset(closed)
        self._years: dict[int, list[int]] = {}
        for country in self._countries:
            _working_days(country, _FIRST.year)

    def is_working(self, day: date) -> bool:
        """Return whether both sides work on this day."""
        day = _within(day)
        days = self._working_days(day.year)
        at = bisect_right(days, day.toordinal())
        return at > 0 and days[at - 1] == day.toordinal()

    def days_between(self, start: date, end: date) -> int:
        """Count the working days after `start` up to and including `end`; negative when `end` is the earlier one.

        A date outside 1970–2100 counts as the nearest day inside.
        """
        if end < start:
            return -self.days_between(end, start)
        return self._rank(_within(end), from_year=_within(start).year) - self._rank(_within(start))

    def add(self, day: date, count: int) -> date:
        """Return the `count`-th working day after `day` (before it when negative), `day` itself for 0."""
        step = _DAY if count > 0 else -_DAY
        left = abs(count)
        while left and _FIRST <= day <= _LAST:
            day += step
            left -= self.is_working(day)
        return day

    def _rank(self, day: date, *, from_year: int | None = None) -> int:
        years = range(from_year if from_year is not None else day.year, day.year)
        return sum(len(self._working_days(year)) for year in years) + bisect_right(
            self._working_days(day.year), day.toordinal()
        )

    def _working_days(self, year: int) -> list[int]:
        if year not in self._years:
            common = set(_weekdays(year)) if not self._countries else set(_working_days(self._countries[0], year))
            for country in self._countries[1:]:
                common &= _working_days(country, year)
            self._years[year] = sorted(common - {day.toordinal() for day in self._closed})
        return self._years[year]


@lru_cache(maxsize=2048)
def _working_days(country: str, year: int) -> frozenset[int]:
    code, _, subdivision = country.partition("-")
    try:
        calendar = holidays.country_holidays(code, subdiv=subdivision or None, years=year)
    except NotImplementedError as err:
        raise ConfigError(
            f"calendars: no holidays are known for {country!r}; use an ISO 3166 code such as CN, US or DE-BY"
        ) from err
    first = date(year, 1, 1)
    days = (first + timedelta(days=n) for n in range(366))
    return frozenset(day.toordinal() for day in days if day.year == year and calendar.is_working_day(day))


def _weekdays(year: int) -> range | list[int]:
    first = date(year, 1, 1).toordinal()
    return [n for n in range(first, date(year, 12, 31).toordinal() + 1) if date.fromordinal(n).weekday() < 5]


def _within(day: date) -> date:
    return min(max(day, _FIRST), _LAST)
