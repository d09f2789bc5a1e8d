"""Reading ahead: order, errors and an early end are as if nobody read ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from syncd.engine.ahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("page two")

    reader = ahead(items())

    assert next(reader) == 1
    with pytest.raises(ValueError, match="page two"):
        next(reader)


def test_leaving_early_closes_the_source_and_ends_the_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    reader = ahead(items())
    next(reader)
    reader.close()  # type: ignore[attr-defined]

    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_no_more_is_fetched_than_the_depth_allows() -> None:
    fetched: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            fetched.append(number)
            if number == 3:
                third.set()
            yield number

    reader = ahead(items(), depth=2)
    next(reader)
    assert third.wait(5.0)

    assert len(fetched) <= 4
    reader.close()  # type: ignore[attr-defined]
