"""Firings and runs by the thousand: what the service asks for when it begins to lead, and what it forgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from syncd.store import Store, firings, runs

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OURS = {"config_version": "v1", "holder": "us"}


def test_schedules_are_registered_together_and_their_newest_slot_is_known(store: Store) -> None:
    with store.begin() as database:
        firings.register_all(database, ["plan:a:daily", "plan:b:daily"], at=NOON, **OURS)
        firings.claim(database, "plan:b:daily", NOON + DAY, at=NOON + DAY, **OURS)
        firings.claim(database, "pull:x:tasks", NOON, at=NOON, **OURS)

        newest = firings.newest(database, "plan:")

    assert newest == {"plan:a:daily": NOON, "plan:b:daily": NOON + DAY}


def test_a_registration_counts_as_no_digest_and_is_not_unended(store: Store) -> None:
    with store.begin() as database:
        firings.register_all(database, ["plan:a:daily"], at=NOON, **OURS)
        firings.claim(database, "plan:a:daily", NOON + DAY, at=NOON + DAY, **OURS)

        counts = firings.state_counts(database, "plan:")
        unended = firings.unended(database, "plan:")

    assert counts == {"seen": 1, "running": 1}
    assert unended == [("plan:a:daily", NOON + DAY)]


def test_registering_nothing_is_no_error(store: Store) -> None:
    with store.begin() as database:
        firings.register_all(database, [], at=NOON, **OURS)

    with store.read() as database:
        assert firings.count(database) == 0


def test_slots_of_reads_are_forgotten_sooner_than_those_of_plans(store: Store) -> None:
    with store.begin() as database:
        for schedule in ("plan:a:daily", "pull:x:tasks"):
            for due in (NOON, NOON + DAY, NOON + 2 * DAY):
                firings.claim(database, schedule, due, at=due, **OURS)
                firings.end(database, schedule, due, at=due)

        forgotten = firings.prune(database, before=NOON + 3 * DAY, prefix="pull:")

    with store.read() as database:
        assert forgotten == 2
        assert firings.count(database, "plan:") == 3
        assert firings.newest(database, "pull:") == {"pull:x:tasks": NOON + 2 * DAY}


def test_old_reads_are_forgotten_and_runs_of_people_are_kept(store: Store) -> None:
    with store.begin() as database:
        for command in ("pull", "run"):
            runs.end(database, runs.start(database, command, {}, at=NOON), "ok", at=NOON)
        runs.start(database, "pull", {}, at=NOON)  # still under way

        forgotten = runs.prune(database, command="pull", before=NOON + DAY)

    with store.read() as database:
        assert forgotten == 1
        assert sorted(row["command"] for row in runs.latest(database, limit=9)) == ["pull", "run"]
