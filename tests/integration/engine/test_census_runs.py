"""Deletions that nobody reports: a complete read finds them, many at once wait for a person, half a read is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.github.fake import Fake as GitHub
from syncd.engine import census, landing
from syncd.engine.run import Order, execute
from syncd.errors import StoppedError
from syncd.sdk.fake import Fault
from syncd.store import parked
from syncd.store.parked import Parked
from tests.integration.engine.world import World

REPOSITORY = "acme/portal"
CONNECTION = """\
  gh:
    connector: github
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{url}", token: env:GH_TOKEN, repositories: [acme/portal]}}
"""


@pytest.fixture
def github(local: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """The world with GitHub instead of PingCode, one repository with 250 issues."""
    with GitHub() as fake:
        local.clock.drive(fake)
        fake.add_repository(REPOSITORY)
        for number in range(250):
            fake.add_issue(REPOSITORY, f"Issue {number}", at=local.clock.now() - timedelta(minutes=300 - number))
        monkeypatch.setenv("GH_TOKEN", fake.token)
        local.extra = CONNECTION.format(url=fake.url)
        local.texts["acme"] = local.texts["acme"].replace(
            "connection: pc, project: {portal}", f"connection: gh, project: {REPOSITORY}"
        )
        yield fake


def live(world: World, kind: str = "Task") -> int:
    return sum(row["deleted_at"] is None for row in world.rows("entities", kind=kind))


def pull(world: World, **wishes: Any) -> Any:
    report = world.run(only="pull", **wishes)
    return next(p for r in report.pulls for p in r.streams if p.place.stream == "issues")


def delete(github: GitHub, count: int, *, first: int = 1) -> None:
    for number in range(first, first + count):
        github.repository(REPOSITORY).issues.remove(number)


def quarantined(world: World) -> Parked:
    with world.store.read() as connection:
        return next(row for row in parked.open_rows(connection) if census.is_census(row))


def test_a_complete_read_finds_what_has_vanished(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 10)

    unseen = pull(local)
    found = pull(local, full=True)

    assert unseen.vanished == 0
    assert (found.vanished, found.quarantined) == (10, 0)
    assert live(local) == 240


def test_many_deletions_at_once_wait_for_a_person(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 26)

    found = pull(local, full=True)

    row = quarantined(local)
    assert (found.vanished, found.quarantined, live(local)) == (0, 26, 250)
    assert "gh issues: 26 of 250 records are gone from the vendor at once" in row.reason
    assert "nothing was marked as deleted" in row.reason
    assert "syncd parked retry" in row.reason


def test_an_empty_answer_never_wipes_a_stream(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 250)

    found = pull(local, full=True)

    assert (found.vanished, found.quarantined, live(local)) == (0, 250, 250)


def test_not_even_the_only_record_of_a_stream_goes_by_an_empty_answer() -> None:
    assert not census.may_delete(1, 1)
    assert census.may_delete(2, 1)
    assert census.may_delete(100, 10)
    assert not census.may_delete(100, 11)
    assert census.may_delete(1000, 100)
    assert not census.may_delete(1000, 101)


def test_confirmed_deletions_are_marked_as_deleted(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 26)
    pull(local, full=True)

    with local.open() as space:
        count = census.confirm(space, quarantined(local))

    assert (count, live(local)) == (26, 224)
    assert local.rows("parked", state="open") == []


def test_a_declined_quarantine_is_silent_until_other_records_vanish(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 26)
    pull(local, full=True)
    with local.store.begin() as connection:
        parked.skip(connection, quarantined(local).id, "a filter was set by mistake", at=local.clock.now())

    same = pull(local, full=True)
    delete(github, 5, first=27)
    more = pull(local, full=True)

    assert (same.quarantined, more.quarantined) == (0, 31)
    assert live(local) == 250


def test_records_that_are_back_end_the_quarantine(local: World, github: GitHub) -> None:
    pull(local)
    kept = [github.repository(REPOSITORY).issues.get(number) for number in range(1, 27)]
    delete(github, 26)
    pull(local, full=True)
    for number, row in enumerate(kept, 1):
        assert row is not None
        github.repository(REPOSITORY).issues.put(number, row)

    found = pull(local, full=True)

    assert (found.vanished, found.quarantined, live(local)) == (0, 0, 250)
    assert local.rows("parked", state="open") == []


def stop_after(world: World, pages: int, *, full: bool = False) -> None:
    """Run and ask to stop when so many pages of issues are stored."""
    seen: list[int] = []
    store_page = landing.store_page

    def counted(space: Any, run: str, place: Any, *rest: Any) -> Any:
        balance = store_page(space, run, place, *rest)
        if place.stream == "issues":
            seen.append(1)
        if len(seen) == pages:
            space.stop.set()
        return balance

    with world.open() as space, pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "store_page", counted)
        with pytest.raises(StoppedError):
            execute(space, Order(only="pull", full=full))


def test_an_interrupted_full_read_goes_on_from_its_cursor(local: World, github: GitHub) -> None:
    stop_after(local, 1)
    between = live(local)
    github.calls.clear()

    rest = pull(local)

    assert between == 100
    assert live(local) == 250
    assert rest.balance.read < 250
    assert local.rows("runs")[0]["state"] in ("interrupted", "ok")
    assert all("since" in call.query for call in github.calls if call.path.endswith("/issues"))


def test_a_full_read_that_was_resumed_is_no_census(local: World, github: GitHub) -> None:
    pull(local)
    delete(github, 5)
    stop_after(local, 1, full=True)

    resumed = pull(local)

    assert (resumed.vanished, resumed.quarantined, live(local)) == (0, 0, 250)
    assert pull(local, full=True).vanished == 5


def test_a_read_that_breaks_off_is_no_census(local: World, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    pull(local)
    delete(github, 5)
    github.misbehave(Fault.GONE, path="/issues$", after=1)

    broken = pull(local, full=True)

    assert broken.error is not None
    assert (broken.vanished, live(local)) == (0, 250)


def test_a_parked_record_that_vanished_waits_no_longer(local: World, github: GitHub) -> None:
    for number in (1, 2):
        github.change_issue(REPOSITORY, number, state="haunted")
    pull(local)
    assert len(local.rows("parked", state="open")) == 2
    delete(github, 1)

    pull(local, full=True)

    assert [row["remote_id"] for row in local.rows("parked", state="open")] == [f"{REPOSITORY}/issues/2"]


def test_a_vendors_tombstone_deletes_without_a_census(local: World) -> None:
    local.run(only="pull")
    local.pass_time(timedelta(hours=1))
    local.pingcode.tenant.delete(local.pingcode.tenant.work_items[local.ids["export"]])

    local.run(only="pull")
    local.pass_time(timedelta(minutes=1))
    report = local.run()

    assert report.drafts[0].record.progress.total_count == 2
    assert live(local) == 3
