"""Numbered pages over a list that shrinks again and again while it is read."""

from __future__ import annotations

from syncd.sdk.paging import page_numbers


def test_steps_back_after_each_removal_are_not_taken_for_a_circle() -> None:
    rows = list(range(250))
    removals = iter([200, 201, 202, 203])

    def fetch(number: int) -> tuple[list[int], int, bool]:
        if (gone := next(removals, None)) is not None:
            rows.remove(gone)
        return rows[number * 100 : (number + 1) * 100], len(rows), (number + 1) * 100 < len(rows)

    seen = {row for part in page_numbers(fetch, first=0) for row in part.items}

    assert seen >= set(range(250)) - {200, 201, 202, 203}
