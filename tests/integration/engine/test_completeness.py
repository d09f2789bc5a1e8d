"""How complete the data are is part of the record, and a digest of data that are not is held."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.engine.compose import Verdict
from syncd.model.communication import Freshness, SourceState
from syncd.sdk.fake import Fault
from tests.integration.engine.world import BETA, World


def source(world: World, name: str = "pc", **wishes: object) -> tuple[SourceState, str, tuple[str, ...]]:
    drafted = world.run(**wishes).drafts[0]
    found = next(one for one in drafted.record.sources if one.connection == name)
    return found, drafted.verdict, drafted.problems


def test_fresh_data_say_as_of_when_the_oldest_stream_was_read(world: World) -> None:
    started = world.clock.now()

    found, verdict, problems = source(world)

    assert (found.freshness, found.data_as_of, found.parked, found.note) == (Freshness.FRESH, started, 0, "")
    assert (verdict, problems) == (Verdict.QUEUED, ())


def test_data_that_were_never_read_hold_the_digest(world: World) -> None:
    found, verdict, problems = source(world, only="compose")

    assert (found.freshness, found.data_as_of) == (Freshness.NEVER, None)
    assert verdict is Verdict.HELD
    assert problems[0] == "PingCode (pc) is never: projects: not read to its end yet"
    assert world.rows("outbox") == []


def test_stale_data_hold_the_digest(world: World) -> None:
    world.run(only="pull")
    read_at = world.clock.now()
    world.pass_time(timedelta(hours=27))

    found, verdict, problems = source(world, only="compose")

    assert (found.freshness, found.data_as_of) == (Freshness.STALE, read_at)
    assert verdict is Verdict.HELD
    assert problems[0] == "PingCode (pc) is stale: data as of 2026-03-02 10:00 UTC"


def test_a_failed_read_holds_the_digest_and_the_next_good_one_lets_it_go(world: World) -> None:
    world.run(only="pull")
    world.pass_time(timedelta(hours=1))
    world.pingcode.misbehave(Fault.GONE, path="/search$", times=9)

    found, verdict, _ = source(world)
    world.pingcode.behave()
    mended = world.run()

    assert (found.freshness, found.note) == (Freshness.FAILED, "work_items: the last read failed")
    assert verdict is Verdict.HELD
    assert mended.drafts[0].verdict is Verdict.QUEUED


def test_an_id_that_the_vendor_does_not_have_is_named(local: World) -> None:
    local.texts["acme"] = local.texts["acme"].replace("project: {portal}", "project: 66a0no-such-project")

    found, verdict, problems = source(local)

    assert found.note == "not found: project 66a0no-such-project"
    assert verdict is Verdict.HELD
    assert problems == ("PingCode (pc) is failed: not found: project 66a0no-such-project",)


def test_a_project_that_was_deleted_at_the_vendor_is_named(local: World) -> None:
    local.run()
    local.pass_time(timedelta(hours=1))
    local.pingcode.tenant.delete(local.pingcode.tenant.projects[local.ids["portal"]])
    local.pingcode.set_state(local.ids["search"], "已完成")
    local.pass_time(timedelta(hours=1))

    found, verdict, _ = source(local)

    assert found.note == f"not found: project {local.ids['portal']} (deleted there)"
    assert verdict is Verdict.HELD


@pytest.mark.parametrize("state", ["外星", "另一个"])
def test_what_is_parked_is_counted_and_makes_the_record_incomplete(local: World, state: str) -> None:
    for number in range(10):
        local.task(f"Task {number}")
    item = local.pingcode.tenant.work_items[local.ids["export"]]
    local.pingcode.tenant.update(item, state={"id": "x", "name": state, "type": "alien"})

    report = local.run()

    made = report.drafts[0].record
    assert {one.connection: one.parked for one in made.sources} == {"pc": 1, "crm": 0}
    assert not made.is_complete
    assert report.drafts[0].verdict is Verdict.QUEUED


def test_a_failing_source_of_one_account_does_not_hold_the_other(local: World) -> None:
    local.texts["beta"] = BETA
    local.zoho.misbehave(Fault.GONE, path="^/crm/", times=999)

    report = local.run()

    verdicts = {drafted.turn.account.id: drafted.verdict for drafted in report.drafts}
    assert verdicts == {"acme": Verdict.HELD, "beta": Verdict.QUEUED}
    assert [sent.recipients for sent in local.mail.messages] == [("wu@beta.example",)]


def test_a_digest_without_most_of_the_tasks_is_held_and_says_why(world: World) -> None:
    for name in ("login", "search", "export"):
        item = world.pingcode.tenant.work_items[world.ids[name]]
        world.pingcode.tenant.update(item, state={"id": "x", "name": "外星", "type": "alien"})

    found, verdict, problems = source(world)

    assert (found.freshness, found.parked) == (Freshness.FAILED, 3)
    assert verdict is Verdict.HELD
    assert problems == ("PingCode (pc) is failed: 3 of 5 records do not fit the mapping; see: syncd parked list",)
    assert world.mail.messages == []
