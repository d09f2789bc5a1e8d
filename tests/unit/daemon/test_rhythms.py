from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.daemon import rhythms
from syncd.daemon.rhythms import Missed, Rhythms
from syncd.rhythm import When
from syncd.settings import AccountSettings

FRIDAY = When.parse("friday 16:00")
HALF_HOURS = When.parse("every 30m")


def _account(**fields: Any) -> AccountSettings:
    project = {"name": "Portal", "from": [{"connection": "gh", "project": "a/b"}]}
    return AccountSettings.model_validate({"account": "Acme", "projects": [project], **fields})


def _utc(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_rhythm_is_due_in_the_accounts_own_zone() -> None:
    found = Rhythms().next(_account(timezone="Asia/Shanghai"), FRIDAY, _utc(2, 9))

    assert found == _utc(6, 8)


def test_the_clock_change_moves_the_instant_and_not_the_wall_time() -> None:
    rhythm, account = Rhythms(), _account(timezone="Europe/Berlin")

    before = rhythm.next(account, FRIDAY, _utc(23, 9))
    after = rhythm.next(account, FRIDAY, _utc(30, 9))

    assert (before, after) == (_utc(27, 15), _utc(3, 14, month=4))


def test_accounts_of_one_kind_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []
    next_due = rhythms.next_due
    monkeypatch.setattr(rhythms, "next_due", lambda *args: asked.append(args[1]) or next_due(*args))
    rhythm = Rhythms()

    found = {rhythm.next(_account(account=f"Client {n}"), FRIDAY, _utc(2, 9)) for n in range(1000)}
    rhythm.next(_account(timezone="Asia/Tokyo"), FRIDAY, _utc(2, 9))

    assert found == {_utc(6, 16)}
    assert len(asked) == 2


def test_only_the_newest_of_the_missed_slots_is_caught_up() -> None:
    found = Rhythms().missed(_account(), HALF_HOURS, _utc(2, 9), _utc(2, 11, 10))

    assert found == Missed(newest=_utc(2, 11), passed=3)


def test_a_slot_of_more_than_a_day_ago_is_passed_over() -> None:
    found = Rhythms().missed(_account(), FRIDAY, _utc(1, 9), _utc(8, 9))

    assert found == Missed(newest=None, passed=1)


def test_a_slot_of_less_than_a_day_ago_is_caught_up() -> None:
    found = Rhythms().missed(_account(), FRIDAY, _utc(1, 9), _utc(7, 15))

    assert found == Missed(newest=_utc(6, 16), passed=0)


def test_nothing_is_missed_between_two_slots() -> None:
    found = Rhythms().missed(_account(), FRIDAY, _utc(2, 9), _utc(3, 9))

    assert found == Missed(newest=None, passed=0)


def test_what_is_known_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythms, "_MOST_KEPT", 10)
    rhythm, account = Rhythms(), _account()

    for minute in range(60):
        rhythm.next(account, HALF_HOURS, _utc(2, 9, minute))

    assert len(rhythm._known) <= 10
