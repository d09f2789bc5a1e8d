"""The second count itself: what it found at fault in the export, by hand, and beside the lab over twelve years."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.github.history import read_export, rebuild
from tests.acceptance import recount
from tests.acceptance.recount import Count, Export

pytestmark = pytest.mark.needs("SYNCD_LAB_DATA")


@pytest.fixture(scope="module")
def export() -> Export:
    """The raw files."""
    return Export(Path(os.environ["SYNCD_LAB_DATA"]))


def test_events_and_final_states_disagree_where_the_second_count_says_so(export: Export) -> None:
    assert export.closed_without_event() == recount.CLOSED_WITHOUT_EVENT


def test_figures_of_three_tuesdays(export: Export) -> None:
    tuesdays = [datetime(2025, 7, day, tzinfo=UTC) for day in (15, 22, 29)]

    counts = [Count(export, tuesday) for tuesday in tuesdays]

    states = ("todo", "in_progress", "blocked", "done", "cancelled")
    assert [[len(count.in_state(state)) for state in states] for count in counts] == [
        [98, 50, 2, 1193, 272],
        [99, 47, 1, 1202, 273],
        [101, 48, 1, 1202, 274],
    ]
    assert [count.overdue for count in counts] == [{1095: 388}, {1095: 393, 1175: 2}, {1095: 398}]
    assert [count.done_since(tuesdays[0]) for count in counts] == [
        set(),
        {1694, 1696, 1699, 1702, 1704, 1705, 1706, 1707, 1708},
        {1694, 1696, 1699, 1702, 1704, 1705, 1706, 1707, 1708},
    ]
    assert counts[0].promised(datetime(2025, 7, 22).date()) == {1095, 1175, 1694, 1696}


def test_lab_rebuilds_the_past_as_the_second_count_sees_it(export: Export) -> None:
    raw = read_export(Path(os.environ["SYNCD_LAB_DATA"]))
    days = [datetime(year, month, 2, 3, 7, tzinfo=UTC) for year in range(2014, 2027) for month in (5, 8, 11)]

    for day in days:
        count, rows = Count(export, day), rebuild(raw, day).issues
        assert {row["number"]: row["state"] == "open" for row in rows} == {n: n in count.open for n in count.states}
        assert {row["number"]: _milestone_in(row) for row in rows} == {n: count.milestone_of(n) for n in count.states}


def _milestone_in(row: Any) -> int | None:
    return row["milestone"]["number"] if row["milestone"] else None
