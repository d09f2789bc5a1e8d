"""Random projects, counted twice: the record and an independent recount must agree on every number."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.model.communication import CommunicationRecord
from syncd.report import record
from tests.unit.report.recount import recount
from tests.unit.report.samples import two_weeks


def counted(made: CommunicationRecord) -> dict[str, Any]:
    progress = made.progress
    return {
        "total": progress.total_count,
        "done": progress.done_count,
        "weights": (progress.done_weight, progress.total_weight, progress.weight_unit),
        "period": sorted(item.id for item in made.done),
        "added": progress.added_this_period,
        "removed": progress.removed_this_period,
        "overdue": sorted((item.id, item.days_late) for item in made.overdue),
        "next": sorted((item.due_date, item.id) for item in made.next if item.due_date),
        "in_progress": sorted(item.id for item in made.in_progress),
        "broken": {item.id: str(item.reason) for item in made.planned_not_done},
        "promised": made.since_last.promised if made.since_last else 0,
        "asks": sorted(ask.id for ask in made.needs_you),
        "milestones": {
            m.id: (
                m.baseline_due_date,
                m.due_date,
                m.completed_date,
                m.done_count,
                m.total_count,
                (m.slip_days, m.days_late),
            )
            for m in made.milestones
        },
    }


@pytest.mark.parametrize("block", range(10))
def test_300_random_projects_count_the_same_twice(block: int) -> None:
    for seed in range(block * 30, block * 30 + 30):
        before, later, made = two_weeks(seed)

        assert counted(record.build(before)) == recount(before), f"seed {seed}, first week"
        assert counted(made) == recount(later), f"seed {seed}, second week"
        assert made.since_last is not None
        assert made.since_last.kept == made.since_last.promised - len(made.planned_not_done)
