"""Ways through a list: nothing that stays is missed while the list moves, and no list is walked for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import ConfigError, ContractError
from syncd.sdk import paging
from syncd.sdk.paging import (
    Position,
    Slice,
    keyset,
    links,
    offsets,
    page_numbers,
    parse_stamp,
    resume_from,
    stamp,
    tokens,
)

Moves = dict[int, list[tuple[str, int]]]
MOVES = st.dictionaries(
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(["insert", "remove", "touch"]), st.integers(0, 200)), max_size=6),
    max_size=8,
)


class MovingList:
    """Rows of (stamp, id) in the vendor's order; before its nth answer it makes the nth moves."""

    def __init__(self, size: int, moves: Moves, *, per_stamp: int = 1) -> None:
        self.rows = [(number // per_stamp, f"{number:04d}") for number in range(size)]
        self.moves = moves
        self.moved: set[str] = set()
        self.answers = 0
        self.clock = 10_000

    def move(self, *, kinds: Sequence[str] = ("insert", "remove", "touch")) -> None:
        for kind, where in self.moves.get(self.answers, ()):
            self.clock += 1
            if kind == "insert" and kind in kinds:
                self.rows.append((self.clock, f"new{self.clock}"))
            elif self.rows and kind in kinds:
                _, row_id = self.rows.pop(where % len(self.rows))
                self.moved.add(row_id)
                if kind == "touch":
                    self.rows.append((self.clock, row_id))
        self.answers += 1

    def untouched(self, size: int) -> set[str]:
        return {f"{number:04d}" for number in range(size)} - self.moved


def ids(parts: Sequence[Slice]) -> set[str]:
    return {item[1] for part in parts for item in part.items}


def ends_once(parts: Sequence[Slice]) -> bool:
    return [part.last for part in parts] == [False] * (len(parts) - 1) + [True]


# -- properties -----------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(size=st.integers(0, 60), limit=st.integers(1, 9), per_stamp=st.integers(1, 60), moves=MOVES)
def test_keyset_misses_nothing_in_a_moving_list(size: int, limit: int, per_stamp: int, moves: Moves) -> None:
    vendor = MovingList(size, moves, per_stamp=per_stamp)

    def fetch(after: Position | None) -> tuple[Sequence[Any], bool]:
        vendor.move()
        start = (int(after.stamp), after.id) if after else (-1, "")
        found = sorted(row for row in vendor.rows if row > start)[:limit]
        return found, len(found) == limit

    parts = [part for part, _ in keyset(fetch, lambda row: Position(str(row[0]), row[1]))]

    assert vendor.untouched(size) <= ids(parts)
    assert ends_once(parts)


@settings(max_examples=150, deadline=None)
@given(size=st.integers(0, 60), limit=st.integers(2, 9), moves=MOVES, counts=st.booleans())
def test_offsets_with_a_key_miss_nothing_in_a_moving_list(size: int, limit: int, moves: Moves, counts: bool) -> None:
    vendor = MovingList(size, moves)

    def fetch(start: int) -> tuple[Sequence[Any], int | None]:
        vendor.move()
        return vendor.rows[start : start + limit], len(vendor.rows) if counts else None

    parts = list(offsets(fetch, limit=limit, key=lambda row: row))

    assert vendor.untouched(size) <= ids(parts)
    assert ends_once(parts)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(0, 60), limit=st.integers(1, 9), moves=MOVES)
def test_page_numbers_miss_nothing_while_rows_are_removed(size: int, limit: int, moves: Moves) -> None:
    vendor = MovingList(size, moves)

    def fetch(number: int) -> tuple[Sequence[Any], int | None, bool]:
        vendor.move(kinds=("remove",))
        start = (number - 1) * limit
        return vendor.rows[start : start + limit], len(vendor.rows), start + limit < len(vendor.rows)

    parts = list(page_numbers(fetch))

    assert vendor.untouched(size) <= ids(parts)
    assert ends_once(parts)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_tokens_walk_over_short_and_empty_pages(sizes: list[int]) -> None:
    def fetch(token: str | None) -> Slice:
        number = int(token or 0)
        last = number == len(sizes) - 1
        rows = [(number, f"{number}-{row}") for row in range(sizes[number])]
        return Slice(rows, last=last, next=None if last else str(number + 1))

    parts = list(tokens(fetch))

    assert [len(part.items) for part in parts] == sizes
    assert ends_once(parts)


def test_twenty_thousand_rows_with_one_stamp_neither_loop_nor_vanish() -> None:
    rows = [("7", f"{number:05d}") for number in range(20_000)]

    def fetch(after: Position | None) -> tuple[Sequence[Any], bool]:
        start = int(after.id) + 1 if after else 0
        return rows[start : start + 200], start + 200 <= len(rows)

    parts = [part for part, _ in keyset(fetch, lambda row: Position(row[0], row[1]))]

    assert len(ids(parts)) == 20_000
    assert len(parts) == 101


# -- lists that run in circles --------------------------------------------------------------------------------

SAME = [(1, "a"), (2, "b")]


def test_vendor_that_ignores_the_page_number_is_noticed() -> None:
    asked: list[int] = []

    def fetch(number: int) -> tuple[Sequence[Any], int | None, bool]:
        asked.append(number)
        return SAME, None, True

    with pytest.raises(ContractError, match="page 21 repeats the page before"):
        list(page_numbers(fetch))
    assert len(asked) == 21


def test_vendor_that_ignores_the_offset_is_noticed() -> None:
    with pytest.raises(ContractError, match="repeats the page before"):
        list(offsets(lambda start: (SAME, None), limit=2))


def test_one_repeated_page_may_be_chance() -> None:
    pages = iter([SAME, SAME, [(3, "c")]])

    parts = list(page_numbers(lambda number: (page := next(pages), None, len(page) == 2)))

    assert ids(parts) == {"a", "b", "c"}


def test_vendor_that_ignores_the_position_is_noticed() -> None:
    with pytest.raises(ContractError, match="no progress"):
        list(keyset(lambda after: (SAME, True), lambda row: Position(str(row[0]), row[1])))


def test_positions_that_alternate_are_noticed() -> None:
    pages = [[(1, "a")], [(2, "b")]]
    asked: list[Position | None] = []

    def fetch(after: Position | None) -> tuple[Sequence[Any], bool]:
        asked.append(after)
        return pages[len(asked) % 2], True

    with pytest.raises(ContractError, match="no progress"):
        list(keyset(fetch, lambda row: Position(str(row[0]), row[1])))
    assert len(asked) == 3


def test_tokens_that_alternate_are_noticed() -> None:
    following = {None: "a", "a": "b", "b": "a"}

    with pytest.raises(ContractError, match="second time"):
        list(tokens(lambda token: Slice([], last=False, next=following[token])))


def test_missing_token_is_an_error_and_not_an_end() -> None:
    with pytest.raises(ContractError, match="no new page token"):
        list(tokens(lambda token: Slice(SAME, last=False)))


@pytest.mark.parametrize(
    "walk",
    [
        lambda: page_numbers(lambda number: ([(number, "x")], None, True)),
        lambda: offsets(lambda start: ([(start, "x")], None), limit=1),
        lambda: tokens(lambda token: Slice([], last=False, next=str(int(token or 0) + 1))),
        lambda: keyset(
            lambda after: ([(int(after.stamp) + 1 if after else 0, "x")], True), lambda row: Position(str(row[0]), "x")
        ),
    ],
    ids=["pages", "offsets", "tokens", "keyset"],
)
def test_endless_list_ends_with_an_error(walk: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_SLICES", 50)

    with pytest.raises(ContractError, match="did not end within 50 pages"):
        list(walk())


# -- ends -----------------------------------------------------------------------------------------------------


def test_empty_page_with_more_to_follow_is_an_error() -> None:
    with pytest.raises(ContractError, match="page 2 is empty"):
        list(page_numbers(lambda number: (SAME if number == 1 else [], None, True)))


def test_offset_that_brings_nothing_before_the_total_is_an_error() -> None:
    with pytest.raises(ContractError, match="nothing comes from offset 1 but the vendor counts 9"):
        list(offsets(lambda start: (SAME[start:] if start == 0 else [], 9), limit=2))


def test_total_that_shrinks_reads_as_many_pages_again_as_moved() -> None:
    asked: list[int] = []
    totals = iter([9, 9, 9, 4, 4, 4, 4])

    def fetch(number: int) -> tuple[Sequence[Any], int | None, bool]:
        asked.append(number)
        return [(number, f"{len(asked)}")] * 2, next(totals), len(asked) < 7

    list(page_numbers(fetch))

    assert asked == [1, 2, 3, 4, 1, 2, 3]


def test_links_are_followed_to_the_last() -> None:
    pages = {None: ([1], "b"), "b": ([2], "c"), "c": ([3], None)}

    parts = list(links(lambda url: pages[url]))

    assert [list(part.items) for part in parts] == [[1], [2], [3]]
    assert ends_once(parts)


# -- stamps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-05T00:00:00Z", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T08:00:00+08:00", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-04T13:00:00-11:00", datetime(2026, 1, 5, tzinfo=UTC)),
        ("2026-01-05T14:00:00.250+14:00", datetime(2026, 1, 5, 0, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_stamp_is_read_as_utc(text: str, at: datetime) -> None:
    assert parse_stamp(text) == at
    assert parse_stamp(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-05", "2026-01-05T00:00:00", "2026-13-05T00:00:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_stamp_without_zone_or_sense_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=text or "''"):
        parse_stamp(text)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_stamp_comes_back_as_it_was(at: datetime) -> None:
    assert parse_stamp(stamp(at)) == at


@pytest.mark.parametrize(
    ("cursor", "start"),
    [
        (None, None),
        ({}, None),
        ({"updated_at": None}, None),
        ({"id": "7"}, None),
        ({"updated_at": "2026-01-05T00:15:00Z", "id": "7"}, datetime(2026, 1, 5, tzinfo=UTC)),
        ({"updated_at": "0001-01-01T00:00:01Z"}, datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_incremental_read_starts_before_its_cursor(cursor: dict[str, Any] | None, start: datetime | None) -> None:
    assert resume_from(cursor, timedelta(minutes=15)) == start
