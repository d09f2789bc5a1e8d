from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from syncd.daemon.cadence import CENSUS, Track, slot_at

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)), st.integers(1, 10**6))
def test_now_lies_in_its_slot(now: datetime, seconds: int) -> None:
    cadence = timedelta(seconds=seconds)

    slot = slot_at("gh", cadence, now)

    assert slot <= now < slot + cadence
    assert slot_at("gh", cadence, slot) == slot
    assert slot_at("gh", cadence, slot + cadence) == slot + cadence


def test_connections_are_spread_over_time() -> None:
    slots = {slot_at(f"connection-{number}", QUARTER, NOON) for number in range(50)}

    assert len(slots) > 40


def test_a_failure_pauses_for_five_minutes_and_doubles_up_to_an_hour() -> None:
    track, pauses = Track(), []
    for _ in range(6):
        track.failed("tasks", NOON)
        pauses.append((track.retry_at["tasks"] - NOON).total_seconds() / 60)

    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_success_ends_the_pause() -> None:
    track = Track()
    track.failed("tasks", NOON)
    track.failed("tasks", NOON)

    track.succeeded("tasks", NOON)
    track.failed("tasks", NOON)

    assert track.retry_at["tasks"] == NOON + timedelta(minutes=5)


def test_a_census_that_failed_waits_for_an_hour() -> None:
    track = Track()

    track.failed(CENSUS, NOON)

    assert track.retry_at[CENSUS] == NOON + timedelta(hours=1)


def test_the_next_look_is_at_the_next_slot_or_the_next_try() -> None:
    track = Track()
    spans = {"tasks": timedelta(hours=6)}
    slot = slot_at("gh", spans["tasks"], NOON)

    track.succeeded("tasks", slot)
    assert track.next_look("gh", spans, NOON) == slot + spans["tasks"]
    track.failed("tasks", NOON)
    assert track.next_look("gh", spans, NOON) == NOON + timedelta(minutes=5)


def test_a_slot_that_came_while_another_was_read_is_looked_at_at_once() -> None:
    track = Track()
    track.succeeded("tasks", slot_at("gh", timedelta(days=1), NOON))

    tomorrow = NOON + timedelta(days=1)

    assert track.next_look("gh", {"tasks": timedelta(days=1)}, tomorrow) == tomorrow


def test_a_vendor_that_is_left_alone_is_looked_at_after_the_rest() -> None:
    track = Track(rest_until=NOON + timedelta(hours=1))

    assert track.is_resting(NOON)
    assert not track.is_resting(NOON + timedelta(hours=1))
    assert track.next_look("gh", {"tasks": timedelta(minutes=1)}, NOON) == NOON + timedelta(hours=1)
