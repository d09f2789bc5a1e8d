"""The communication plan: who gets what, once, after whose approval; and plan and apply, which do exactly one thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from syncd.engine import approval, planned
from syncd.engine.compose import Verdict
from syncd.engine.push import push
from syncd.errors import BusyError, ConfigError
from syncd.store import leases
from tests.integration.engine.world import ACME, World


def plan_of(world: World, rows: str, *, audiences: str = "") -> None:
    """Give Acme another plan, and more audiences."""
    head, _, rest = ACME.partition("plan:\n")
    show = rest[rest.index("show:") :]
    world.texts["acme"] = f"{head}{audiences}plan:\n{rows}{show}"


def states(world: World) -> list[tuple[str, str, str]]:
    return [(row["connection"], row["recipient"], row["state"]) for row in world.rows("outbox")]


def test_a_row_with_digest_goes_along_with_the_rhythm(local: World) -> None:
    local.run()

    note = local.zoho.records("Notes")[0]
    assert "Portal" in note["Note_Title"]
    assert states(local) == [("mail", "li@acme.example", "sent"), ("crm", "", "sent")]


def test_a_reader_in_two_audiences_gets_one_message_a_slot(world: World) -> None:
    plan_of(
        world,
        "  - {{audience: pm, channel: mail, when: friday 16:00}}\n"
        "  - {{audience: board, channel: mail, content: brief, when: friday 16:00}}\n",
        audiences="  board: {{contacts: [wang@acme.example, li@acme.example]}}\n",
    )

    world.run()

    assert sorted(sent.recipients[0] for sent in world.mail.messages) == ["li@acme.example", "wang@acme.example"]


def test_what_needs_an_approval_waits_for_it_and_then_goes_once(world: World) -> None:
    plan_of(world, "  - {{audience: pm, channel: mail, when: friday 16:00, approver: zhao@agency.example}}\n")

    report = world.run()
    world.run()
    waiting = world.effects
    with world.open() as space:
        released = approval.approve(space, space.config.account("acme"), 1, actor="zhao")
        push(space)
        again = approval.approve(space, space.config.account("acme"), 1, actor="zhao")

    assert [drafted.verdict for drafted in report.drafts] == [Verdict.WAITS]
    assert (waiting, [row.recipient for row in released], again) == ((0, 0), ["li@acme.example"], [])
    assert len(world.mail.messages) == 1
    assert world.rows("communication_records")[0]["state"] == "sent"
    assert [row["actor"] for row in world.rows("audit", action="approve")] == ["zhao"]


def test_an_approver_of_one_row_holds_that_row_only(local: World) -> None:
    plan_of(
        local,
        "  - {{audience: pm, channel: mail, when: friday 16:00, approver: zhao@agency.example}}\n"
        "  - {{audience: pm, channel: crm, content: brief, when: with digest}}\n",
    )

    local.run()

    assert states(local) == [("mail", "li@acme.example", "held"), ("crm", "", "sent")]
    assert local.effects == (0, 1)


def test_a_newer_digest_replaces_one_that_was_never_approved(local: World) -> None:
    plan_of(local, "  - {{audience: pm, channel: mail, when: friday 16:00, approver: zhao@agency.example}}\n")
    local.run()
    local.pingcode.set_state(local.ids["search"], "已完成")
    local.pass_time(timedelta(days=1))

    local.run()

    assert [row["state"] for row in local.rows("outbox")] == ["cancelled", "held"]
    assert {row["number"]: row["state"] for row in local.rows("communication_records")} == {
        1: "superseded",
        2: "in_review",
    }


def test_a_number_that_waits_in_two_projects_is_approved_by_project(local: World) -> None:
    plan_of(local, "  - {{audience: pm, channel: mail, when: friday 16:00, approver: zhao@agency.example}}\n")
    local.texts["acme"] = local.texts["acme"].replace(
        "audiences:", "  - name: Shop\n    from: [{{connection: pc, project: {shop}}}]\naudiences:"
    )
    local.run()

    with local.open() as space:
        account = space.config.account("acme")
        with pytest.raises(ConfigError, match=r"record 1 waits in several projects \('Portal', 'Shop'\).*--project"):
            approval.approve(space, account, 1, actor="zhao")
        released = approval.approve(space, account, 1, project="Shop", actor="zhao")

    assert len(released) == 1
    assert {row["project"]: row["state"] for row in local.rows("outbox")} == {"Portal": "held", "Shop": "pending"}


def test_a_dry_run_reads_and_shows_but_queues_and_sends_nothing(world: World) -> None:
    report = world.run(dry_run=True)

    assert [drafted.verdict for drafted in report.drafts] == [Verdict.QUEUED]
    assert len(report.drafts[0].intents) == 2
    assert world.effects == (0, 0)
    assert (world.pingcode.writes, world.zoho.writes, world.mail.writes) == (0, 0, 0)
    assert (world.rows("outbox"), world.rows("communication_records")) == ([], [])


def test_a_plan_writes_nothing_and_its_hash_is_stable(world: World) -> None:
    world.run(only="pull")
    before, calls = world.tables(), world.vendor_calls

    with world.open(read_only=True) as space:
        at = world.clock.now()
        first, second = (planned.make(space, ["acme"], at=at) for _ in range(2))

    assert first.hash == second.hash
    assert len(first.keys) == 2
    assert (world.tables(), world.vendor_calls, world.effects) == (before, calls, (0, 0))


def apply(world: World, plan: planned.Plan) -> tuple[planned.Plan, list[Any]]:
    with world.open() as space:
        return planned.apply(space, plan.accounts, at=plan.at, expected=plan.hash)


def made_plan(world: World) -> planned.Plan:
    with world.open(read_only=True) as space:
        return planned.make(space, ["acme"], at=world.clock.now())


def test_apply_does_exactly_the_plan_and_a_second_time_nothing(world: World) -> None:
    world.run(only="pull")
    plan = made_plan(world)
    world.pass_time(timedelta(minutes=10))

    _, done = apply(world, plan)

    assert {one.row.idempotency_key for one in done} == plan.keys
    assert {one.row.payload_hash for one in done} == {i.payload_hash for one in plan.drafts for i in one.intents}
    with pytest.raises(ConfigError, match=r"something has changed since the plan of .*; nothing was sent"):
        apply(world, plan)
    assert world.effects == (1, 1)


def test_apply_refuses_when_the_data_have_changed(world: World) -> None:
    world.run(only="pull")
    plan = made_plan(world)
    world.pass_time(timedelta(minutes=5))
    world.pingcode.set_state(world.ids["search"], "已完成")
    world.run(only="pull")

    with pytest.raises(ConfigError, match=r"something has changed.*syncd plan"):
        apply(world, plan)

    assert (world.effects, world.rows("outbox")) == ((0, 0), [])


def test_apply_refuses_when_an_approval_has_become_necessary(local: World) -> None:
    plan_of(local, "  - {{audience: pm, channel: mail, when: friday 16:00}}\n")
    local.run(only="pull")
    plan = made_plan(local)
    plan_of(local, "  - {{audience: pm, channel: mail, when: friday 16:00, approver: zhao@agency.example}}\n")

    with pytest.raises(ConfigError, match="something has changed"):
        apply(local, plan)


def test_apply_refuses_a_plan_of_data_that_are_no_longer_fresh(local: World) -> None:
    local.run(only="pull")
    plan = made_plan(local)
    local.pass_time(timedelta(days=3))

    with pytest.raises(ConfigError, match=r"too old to be sent; make a new one: syncd plan"):
        apply(local, plan)


def test_what_was_queued_before_is_part_of_the_plan(local: World) -> None:
    local.run(only="pull")
    local.run(only="compose")

    plan = made_plan(local)
    _, done = apply(local, plan)

    assert [drafted.verdict for drafted in plan.drafts] == [Verdict.NOTHING_NEW]
    assert len(plan.waiting) == len(done) == 2
    assert local.effects == (1, 1)


def test_a_second_run_of_the_same_account_is_told_who_is_at_it(world: World) -> None:
    with (
        leases.held(world.store, "run:acme", now=world.clock.now),
        pytest.raises(BusyError, match=r"another run of 'acme' is under way \(.*held by .*\); wait for it to end"),
    ):
        world.run()

    assert world.run().state == "ok"


def test_a_connection_that_another_process_reads_is_told_and_the_rest_goes_on(world: World) -> None:
    world.run()
    with leases.held(world.store, "pull:pc", now=world.clock.now):
        report = world.run()

    assert [str(error)[:53] for error in report.errors] == ["pc was not read: another process is reading it (pull:"]
    assert report.state == "attention"
    assert {r.connection: bool(r.streams) for r in report.pulls} == {"pc": False, "crm": True}
