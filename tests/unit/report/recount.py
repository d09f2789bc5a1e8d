"""A second opinion on a record's numbers: plain loops over the definitions, sharing no code with `syncd.report`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from syncd.report.facts import ProjectFacts

# Days off and made-up weekends of the State Council's calendar for the first half of 2026.
OFF = ["01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06", "05-01", "05-04", "05-05"]
MADE_UP = ["01-04", "02-14", "02-28", "05-09"]


def works(day: date) -> bool:
    name = day.strftime("%m-%d")
    return name in MADE_UP or (day.weekday() < 5 and name not in OFF)


def working_days(start: date, end: date) -> int:
    sign, first, last = (1, start, end) if start <= end else (-1, end, start)
    return sign * sum(works(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))


def local(moment: datetime) -> date:
    return (moment + timedelta(hours=8)).date()


def recount(facts: ProjectFacts) -> dict[str, Any]:
    end, start, today = facts.period_end, facts.period_start, local(facts.now)
    milestones: dict[str, dict[str, Any]] = {}
    for m in facts.milestones:
        if (m.created_at and m.created_at >= end) or (m.deleted_at and m.deleted_at < end):
            continue
        undone = m.completed_at is not None and m.completed_at >= end
        if m.status == "cancelled" and not undone:
            continue
        finished = m.status == "done" and not undone
        completed = local(m.completed_at) if finished and m.completed_at else None
        base = m.baseline_due_date or facts.baselines.get(m.id) or m.due_date
        milestones[m.id] = {
            "due": m.due_date,
            "open": m.status == "open" or undone,
            "base": base,
            "completed": completed,
            "done": 0,
            "total": 0,
        }

    known: dict[str, tuple[Any, str, date | None, bool]] = {}
    for t in facts.tasks:
        if t.created_at and t.created_at >= end:
            continue
        state = str(t.status)
        if state in ("done", "cancelled") and t.completed_at and t.completed_at >= end:
            state = "todo"
        due = t.due_date
        if due is None and t.milestone in milestones:
            due = milestones[t.milestone]["due"] or milestones[t.milestone]["base"]
        known[t.id] = (t, state, due, bool(t.deleted_at and t.deleted_at < end))

    total, finished_ids, period, added, removed, overdue, soon, started, held = ([] for _ in range(9))
    for id_, (t, state, due, deleted) in known.items():
        if deleted or state == "cancelled":
            moment = t.deleted_at if deleted else t.completed_at
            if moment is None and facts.previous:  # every previous one of these samples ends in the period
                gone = id_ in facts.previous.claims["progress.total_count"]
            else:
                moment = moment or t.updated_at
                gone = moment is not None and start <= moment < end
            if gone:
                removed.append(id_)
            continue
        total.append(id_)
        if t.milestone in milestones:
            milestones[t.milestone]["total"] += 1
            milestones[t.milestone]["done"] += state == "done"
        if t.created_at and start <= t.created_at < end:
            added.append(id_)
        if state == "done":
            finished_ids.append(id_)
            if t.completed_at and start <= t.completed_at < end:
                period.append(id_)
            continue
        if due and due < today:
            overdue.append((id_, working_days(due, today)))
        if due and due < local(facts.next_end):
            soon.append((due, id_))
        if state in ("in_progress", "blocked"):
            started.append(id_)
        if t.holder == "client":
            held.append(id_)

    hours = [known[id_][0].estimate_hours for id_ in total]
    by_hours = bool(hours) and None not in hours and sum(hours) > 0
    weigh = {id_: (known[id_][0].estimate_hours if by_hours else 1) for id_ in total}
    broken = {}
    promised = [i for i in facts.previous.next if i.due_date < local(end)] if facts.previous else []
    for item in promised:
        if item.id not in known:
            broken[item.id] = "left_project"
            continue
        t, state, due, deleted = known[item.id]
        if state == "done" and not deleted:
            continue
        if deleted:
            broken[item.id] = "deleted"
        elif state == "cancelled":
            broken[item.id] = "cancelled"
        elif t.holder == "client":
            broken[item.id] = "waits_for_client"
        elif t.holder == "third_party":
            broken[item.id] = "waits_for_third_party"
        elif state == "blocked":
            broken[item.id] = "blocked"
        elif due and item.due_date and due > item.due_date:
            broken[item.id] = "moved"
        else:
            broken[item.id] = "in_progress" if state == "in_progress" else "not_started"

    undecided = [d for d in facts.decisions if d.status == "open" and not d.deleted_at]
    asked = [d.id for d in undecided if not d.asked_at or d.asked_at < end]
    asked += [c.id for c in facts.change_requests if c.status == "awaiting_client"]
    slips = {}
    for id_, m in milestones.items():
        now, late = m["completed"] or m["due"], None
        if m["open"] and m["due"] and m["due"] < today:  # still to come, so it slips on until it does
            now, late = today, working_days(m["due"], today)
        slips[id_] = (working_days(m["base"], now) if m["base"] and now else None, late)
    return {
        "total": len(total),
        "done": len(finished_ids),
        "weights": (sum(weigh[i] for i in finished_ids), sum(weigh.values()), "hours" if by_hours else "items"),
        "period": sorted(period),
        "added": len(added),
        "removed": len(removed),
        "overdue": sorted(overdue),
        "next": sorted(soon),
        "in_progress": sorted(started),
        "broken": broken,
        "promised": len(promised),
        "asks": sorted(asked + held),
        "milestones": {
            id_: (m["base"], m["due"], m["completed"], m["done"], m["total"], slips[id_])
            for id_, m in milestones.items()
        },
    }
