"""Contract cases on reading: complete, repeatable, resumable, and true while the vendor's list moves."""
# ruff: noqa: S101, FBT001

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest

from syncd.errors import ConfigError
from syncd.sdk.connector import Connector, Deletes, Partitioned
from syncd.sdk.contract.description import DescriptionContract
from syncd.sdk.contract.harness import AT, NOW, Clock, context_for, ids_of, read_all
from syncd.sdk.paging import parse_stamp

SECOND = timedelta(seconds=1)


class FullReadContract(DescriptionContract):
    """A read from no cursor: everything, page one to a normal end."""

    def test_every_stream_can_be_read(self, fake: Any, subject: Connector, stream: str) -> None:
        pages = read_all(subject, stream, partition=self.partition(fake, stream))

        assert all(record.stream == stream for page in pages for record in page.records)

    @pytest.mark.parametrize("count", [0, 1, 250])
    def test_full_read_misses_none(self, fake: Any, subject: Connector, bulk_stream: str, count: int) -> None:
        ids = self.populate(fake, bulk_stream, count, at=AT)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert len(set(ids)) == count
        assert set(ids) - set(ids_of(pages)) == set()

    def test_two_full_reads_are_equal(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        self.populate(fake, bulk_stream, 30, at=AT)
        partition = self.partition(fake, bulk_stream)

        first = read_all(subject, bulk_stream, partition=partition)
        second = read_all(subject, bulk_stream, partition=partition)

        assert [r for p in first for r in p.records] == [r for p in second for r in p.records]

    def test_records_carry_id_and_aware_stamp(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        ids = self.populate(fake, bulk_stream, 3, at=AT)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        ours = [record for page in pages for record in page.records if record.remote_id in ids]
        assert all(record.remote_id.strip() for record in ours)
        assert {record.updated_at for record in ours} <= {AT, None}

    def test_pages_are_of_a_bearable_size(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        self.populate(fake, bulk_stream, 250, at=AT)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert max(len(page.records) for page in pages) <= 1000

    def test_plan_mode_reads(self, fake: Any, clock: Clock, bulk_stream: str) -> None:
        ids = self.populate(fake, bulk_stream, 3, at=AT)
        connector = self.connector(fake, context_for(clock, read_only=True))

        pages = read_all(connector, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert set(ids) - set(ids_of(pages)) == set()
        connector.close()

    def test_partitions_are_stable_and_hold_ours(self, fake: Any, subject: Connector, partitioned_stream: str) -> None:
        assert isinstance(subject, Partitioned)
        partition = self.partition(fake, partitioned_stream)

        first = list(subject.partitions(partitioned_stream))
        second = list(subject.partitions(partitioned_stream))

        assert first == second
        assert len(set(first)) == len(first)
        assert partition in first

    def test_unknown_stream_is_an_error(self, subject: Connector) -> None:
        with pytest.raises((ConfigError, KeyError), match="no_such_stream"):
            list(subject.read("no_such_stream", None))

    def test_removed_record_shows_as_declared(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        ids = self.populate(fake, bulk_stream, 5, at=AT)
        partition = self.partition(fake, bulk_stream)
        cursor = read_all(subject, bulk_stream, partition=partition)[-1].cursor
        self.remove(fake, bulk_stream, ids[2], at=AT + timedelta(minutes=30))

        later = read_all(subject, bulk_stream, cursor, partition=partition)
        full = ids_of(read_all(subject, bulk_stream, partition=partition))

        match subject.spec.stream(bulk_stream).deletes:
            case Deletes.REPORTED:
                assert ids[2] in ids_of(later, deleted=True)
            case Deletes.CENSUS:
                assert ids[2] not in full
                assert set(ids) - set(full) == {ids[2]}
            case Deletes.NOT_VISIBLE:
                assert set(ids) - {ids[2]} - set(full) == set()

    @pytest.mark.parametrize("zone", ["Etc/GMT+11", "UTC", "Asia/Shanghai", "Pacific/Kiritimati"])
    def test_stamps_do_not_depend_on_the_machines_zone(
        self, fake: Any, subject: Connector, bulk_stream: str, zone: str, machine_zone: Any
    ) -> None:
        machine_zone(zone)
        ids = self.populate(fake, bulk_stream, 1, at=AT)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        stamps = {r.updated_at for page in pages for r in page.records if r.remote_id == ids[0]}
        assert stamps <= {AT, None}
        assert all(stamp.tzinfo is UTC for stamp in stamps if stamp)

    @pytest.fixture
    def machine_zone(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """Set the machine's time zone for one test."""

        def set_zone(name: str) -> None:
            monkeypatch.setenv("TZ", name)
            time.tzset()

        yield set_zone
        monkeypatch.undo()
        time.tzset()


class IncrementalContract(FullReadContract):
    """A read from a cursor: what changed since, and never less."""

    def test_nothing_changed_costs_few_requests(self, fake: Any, subject: Connector, incremental_stream: str) -> None:
        self.populate(fake, incremental_stream, 20, at=AT)
        partition = self.partition(fake, incremental_stream)
        cursor = read_all(subject, incremental_stream, partition=partition)[-1].cursor
        before = len(fake.calls)

        again = read_all(subject, incremental_stream, cursor, partition=partition)[-1].cursor

        assert len(fake.calls) - before <= 3
        assert _stamp_of(again) >= _stamp_of(cursor)

    @pytest.mark.parametrize("later", [timedelta(0), SECOND, timedelta(hours=1)], ids=["same stamp", "1 s", "1 h"])
    def test_touched_record_is_seen(
        self, fake: Any, subject: Connector, incremental_stream: str, later: timedelta
    ) -> None:
        ids = self.populate(fake, incremental_stream, 20, at=AT)
        partition = self.partition(fake, incremental_stream)
        cursor = read_all(subject, incremental_stream, partition=partition)[-1].cursor
        self.touch(fake, incremental_stream, ids[3], at=AT + later)

        pages = read_all(subject, incremental_stream, cursor, partition=partition)

        assert ids[3] in ids_of(pages)

    def test_change_shown_late_is_seen_within_the_overlap(
        self, fake: Any, subject: Connector, incremental_stream: str
    ) -> None:
        self.populate(fake, incremental_stream, 3, at=AT)
        partition = self.partition(fake, incremental_stream)
        cursor = read_all(subject, incremental_stream, partition=partition)[-1].cursor
        overlap = subject.spec.stream(incremental_stream).overlap
        late = self.populate(fake, incremental_stream, 1, at=(AT - overlap / 2).replace(microsecond=0))

        pages = read_all(subject, incremental_stream, cursor, partition=partition)

        assert set(late) <= set(ids_of(pages)) or overlap == timedelta(0)

    def test_since_alone_is_a_cursor(self, fake: Any, subject: Connector, incremental_stream: str) -> None:
        old = self.populate(fake, incremental_stream, 3, at=AT - timedelta(days=30))
        new = self.populate(fake, incremental_stream, 3, at=AT)
        since = {"updated_at": (AT - timedelta(minutes=1)).isoformat()}

        ids = set(
            ids_of(read_all(subject, incremental_stream, since, partition=self.partition(fake, incremental_stream)))
        )

        assert set(new) <= ids
        assert set(old) & ids == set()

    @pytest.mark.parametrize("count", [0, 3])
    def test_cursor_does_not_run_ahead_of_the_clock(
        self, fake: Any, subject: Connector, incremental_stream: str, count: int
    ) -> None:
        self.populate(fake, incremental_stream, count, at=AT)

        pages = read_all(subject, incremental_stream, partition=self.partition(fake, incremental_stream))

        assert [page.cursor for page in pages if _stamp_of(page.cursor) > NOW] == []

    def test_cursor_in_the_future_reads_to_a_normal_end(
        self, fake: Any, subject: Connector, incremental_stream: str
    ) -> None:
        self.populate(fake, incremental_stream, 3, at=AT)
        future = {"updated_at": (NOW + timedelta(days=365)).isoformat()}

        pages = read_all(subject, incremental_stream, future, partition=self.partition(fake, incremental_stream))

        assert ids_of(pages, deleted=True) == []

    def test_cursor_is_flat_json(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        self.populate(fake, bulk_stream, 3, at=AT)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        for cursor in (page.cursor for page in pages if page.cursor is not None):
            assert json.loads(json.dumps(dict(cursor))) == dict(cursor)
            assert all(isinstance(value, str | int | float | bool | None) for value in cursor.values())

    def test_interrupted_read_resumes_without_loss(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        ids = self.populate(fake, bulk_stream, 250, at=AT)
        partition = self.partition(fake, bulk_stream)
        pages = read_all(subject, bulk_stream, partition=partition)

        for position, page in enumerate(pages[:-1]):
            if page.cursor is not None:
                rest = ids_of(read_all(subject, bulk_stream, page.cursor, partition=partition))
                assert set(ids) - set(ids_of(pages[: position + 1])) - set(rest) == set()

    def test_many_records_with_one_stamp_neither_loop_nor_vanish(
        self, fake: Any, subject: Connector, incremental_stream: str
    ) -> None:
        ids = self.populate(fake, incremental_stream, self.same_stamp_count, at=AT)
        since = {"updated_at": AT.isoformat()}

        pages = read_all(subject, incremental_stream, since, partition=self.partition(fake, incremental_stream))

        assert set(ids) - set(ids_of(pages)) == set()
        assert len(ids_of(pages)) <= 3 * len(ids)

    def test_hot_record_is_seen(self, fake: Any, subject: Connector, incremental_stream: str) -> None:
        ids = self.populate(fake, incremental_stream, 250, at=AT)
        partition = self.partition(fake, incremental_stream)
        ticks = iter(range(1, 10_000))
        fake.before_each(lambda _: self.touch(fake, incremental_stream, ids[0], at=AT + next(ticks) * SECOND))

        pages = read_all(subject, incremental_stream, {"updated_at": AT.isoformat()}, partition=partition)

        assert set(ids) - set(ids_of(pages)) == set()

    @pytest.mark.parametrize("full", [True, False], ids=["full", "incremental"])
    def test_moving_list_hides_no_record(
        self, fake: Any, subject: Connector, incremental_stream: str, full: bool
    ) -> None:
        ids = self.populate(fake, incremental_stream, 250, at=AT)
        moved = iter(ids[::10])
        fake.before_each(lambda _: self._shake(fake, incremental_stream, moved))
        cursor = None if full else {"updated_at": AT.isoformat()}

        pages = read_all(subject, incremental_stream, cursor, partition=self.partition(fake, incremental_stream))

        assert (set(ids) - set(ids[::10])) - set(ids_of(pages)) == set()

    def _shake(self, fake: Any, stream: str, moved: Iterator[str]) -> None:
        touched, removed = next(moved, None), next(moved, None)
        self.populate(fake, stream, 1, at=AT + SECOND)
        if touched:
            self.touch(fake, stream, touched, at=AT + 2 * SECOND)
        if removed:
            self.remove(fake, stream, removed, at=AT + 3 * SECOND)


def _stamp_of(cursor: Any) -> Any:
    """Return the time that a cursor names, the beginning of time when it names none."""
    return parse_stamp(str((cursor or {}).get("updated_at", "0001-01-01T00:00:00Z")))
