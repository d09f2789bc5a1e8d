"""The slots of communication plans, worked out once for all accounts that share rhythm, zone and calendar."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from syncd.engine.reconcile import calendar_of
from syncd.report.calendar import WorkingCalendar
from syncd.rhythm import When, next_due
from syncd.settings import AccountSettings

CATCH_UP: Final = timedelta(hours=24)
_MOST_KEPT: Final = 20_000

_Place = tuple[str, tuple[str, ...], tuple[date, ...]]  # zone, countries, closed days


@dataclass(frozen=True, slots=True)
class Missed:
    """What lies behind: `newest` slot up to now that is young enough to be caught up, and how many are passed over."""

    newest: datetime | None
    passed: int


class Rhythms:
    """Answers when a rhythm is due for an account; thread-safe. Ten thousand accounts share a handful of answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calendars: dict[_Place, WorkingCalendar] = {}
        self._known: dict[tuple[str, _Place, datetime], datetime | None] = {}

    def next(self, account: AccountSettings, when: When, after: datetime) -> datetime | None:
        """Return the first slot strictly after `after` (aware UTC)."""
        place = _place(account)
        key = (when.text, place, after)
        with self._lock:
            if key not in self._known:
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                self._known[key] = next_due(when, after, account.zone, self._calendar(account, place).is_working)
            return self._known[key]

    def missed(self, account: AccountSettings, when: When, after: datetime, now: datetime) -> Missed:
        """Look at the slots in (after, now]: only the newest is caught up, and only within 24 hours."""
        passed = 0
        if after < now - CATCH_UP:
            old = self.next(account, when, after)
            passed += old is not None and old <= now - CATCH_UP
            after = now - CATCH_UP
        newest: datetime | None = None
        slot = self.next(account, when, after)
        while slot is not None and slot <= now:
            passed += newest is not None
            newest, slot = slot, self.next(account, when, slot)
        return Missed(newest, passed)

    def _calendar(self, account: AccountSettings, place: _Place) -> WorkingCalendar:
        if place not in self._calendars:
            self._calendars[place] = calendar_of(account)
        return self._calendars[place]


def _place(account: AccountSettings) -> _Place:
    calendars = account.calendars
    return account.timezone, tuple(calendars.countries), tuple(calendars.closed)
