"""The page transaction: raw records, entities with their history, cursors, and what was parked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from syncd.model.entities import Entity, Milestone, Task, TaskStatus, entity_id
from syncd.model.entities import Ref as EntityRef
from syncd.store import Store, cursors, parked, records
from syncd.store.cursors import Position
from syncd.store.records import Known, Landed, Place

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TASKS = Place("delivery", "tasks")
PROJECT = entity_id("delivery", "projects", "P1")


def landed(remote_id: str, *, mark: str = "a") -> Landed:
    return Landed(remote_id, mark.encode() * 16, f'{{"id": "{remote_id}", "mark": "{mark}"}}', NOON)


def task(
    remote_id: str, *, status: TaskStatus = TaskStatus.TODO, connection: str = "delivery", **fields: object
) -> Task:
    ref = EntityRef(connection=connection, stream="tasks", remote_id=remote_id)
    values = {"title": f"Task {remote_id}", "project": PROJECT, "updated_at": NOON, **fields}
    return Task(id=entity_id(connection, "tasks", remote_id), ref=ref, status=status, **values)  # type: ignore[arg-type]


def save(store: Store, *made: Entity, at: datetime = NOON, replaces: bool = False) -> None:
    with store.begin() as connection:
        ids = frozenset(entity.id for entity in made) if replaces else frozenset()
        records.save_entities(connection, made, replaces=ids, at=at)


def store_page(store: Store, number: int, *, fails: bool = False) -> None:
    with store.begin() as connection:
        records.save(connection, TASKS, [landed(str(number))], at=NOON)
        records.save_entities(connection, [task(str(number))], replaces=frozenset(), at=NOON)
        cursors.save(connection, Position(TASKS, cursor={"updated_at": "2026-03-02", "id": number}))
        if fails:
            raise RuntimeError("the process dies here")


def test_a_page_that_fails_half_way_leaves_neither_data_nor_cursor(store: Store) -> None:
    store_page(store, 1)

    with pytest.raises(RuntimeError):
        store_page(store, 2, fails=True)

    with store.read() as connection:
        assert set(records.known(connection, TASKS, ["1", "2"])) == {"1"}
        assert records.load_entities(connection, [task("2").id]) == []
        assert cursors.load(connection, TASKS).cursor == {"updated_at": "2026-03-02", "id": 1}


def test_what_is_stored_of_records_is_told_by_content_hash(store: Store) -> None:
    ids = [str(number) for number in range(1200)]
    with store.begin() as connection:
        records.save(connection, TASKS, [landed(one) for one in ids], at=NOON)
        records.save(connection, TASKS, [landed("7", mark="b")], at=NOON)

    with store.read() as connection:
        known = records.known(connection, TASKS, [*ids, "unheard of"])
        elsewhere = records.known(connection, Place("delivery", "bugs"), ids)

    assert len(known) == 1200
    assert known["6"] == Known(b"a" * 16, is_deleted=False)
    assert known["7"] == Known(b"b" * 16, is_deleted=False)
    assert elsewhere == {}


def test_a_record_that_comes_twice_in_one_page_is_kept_once_as_it_was_last(store: Store) -> None:
    with store.begin() as connection:
        records.save(connection, TASKS, [landed("1"), landed("1", mark="b")], at=NOON)

    with store.read() as connection:
        assert [item.data for _, item in records.stored(connection, TASKS)] == ['{"id": "1", "mark": "b"}']


def test_a_remote_id_and_a_text_of_any_length_are_kept(store: Store) -> None:
    long_id, text = "x" * 1000, '"' + "长" * 1_700_000 + '"'
    with store.begin() as connection:
        records.save(connection, TASKS, [Landed(long_id, b"a" * 16, text, None)], at=NOON)

    with store.read() as connection:
        [(_, item)] = records.stored(connection, TASKS)

    assert (item.remote_id, item.data) == (long_id, text)


def test_an_entity_comes_back_as_it_was_saved(store: Store) -> None:
    whole = task("1", due_date=date(2026, 3, 31), labels=["客户可见"], custom_fields={"points": 3, "who": ["李"]})

    save(store, whole)

    with store.read() as connection:
        assert records.load_entities(connection, [whole.id]) == [whole]


def test_each_field_that_changes_is_kept_with_its_old_value_and_the_vendors_time(store: Store) -> None:
    later = NOON + HOUR
    save(store, task("1", due_date=date(2026, 3, 10)))

    changed = task("1", status=TaskStatus.DONE, due_date=date(2026, 3, 12), updated_at=later)
    save(store, changed, at=later + HOUR, replaces=True)

    with store.read() as connection:
        history = records.changes_of(connection, [changed.id])
    assert sorted(history[changed.id]) == [
        ("due_date", '"2026-03-10"', '"2026-03-12"', later),
        ("status", '"todo"', '"done"', later),
    ]


def test_history_is_told_newest_first_and_may_be_asked_from_a_moment_or_for_a_field(store: Store) -> None:
    save(store, task("1", title="one"))
    for number, title in enumerate(("two", "three"), 1):
        at = NOON + number * HOUR
        save(store, task("1", title=title, priority=title, updated_at=at), at=at, replaces=True)
    one = task("1").id

    with store.read() as connection:
        titles = records.changes_of(connection, [one], field="title")
        recent = records.changes_of(connection, [one], since=NOON + 2 * HOUR)

    assert [(old, new) for _, old, new, _ in titles[one]] == [('"two"', '"three"'), ('"one"', '"two"')]
    assert {name for name, *_ in recent[one]} == {"title", "priority"}
    assert {at for *_, at in recent[one]} == {NOON + 2 * HOUR}


def test_an_entity_saved_unchanged_has_no_history(store: Store) -> None:
    save(store, task("1"))

    save(store, task("1", updated_at=NOON + HOUR), replaces=True)

    with store.read() as connection:
        assert records.changes_of(connection, [task("1").id]) == {}


def test_a_deletion_is_marked_once_and_dated_when_it_was_seen(store: Store) -> None:
    seen_at = NOON + 24 * HOUR
    store_page(store, 1)
    store_page(store, 2)

    with store.begin() as connection:
        marked = records.mark_deleted(connection, TASKS, ["1", "unheard of"], at=seen_at)
        again = records.mark_deleted(connection, TASKS, ["1"], at=seen_at + HOUR)

    with store.read() as connection:
        [gone] = records.load_entities(connection, [task("1").id])
        assert (marked, again) == (1, 0)
        assert gone.deleted_at == seen_at
        assert records.changes_of(connection, [gone.id])[gone.id] == [
            ("deleted_at", None, '"2026-03-03T12:00:00Z"', seen_at)
        ]
        assert records.known(connection, TASKS, ["1"])["1"].is_deleted
        assert records.live_ids(connection, TASKS) == {"2"}
        assert records.counts(connection) == {("delivery", "tasks"): 1}


def test_a_deleted_record_that_comes_back_lives_again(store: Store) -> None:
    store_page(store, 1)
    with store.begin() as connection:
        records.mark_deleted(connection, TASKS, ["1"], at=NOON + HOUR)

    with store.begin() as connection:
        records.save(connection, TASKS, [landed("1")], at=NOON + 2 * HOUR)
        records.save_entities(connection, [task("1")], replaces=frozenset({task("1").id}), at=NOON + 2 * HOUR)

    with store.read() as connection:
        assert not records.known(connection, TASKS, ["1"])["1"].is_deleted
        assert records.load_entities(connection, [task("1").id])[0].deleted_at is None
        assert [at for *_, at in records.changes_of(connection, [task("1").id])[task("1").id]] == [
            NOON + 2 * HOUR,
            NOON + HOUR,
        ]


def test_entities_are_found_by_what_they_belong_to(store: Store) -> None:
    other = entity_id("delivery", "projects", "P2")
    ref = EntityRef(connection="delivery", stream="milestones", remote_id="M1")
    milestone = Milestone(id=entity_id("delivery", "milestones", "M1"), ref=ref, name="Beta", project=PROJECT)
    save(store, task("1"), task("2", project=other), task("3", connection="second"), milestone)

    with store.read() as connection:
        of_project = {entity.ref.remote_id for entity in records.entities_of(connection, "Task", project=PROJECT)}
        of_both = records.entities_of(connection, "Task", project=PROJECT, source="second")
        milestones = records.entities_of(connection, "Milestone")

    assert of_project == {"1", "3"}
    assert of_both == [task("3", connection="second")]
    assert milestones == [milestone]


def test_an_entity_is_found_by_the_id_that_a_connection_knows_it_by(store: Store) -> None:
    save(store, task("1"), task("1", connection="second", title="another"))

    with store.read() as connection:
        found = records.find_entity(connection, source="second", kinds=["Milestone", "Task"], remote_id="1")
        absent = records.find_entity(connection, source="second", kinds=["Project"], remote_id="1")

    assert isinstance(found, Task)
    assert found.title == "another"
    assert absent is None


def test_entities_that_a_mapping_no_longer_takes_are_forgotten(store: Store) -> None:
    save(store, task("1"), task("2"), task("1", connection="second"))

    with store.begin() as connection:
        records.drop_entities(connection, TASKS, ["1", "unheard of"])

    with store.read() as connection:
        left = {entity.ref.connection + entity.ref.remote_id for entity in records.entities_of(connection, "Task")}
    assert left == {"delivery2", "second1"}


def test_stored_records_are_handed_out_in_order_and_in_parts(store: Store) -> None:
    with store.begin() as connection:
        records.save(connection, TASKS, [landed(str(number)) for number in range(5)], at=NOON)
        records.save(connection, Place("delivery", "bugs"), [landed("99")], at=NOON)
        records.save(connection, Place("delivery", "tasks", "other"), [landed("98")], at=NOON)

    with store.read() as connection:
        first = records.stored(connection, TASKS, limit=3)
        second = records.stored(connection, TASKS, after=first[-1][0], limit=3)

    assert [item.remote_id for _, item in first] == ["0", "1", "2"]
    assert [item.remote_id for _, item in second] == ["3", "4"]


def test_the_state_of_a_partition_comes_back_as_it_was_saved(store: Store) -> None:
    place = Place("delivery", "issues", "acme/portal")
    state = Position(
        place,
        cursor={"updated_at": "2026-03-02T12:00:00Z", "id": 7, "page": None},
        reading_full=True,
        as_of=NOON,
        full_at=NOON - HOUR,
        mapping="f" * 32,
        failed_at=NOON + HOUR,
        error="timeout\x00 after 30 s",
    )

    with store.begin() as connection:
        cursors.save(connection, Position(place))
        cursors.save(connection, state)

    with store.read() as connection:
        assert cursors.load(connection, Place("delivery", "issues")) == Position(Place("delivery", "issues"))
        [found] = cursors.all_of(connection, "delivery")
        assert found.cursor == state.cursor
        assert (found.reading_full, found.as_of, found.full_at) == (True, NOON, NOON - HOUR)
        assert found.error == "timeout\ufffd after 30 s"
        assert cursors.all_of(connection, "crm") == []


def park(store: Store, *, mark: str = "a", reason: str = "no such state", value: str = "'Paused'") -> None:
    with store.begin() as connection:
        parked.park(connection, TASKS, landed("1", mark=mark), reason, at=NOON, field="status", value=value)


def test_a_parked_record_is_kept_whole_and_counted(store: Store) -> None:
    park(store)
    park(store, mark="b", reason="still no such state", value="'\x00Paused\ud800'")

    with store.read() as connection:
        [row] = parked.open_rows(connection, source="delivery")
        counts = parked.open_counts(connection)

    assert (row.reason, row.field, row.value) == ("still no such state", "status", "'\ufffdPaused\ufffd'")
    assert (row.times, row.first_at, row.state) == (2, NOON, "open")
    assert row.landed == landed("1", mark="b")
    assert counts == {"delivery": 1}


def test_a_skip_sticks_for_the_same_content_and_ends_with_another(store: Store) -> None:
    park(store)
    with store.begin() as connection:
        number = parked.open_rows(connection)[0].id
        first = parked.skip(connection, number, "a test entry of the client", at=NOON)
        second = parked.skip(connection, number, "again", at=NOON)

    park(store)
    with store.read() as connection:
        same = parked.load(connection, number)
        open_after_same = parked.open_counts(connection)
    park(store, mark="b")
    with store.read() as connection:
        other = parked.load(connection, number)

    assert (first, second) == (True, False)
    assert same is not None
    assert other is not None
    assert (same.state, same.why) == ("skipped", "a test entry of the client")
    assert open_after_same == {}
    assert (other.state, other.why) == ("open", None)


def test_parked_rows_are_settled_when_their_records_are_stored(store: Store) -> None:
    park(store)

    with store.begin() as connection:
        parked.settle(connection, TASKS, [str(number) for number in range(40_000)], at=NOON + HOUR)
        parked.settle(connection, TASKS, [], at=NOON + HOUR)

    with store.read() as connection:
        assert parked.open_rows(connection) == []
    park(store)
    with store.read() as connection:
        assert parked.open_counts(connection) == {"delivery": 1}


def test_any_number_of_ids_may_be_asked_for(store: Store) -> None:
    many = [str(number) for number in range(40_000)]

    with store.begin() as connection:
        known = records.known(connection, TASKS, many)
        loaded = records.load_entities(connection, many)
        marked = records.mark_deleted(connection, TASKS, many, at=NOON)
        history = records.changes_of(connection, many)

    assert (known, loaded, marked, history) == ({}, [], 0, {})
