from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from syncd.daemon.agenda import Agenda

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


def _at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_what_has_been_due_longest_is_taken_first() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.put("later", _at(2))
    agenda.put("sooner", _at(1))

    taken = [agenda.take(_at(3)) for _ in range(3)]

    assert taken == ["sooner", "later", None]


def test_what_is_not_due_stays() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.put("later", _at(2))

    assert agenda.take(_at(1)) is None
    assert agenda.next_at() == _at(2)
    assert "later" in agenda


def test_a_thing_is_in_it_once_at_its_newest_time() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.put("it", _at(1))
    agenda.put("it", _at(5))

    assert agenda.take(_at(4)) is None
    assert agenda.take(_at(5)) == "it"
    assert agenda.take(_at(9)) is None


def test_hastening_moves_a_thing_forward_and_never_back() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.put("it", _at(5))

    agenda.hasten("it", _at(9))
    agenda.hasten("it", _at(1))
    agenda.hasten("unknown", _at(1))

    assert agenda.next_at() == _at(1)
    assert len(agenda) == 1


def test_clearing_takes_everything_out() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.put("it", _at(1))

    agenda.clear()

    assert agenda.take(_at(9)) is None
    assert agenda.next_at() is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=40), st.integers(0, 60))
def test_it_gives_what_a_plain_list_would(entries: list[tuple[int, int]], now: int) -> None:
    agenda: Agenda[int] = Agenda()
    for thing, minute in entries:
        agenda.put(thing, _at(minute))
    newest = dict(entries)

    taken = []
    while (thing := agenda.take(_at(now))) is not None:
        taken.append(thing)

    assert sorted(taken) == sorted(thing for thing, minute in newest.items() if minute <= now)
    assert [newest[thing] for thing in taken] == sorted(newest[thing] for thing in taken)
    assert len(agenda) == len(newest) - len(taken)
