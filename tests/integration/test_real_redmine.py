"""The whole job on a Redmine that others wrote: pull, compose, comment; edits, deletions, a restart in the middle.

Start it with `tests/servers/redmine.sh start` and switch the tests on with `eval "$(tests/servers/redmine.sh env)"`.
Every test makes a project of its own, so that they may run on a server that is in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.redmine.writing import mark_of
from syncd import settings
from syncd.engine import census
from syncd.engine.compose import Verdict
from syncd.engine.pull import StreamProgress
from syncd.engine.run import Report
from syncd.engine.workspace import Workspace
from syncd.errors import AuthError, TransientError
from syncd.model.entities import TaskStatus
from syncd.store import open_store, parked
from syncd.store.outbox import State
from tests.integration.redmine_stage import CLOSED, RESOLVED, Desk, Server, control

pytestmark = pytest.mark.needs("SYNCD_TEST_REDMINE")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def desk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("REAL_REDMINE_KEY", server.key)
    store = open_store(f"sqlite:///{tmp_path / 'syncd.db'}")
    yield Desk(tmp_path / "config", store, server)
    store.close()


def streams(report: Report) -> dict[str, StreamProgress]:
    return {progress.place.stream: progress for result in report.pulls for progress in result.streams}


def seeded(desk: Desk) -> dict[str, int]:
    """Two versions and four issues, one of them the place for our comments."""
    server = desk.server
    numbers = {"alpha": server.version("Alpha", due_date="2026-03-01")["id"]}
    numbers["beta"] = server.version("Beta", due_date="2026-04-01")["id"]
    numbers["report"] = server.issue("Report here")
    numbers["login"] = server.issue("Login page", fixed_version_id=numbers["alpha"], done_ratio=40)
    numbers["search"] = server.issue("订单搜索", fixed_version_id=numbers["beta"], description="按日期\n和客户")
    numbers["export"] = server.issue("CSV export", fixed_version_id=numbers["beta"])
    server.change(numbers["export"], status_id=CLOSED)
    desk.write(numbers["report"])
    return numbers


def test_project_is_pulled_composed_and_commented_once(desk: Desk) -> None:
    numbers = seeded(desk)

    report = desk.run()
    later = desk.run()

    assert report.state == "ok"
    assert report.errors == []
    assert (report.balance.parked, report.balance.is_even) == (0, True)
    tasks = desk.tasks()
    assert {title: task.status for title, task in tasks.items()} == {
        "Report here": TaskStatus.TODO,
        "Login page": TaskStatus.TODO,
        "订单搜索": TaskStatus.TODO,
        "CSV export": TaskStatus.DONE,
    }
    assert tasks["Login page"].milestone == desk.milestone(numbers["alpha"]).id
    assert tasks["Login page"].percent_complete == 40
    assert tasks["CSV export"].completed_at is not None
    assert tasks["订单搜索"].description == "按日期\r\n和客户"
    assert str(desk.milestone(numbers["beta"]).due_date) == "2026-04-01"
    (pushed,) = report.pushed
    assert (pushed.state, pushed.row.target_id) == (State.SENT, str(numbers["report"]))
    (note,) = desk.server.notes_of(numbers["report"])
    assert note.endswith(mark_of(pushed.row.idempotency_key))
    assert pushed.receipt is not None
    assert pushed.receipt.url.startswith(f"{desk.server.url}/issues/{numbers['report']}#change-")  # type: ignore[union-attr]
    assert [drafted.verdict for drafted in later.drafts] == [Verdict.NOTHING_NEW]
    assert later.pushed == []
    assert len(desk.server.notes_of(numbers["report"])) == 1


def test_edits_come_through_and_nothing_else_does(desk: Desk) -> None:
    numbers = seeded(desk)
    desk.run(only="pull")

    desk.server.change(numbers["login"], status_id=RESOLVED, done_ratio=90, notes="Ready for a look")
    desk.server.ask("PUT", f"versions/{numbers['beta']}.json", version={"due_date": "2026-04-15"})
    report = desk.run(only="pull")
    quiet = desk.run(only="pull")

    login = str(numbers["login"])
    assert desk.changes() == {
        (login, "status"): ("todo", "in_progress"),
        (login, "remote_status"): ("New", "Resolved"),
        (login, "percent_complete"): (40.0, 90.0),
        (f"versions/{numbers['beta']}", "due_date"): ("2026-04-01", "2026-04-15"),
    }
    written = {name: progress.balance.written for name, progress in streams(report).items()}
    assert written == {"projects": 0, "users": 0, "versions": 1, "issues": 1, "journals": 1}
    assert (quiet.balance.written, quiet.balance.skipped, quiet.balance.parked) == (0, 0, 0)


def test_deleted_issue_is_found_by_census_and_many_at_once_wait_for_a_person(desk: Desk) -> None:
    numbers = [desk.server.issue(f"Task {n:02}") for n in range(24)]
    desk.write(numbers[0])
    desk.run(only="pull")

    desk.server.ask("DELETE", f"issues/{numbers[5]}.json")
    one = desk.run(only="pull", full=True)
    for number in numbers[10:22]:
        desk.server.ask("DELETE", f"issues/{number}.json")
    many = desk.run(only="pull", full=True)

    assert (streams(one)["issues"].vanished, streams(one)["issues"].quarantined) == (1, 0)
    assert (streams(many)["issues"].vanished, streams(many)["issues"].quarantined) == (0, 12)
    assert many.state == "attention"
    assert [title for title, task in desk.tasks().items() if task.deleted_at] == ["Task 05"]
    with desk.store.read() as connection:
        (waiting,) = parked.open_rows(connection, source="rm")
    assert "12 of 23 records are gone from the vendor at once" in waiting.reason
    assert census.confirm(Workspace(settings.load(desk.folder), desk.store), waiting) == 12
    assert sum(task.deleted_at is None for task in desk.tasks().values()) == 11


def test_restart_in_the_middle_of_a_pull_loses_and_doubles_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redmine goes away after the second page and comes back: first for good until the next run, then at once."""
    monkeypatch.setattr("connectors.redmine.walk.PAGE_SIZE", 4)
    titles = {f"Task {n:02}" for n in range(30)}
    numbers = [desk.server.issue(title) for title in sorted(titles)]
    desk.write(numbers[0])
    stopped: list[int] = []

    def stop_it(progress: StreamProgress) -> None:
        if progress.place.stream == "issues" and progress.pages == 2 and not stopped:
            stopped.append(progress.balance.read)
            control("stop")

    try:
        broken = desk.run(only="pull", told=stop_it, patient=False)
    finally:
        control("start")
    stored = len(desk.tasks())
    whole = desk.run(only="pull")

    assert any(isinstance(error, TransientError) for error in broken.errors)
    assert 0 < stored < 30
    assert whole.errors == []
    assert set(desk.tasks()) == titles
    written = streams(broken)["issues"].balance.written + streams(whole)["issues"].balance.written
    assert written == 30
    assert desk.changes() == {}


