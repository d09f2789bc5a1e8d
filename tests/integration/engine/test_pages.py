"""A page is stored whole or not at all, and every record in it is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.engine import landing
from syncd.engine.workspace import Workspace
from syncd.sdk.connector import Page, Record
from syncd.store import cursors, parked, records, runs
from syncd.store.cursors import Position
from syncd.store.records import Place
from syncd.store.runs import Balance
from tests.integration.engine.world import World

TASKS = Place("pc", "work_items")
STATES = {
    "todo": {"id": "1", "name": "新建", "type": "pending"},
    "done": {"id": "2", "name": "已完成", "type": "completed"},
    "unmapped": {"id": "9", "name": "外星", "type": "alien"},
}


def item(remote_id: str, state: str = "todo", *, title: str = "Task", deleted: bool = False) -> Record:
    data = {"id": remote_id, "identifier": f"CP-{remote_id}", "title": title, "state": STATES[state], "tags": []}
    return Record("work_items", remote_id, data, deleted=deleted)


def begin(space: Workspace) -> str:
    with space.store.begin() as connection:
        return runs.start(connection, "test", {}, at=space.now())


def store(space: Workspace, run: str, *items: Record) -> Balance:
    return landing.store_page(space, run, TASKS, Page(items), Position(TASKS, cursor={"updated_at": "x"}))


def open_parked(space: Workspace) -> list[str]:
    with space.store.read() as connection:
        return [row.remote_id for row in parked.open_rows(connection)]


def live(space: Workspace) -> set[str]:
    with space.store.read() as connection:
        return records.live_ids(connection, TASKS)


pages = st.lists(
    st.lists(
        st.builds(
            item,
            st.sampled_from("abcdef"),
            st.sampled_from(sorted(STATES)),
            title=st.sampled_from(["one", "two"]),
            deleted=st.booleans(),
        ),
        max_size=8,
    ),
    max_size=5,
)


@given(pages=pages)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_of_any_page_is_accounted_for_and_the_last_word_counts(
    local: World, pages: Sequence[Sequence[Record]]
) -> None:
    with local.open() as space, local.store.begin() as connection:
        for name in ("records", "entities", "parked", "changes"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    with local.open() as space:
        run, total = begin(space), Balance()
        for page in pages:
            balance = store(space, run, *page)
            assert balance.is_even, str(balance)
            assert balance.read == len(page)
            total.add(balance)

        last: dict[str, Record] = {record.remote_id: record for page in pages for record in page}
        fits = {key for key, record in last.items() if record.data["state"]["type"] != "alien" and not record.deleted}
        deleted = {key for key, record in last.items() if record.deleted}
        assert fits <= live(space)
        assert not deleted & live(space)
        assert not (fits | deleted) & set(open_parked(space))
        assert set(last) - fits - deleted == set(open_parked(space))
        with space.store.read() as connection:
            assert runs.balance_of(runs.latest(connection)[0]) == total or not pages


def test_a_page_whose_transaction_fails_leaves_nothing_half(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.open() as space:
        run = begin(space)
        store(space, run, item("a"))
        before = world.tables()

        def dies(*_: Any, **__: Any) -> None:
            raise RuntimeError("the process dies here")

        monkeypatch.setattr(cursors, "save", dies)
        with pytest.raises(RuntimeError):
            store(space, run, item("a", "done"), item("b"), item("c", "unmapped"))

        assert world.tables() == before


def test_a_tombstone_after_the_record_in_one_page_deletes_it(local: World) -> None:
    with local.open() as space:
        run = begin(space)
        store(space, run, item("a"), item("b"))

        balance = store(space, run, item("a", title="last edit"), item("a", deleted=True))

        assert live(space) == {"b"}
        assert balance == Balance(read=2, written=1, unchanged=1)


def test_a_parked_record_that_is_put_back_as_it_was_waits_no_longer(local: World) -> None:
    with local.open() as space:
        run = begin(space)
        store(space, run, item("a"))
        store(space, run, item("a", "unmapped"))
        assert open_parked(space) == ["a"]

        balance = store(space, run, item("a"))

        assert open_parked(space) == []
        assert balance == Balance(read=1, unchanged=1)


def test_a_parked_record_that_the_vendor_deletes_waits_no_longer(local: World) -> None:
    with local.open() as space:
        run = begin(space)
        store(space, run, item("a", "unmapped"))

        balance = store(space, run, item("a", deleted=True))

        assert open_parked(space) == []
        assert balance == Balance(read=1, skipped=1)


def test_a_record_that_a_person_skipped_is_skipped_until_its_content_changes(world: World) -> None:
    with world.open() as space:
        run = begin(space)
        store(space, run, item("a", "unmapped"))
        with space.store.begin() as connection:
            number = parked.open_rows(connection)[0].id
            parked.skip(connection, number, "a test item", at=space.now())

        again = store(space, run, item("a", "unmapped"))
        changed = store(space, run, item("a", "unmapped", title="Renamed"))

        assert again == Balance(read=1, skipped=1)
        assert changed == Balance(read=1, parked=1)
        assert open_parked(space) == ["a"]


def test_all_parked_records_are_tried_again_however_many_they_are(local: World) -> None:
    with local.open() as space:
        run = begin(space)
        store(space, run, *(item(str(number), "unmapped") for number in range(1, 1202)))
        with space.store.begin() as connection:
            connection.exec_driver_sql("UPDATE parked SET data = replace(data, '\"alien\"', '\"pending\"')")

        through, still = landing.retry_parked(space)

        assert (through, still) == (1201, 0)
        assert len(live(space)) == 1201


def test_a_page_keeps_the_fingerprint_of_its_mapping_with_the_cursor(world: World) -> None:
    with world.open() as space:
        store(space, begin(space), item("a"))

        with space.store.read() as connection:
            position = cursors.load(connection, TASKS)
        assert position == replace(
            Position(TASKS, cursor={"updated_at": "x"}), mapping=space.mapping("pc").fingerprint[:32]
        )
