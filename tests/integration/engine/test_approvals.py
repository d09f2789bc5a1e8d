"""What waits for a person: approved, rejected, and never sent to somebody who was taken out meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.cli import status
from syncd.engine import approval, run
from syncd.engine.compose import Verdict
from syncd.engine.run import Order
from syncd.errors import ConfigError
from syncd.sdk.fake import Fault
from tests.integration.engine.world import ACME, World

HELD = ACME.replace("when: friday 16:00", "when: friday 16:00, approver: zhao@agency.example")
MAIL_ONLY = HELD.replace("  - {{audience: sales, channel: crm, content: brief, when: with digest}}\n", "")
SOMEBODY_ELSE = "contacts: [wang@acme.example]"


def approve(world: World, number: int = 1) -> list[str]:
    with world.open() as space:
        account = space.config.account("acme")
        return [row.recipient or row.connection for row in approval.approve(space, account, number, actor="zhao")]


def mail_states(world: World) -> list[str]:
    return [row["state"] for row in world.rows("outbox", connection="mail")]


def test_an_approval_for_somebody_who_was_taken_out_is_refused(local: World) -> None:
    local.texts["acme"] = HELD
    local.run()
    local.texts["acme"] = HELD.replace("contacts: [li@acme.example]", SOMEBODY_ELSE)

    with pytest.raises(ConfigError, match=r"li@acme.example is no longer in audience 'pm' of accounts/acme.yaml"):
        approve(local)

    assert mail_states(local) == ["held"]


def test_an_approval_for_a_row_that_left_the_plan_is_refused(local: World) -> None:
    local.texts["acme"] = HELD
    local.run()
    local.texts["acme"] = HELD.replace("audience: pm, channel: mail", "audience: sales, channel: mail")

    with pytest.raises(ConfigError, match=r"no longer sends to audience 'pm' over 'mail'"):
        approve(local)


def test_what_is_queued_for_somebody_who_was_taken_out_is_parked(local: World) -> None:
    local.mail.misbehave(Fault.SERVER_ERROR, times=99)
    local.run()
    local.mail.behave()
    local.texts["acme"] = ACME.replace("contacts: [li@acme.example]", SOMEBODY_ELSE)
    local.pass_time(timedelta(hours=1))

    local.run(only="push")

    (row,) = local.rows("outbox", connection="mail")
    assert row["detail"] == "not sent: li@acme.example is no longer in audience 'pm' of accounts/acme.yaml"
    assert (row["state"], local.mail.messages) == ("parked", [])


def test_a_rejected_digest_is_never_sent_and_a_run_makes_another(local: World) -> None:
    local.texts["acme"] = MAIL_ONLY
    local.run()

    with local.open() as space:
        rows = approval.reject(space, space.config.account("acme"), 1, why="wrong week", actor="zhao")
    report = local.run()

    assert [row.recipient for row in rows] == ["li@acme.example"]
    assert [(row["state"], row["detail"]) for row in local.rows("outbox", connection="mail")] == [
        ("cancelled", "rejected: wrong week"),
        ("held", None),
    ]
    assert report.drafts[0].verdict is Verdict.WAITS
    assert [row["actor"] for row in local.rows("audit", action="reject")] == ["zhao"]


def test_a_digest_of_a_rhythm_that_left_the_plan_is_withdrawn(local: World) -> None:
    local.texts["acme"] = MAIL_ONLY
    local.run()
    local.texts["acme"] = MAIL_ONLY.replace("friday 16:00", "thursday 16:00")
    local.pingcode.set_state(local.ids["search"], "已完成")
    local.pass_time(timedelta(days=1))

    local.run()

    assert mail_states(local) == ["cancelled", "held"]


def test_a_digest_is_not_approved_after_a_newer_one_was_delivered(local: World) -> None:
    local.texts["acme"] = MAIL_ONLY
    local.run()
    local.set_rows("communication_records", schedule="monthly 1 09:00")
    local.texts["acme"] = ACME
    local.pingcode.set_state(local.ids["search"], "已完成")
    local.pass_time(timedelta(days=1))
    with local.open() as space, pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncd.engine.compose._supersede", lambda *_: None)
        run.execute(space, Order())
    local.texts["acme"] = HELD

    with pytest.raises(ConfigError, match=r"record 1 is outdated: number 2 was delivered since"):
        approve(local)


def test_status_names_the_records_that_wait_by_their_number(local: World) -> None:
    local.texts["acme"] = HELD
    local.run()

    with local.open(read_only=True) as space:
        found = status.gather(space)

    assert found["held"] == [{"account": "acme", "project": "Portal", "record": 1, "recipients": ["li@acme.example"]}]


def test_a_contact_who_is_not_to_be_contacted_blocks_the_digest(local: World) -> None:
    local.zoho.edit("Contacts", local.ids["contact"], Email_Opt_Out=True)

    report = local.run()

    assert report.drafts[0].verdict is Verdict.BLOCKED
    (problem,) = report.drafts[0].problems
    assert problem.startswith("pm → mail: li@acme.example is marked as not to be contacted in 'crm'; take them out")
    assert local.mail.messages == []


def test_a_contact_who_opted_out_while_a_digest_was_queued_gets_nothing(local: World) -> None:
    local.mail.misbehave(Fault.SERVER_ERROR, times=99)
    local.run()
    local.mail.behave()
    local.zoho.edit("Contacts", local.ids["contact"], Email_Opt_Out=True)
    local.pass_time(timedelta(hours=1))

    local.run(only="pull")
    local.run(only="push")

    (row,) = local.rows("outbox", connection="mail")
    assert row["detail"] == "not sent: li@acme.example is marked as not to be contacted in 'crm'"
    assert (row["state"], local.mail.messages) == ("parked", [])


def test_one_address_in_two_spellings_gets_one_message(local: World) -> None:
    twice = ACME.replace("[li@acme.example]", "[li@acme.example, LI@Acme.Example]")
    first = "  - {{audience: board, channel: mail, when: friday 16:00}}\n"
    local.texts["acme"] = twice.replace("plan:\n", f"  board: {{{{contacts: [Li@acme.example]}}}}\nplan:\n{first}")

    local.run()

    assert [sent.recipients for sent in local.mail.messages] == [("Li@acme.example",)]