def test_restart_that_a_pull_waits_out_is_not_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.redmine.walk.PAGE_SIZE", 4)
    titles = {f"Task {n:02}" for n in range(30)}
    numbers = [desk.server.issue(title) for title in sorted(titles)]
    desk.write(numbers[0])
    restarts: list[int] = []

    def restart_it(progress: StreamProgress) -> None:
        if progress.place.stream == "issues" and progress.pages == 2 and not restarts:
            restarts.append(progress.balance.read)
            control("stop")
            control("start")

    report = desk.run(only="pull", told=restart_it)

    assert restarts != []
    assert report.errors == []
    assert set(desk.tasks()) == titles
    assert streams(report)["issues"].balance.written == 30


def test_locked_user_reads_as_a_stranger_and_nothing_is_taken_for_deleted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project is public: Redmine goes on answering, with what everybody may see."""
    desk.write(desk.server.issue("For everybody"))
    desk.server.issue("Not for everybody", is_private=True)
    number, key = desk.server.member()
    monkeypatch.setenv("REAL_REDMINE_KEY", key)
    desk.server.ask("PUT", f"users/{number}.json", user={"admin": True})
    desk.run(only="pull")

    desk.server.ask("PUT", f"users/{number}.json", user={"status": 3, "admin": False})
    shown = desk.server.ask("GET", f"issues.json?project_id={desk.server.name}", key=key)
    report = desk.run(only="pull", full=True)

    assert [row["subject"] for row in shown["issues"]] == ["For everybody"]
    assert [type(error) for error in report.errors] == [AuthError]
    assert [task.deleted_at for task in desk.tasks().values()] == [None, None]
