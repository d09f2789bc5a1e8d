"""What is kept to be shown to people: runs with their balance, the audit trail, health, links and conflicts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from syncd.store import Store, audit, health, links, runs
from syncd.store.links import Conflict, Link
from syncd.store.runs import Balance
from syncd.store.tables import audit as audit_table

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_run_adds_up_its_pages_and_balances(store: Store) -> None:
    with store.begin() as connection:
        run = runs.start(connection, "run", {"accounts": ["acme"], "since": None}, at=NOON)
    for page in (Balance(100, 60, 30, 7, 3), Balance(50, 0, 50)):
        with store.begin() as connection:
            runs.add(connection, run, page)
    with store.begin() as connection:
        runs.end(connection, run, "attention", at=NOON + MINUTE, error="3 records are parked\x00")

    with store.read() as connection:
        [row] = runs.latest(connection, command="run")
    balance = runs.balance_of(row)

    assert balance == Balance(read=150, written=60, unchanged=80, skipped=7, parked=3)
    assert balance.is_even
    assert str(balance) == "read 150 = written 60 + unchanged 80 + skipped 7 + parked 3"
    assert (row["state"], row["ended_at"], row["error"]) == ("attention", NOON + MINUTE, "3 records are parked\ufffd")


def test_a_record_without_a_fate_shows_in_the_balance() -> None:
    total = Balance(10, 5, 4)

    total.add(Balance(1, 1))

    assert total == Balance(11, 6, 4)
    assert not total.is_even


def test_runs_whose_process_died_are_closed_as_interrupted(store: Store) -> None:
    with store.begin() as connection:
        old = runs.start(connection, "run", {}, at=NOON)
        young = runs.start(connection, "run", {}, at=NOON + MINUTE)
        closed = runs.close_abandoned(connection, before=NOON + MINUTE, at=NOON + 2 * MINUTE)

    with store.read() as connection:
        states = {row["id"]: row["state"] for row in runs.latest(connection, limit=5)}

    assert closed == 1
    assert states == {old: "interrupted", young: "running"}


def tell(store: Store, number: int, *, actor: str = "zhang") -> None:
    with store.begin() as connection:
        audit.append(connection, "approved", f"record {number}", {"why": "好", "n": number}, actor=actor, at=NOON)


def test_an_untouched_trail_is_whole(store: Store) -> None:
    with store.read() as connection:
        empty = audit.first_broken(connection)
    for number in range(3):
        tell(store, number)

    with store.read() as connection:
        assert empty is None
        assert audit.first_broken(connection) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", NOON + timedelta(microseconds=1)),
        ("actor", "zhanh"),
        ("action", "approvee"),
        ("subject", "record 2"),
        ("detail", '{"n":1,"why":"坏"}'),
        ("previous_hash", "0" * 64),
        ("hash", "f" * 64),
    ],
)
def test_one_changed_value_of_the_trail_is_found(store: Store, column: str, value: object) -> None:
    for number in range(4):
        tell(store, number)

    with store.begin() as connection:
        connection.execute(sa.update(audit_table).where(audit_table.c.id == 2).values({column: value}))

    with store.read() as connection:
        assert audit.first_broken(connection) == 2


def test_a_removed_entry_of_the_trail_is_found(store: Store) -> None:
    for number in range(4):
        tell(store, number)

    with store.begin() as connection:
        connection.execute(sa.delete(audit_table).where(audit_table.c.id == 2))

    with store.read() as connection:
        assert audit.first_broken(connection) == 3


def test_the_border_between_two_texts_of_an_entry_cannot_be_moved(store: Store) -> None:
    with store.begin() as connection:
        audit.append(connection, "b\x1fc", "d", {}, actor="a", at=NOON)

    with store.begin() as connection:
        connection.execute(sa.update(audit_table).values(actor="a\x1fb", action="c"))

    with store.read() as connection:
        assert audit.first_broken(connection) == 1


def test_the_trail_stays_one_chain_when_many_write_at_once(store: Store) -> None:
    threads = [threading.Thread(target=tell, args=(store, n), kwargs={"actor": "a" * 300}) for n in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.read() as connection:
        assert audit.first_broken(connection) is None
        assert connection.execute(sa.select(sa.func.count()).select_from(audit_table)).scalar() == 20


def note(store: Store, state: str, error: str | None = None, *, minutes: int = 0) -> bool:
    with store.begin() as connection:
        return health.note(connection, "crm", state, at=NOON + minutes * MINUTE, error=error)


def test_a_connection_going_down_and_coming_back_is_news_once_each(store: Store) -> None:
    told = [
        note(store, health.UP),
        note(store, health.UP),
        note(store, health.DOWN, "timeout", minutes=1),
        note(store, health.DOWN, "refused", minutes=2),
        note(store, health.UP, minutes=3),
        note(store, health.UP, minutes=4),
    ]

    assert told == [False, False, True, False, True, False]


def test_a_new_connection_that_is_down_is_news(store: Store) -> None:
    assert note(store, health.PAUSED, "the token was revoked")

    with store.read() as connection:
        assert health.is_paused(connection, "crm")
        assert not health.is_paused(connection, "mail")


def test_the_newest_error_is_kept_with_the_time_of_the_first(store: Store) -> None:
    note(store, health.DOWN, "timeout")
    note(store, health.DOWN, "refused\x00", minutes=5)

    with store.read() as connection:
        state = health.all_of(connection)["crm"]

    assert (state["state"], state["since"], state["error"]) == ("down", NOON, "refused\ufffd")


def test_many_threads_that_see_a_connection_fail_bring_the_news_once(store: Store) -> None:
    note(store, health.UP)
    told: list[bool] = []
    threads = [threading.Thread(target=lambda: told.append(note(store, health.DOWN, "timeout"))) for _ in range(10)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False] * 9 + [True]


MAIL = Link("person:li@acme.example", "Contact", "e1", "email")
SITE = Link("account:acme", "Account", "e2", "domain")


def save_links(store: Store, *found: Link) -> int:
    with store.begin() as connection:
        return links.save_links(connection, "acme", found, at=NOON)


def test_links_follow_what_was_found_and_the_same_again_changes_nothing(store: Store) -> None:
    counts = [save_links(store, MAIL, SITE), save_links(store, SITE, MAIL), save_links(store, MAIL), save_links(store)]

    assert counts == [2, 0, 1, 1]
    with store.read() as connection:
        assert links.links_of(connection, "acme") == []


def test_a_link_that_is_known_in_a_better_way_says_so(store: Store) -> None:
    save_links(store, MAIL)

    save_links(store, Link("person:li@acme.example", "Contact", "e1", "explicit"))

    with store.read() as connection:
        assert [link.how for link in links.links_of(connection, "acme")] == ["explicit"]


def test_a_link_that_a_person_made_stays_and_counts_as_no_change(store: Store) -> None:
    by_hand = Link("person:li@acme.example", "Contact", "e1", "person")
    with store.begin() as connection:
        links_table = links.links
        row = {"account": "acme", "canonical": by_hand.canonical, "kind": "Contact", "entity": "e1", "how": "person"}
        connection.execute(sa.insert(links_table).values(**row, made_at=NOON))

    counts = [save_links(store, MAIL), save_links(store, MAIL), save_links(store)]

    assert counts == [0, 0, 0]
    with store.read() as connection:
        assert links.links_of(connection, "acme") == [by_hand]


def test_a_name_of_any_length_can_be_linked(store: Store) -> None:
    long = Link("project:" + "长" * 300, "Project", "e1", "explicit")

    assert save_links(store, long) == 1


def conflict(other: str = '"B"', *, source: str = "crm") -> Conflict:
    return Conflict("project:Portal", "name", '"A"', other, source, "delivery", "owner")


def save_conflicts(store: Store, *found: Conflict) -> int:
    with store.begin() as connection:
        return links.save_conflicts(connection, "acme", found, at=NOON)


def test_a_conflict_is_news_when_it_comes_changes_and_goes(store: Store) -> None:
    counts = [
        save_conflicts(store, conflict()),
        save_conflicts(store, conflict()),
        save_conflicts(store, conflict('"C"')),
        save_conflicts(store, conflict('"C"', source="delivery")),
        save_conflicts(store),
        save_conflicts(store),
        save_conflicts(store, conflict('"C"', source="delivery")),
    ]

    assert counts == [1, 0, 1, 1, 1, 0, 1]
    with store.read() as connection:
        [row] = links.open_conflicts(connection, "acme")
        assert (row["other"], row["chosen_from"]) == ('"C"', "delivery")
        assert links.open_conflicts(connection, "globex") == []
