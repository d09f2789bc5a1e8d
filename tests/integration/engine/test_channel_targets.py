"""A connection that is one chat group: one command for all its readers, and never another client's."""

from __future__ import annotations

import pytest

from syncd.errors import ConfigError
from syncd.store.outbox import State
from tests.integration.engine.world import ACME, BETA, World

# The mailbox of a team stands for a group: the connection knows where it posts to, the plan does not.
GROUP = """\
version: 1
connector: email
push:
  - operation: send_mail
    from: Digest
    target: channel
    payload:
      to: {email: {const: team@agency.example}}
      subject: {from: subject, required: true}
      text: {from: body_text, required: true}
      thread: {root: thread.root, parent: thread.parent}
"""
TWO_READERS = ACME.replace("[li@acme.example]", "[li@acme.example, wang@acme.example]")


@pytest.fixture
def group(local: World) -> World:
    """The agency, its mail connection bound to one mailbox."""
    (local.folder / "mappings").mkdir()
    (local.folder / "mappings" / "email.yaml").write_text(GROUP, encoding="utf-8")
    return local


def test_a_channel_gets_one_message_however_many_read_it(group: World) -> None:
    group.texts["acme"] = TWO_READERS

    report = group.run()

    mails = [one.row for one in report.pushed if one.row.connection == "mail"]
    assert [(row.recipient, row.target_id, row.state) for row in mails] == [("mail", None, State.SENT)]
    assert [message.recipients for message in group.mail.messages] == [("team@agency.example",)]


def test_a_digest_in_a_channel_counts_as_delivered(group: World) -> None:
    group.run()

    assert [row["delivered_at"] is not None for row in group.rows("communication_records")] == [True]


def test_the_next_message_in_a_channel_knows_the_one_before(group: World) -> None:
    first = group.run()
    group.task("Invoices")

    group.run()

    (receipt,) = [one.receipt for one in first.pushed if one.row.connection == "mail"]
    assert receipt is not None
    payloads = [row["payload"] for row in group.rows("outbox", connection="mail")]
    assert [payload["thread"].get("parent") for payload in payloads] == [None, receipt.remote_id]


def test_a_channel_that_a_client_reads_is_closed_to_other_accounts(group: World) -> None:
    group.texts["beta"] = BETA

    with pytest.raises(
        ConfigError, match=r"accounts/beta.yaml: plan.0.channel: the client of accounts/acme.yaml reads"
    ):
        group.run()


def test_our_own_people_may_read_all_accounts_in_one_channel(group: World) -> None:
    group.texts = {
        "acme": ACME.replace("pm: {{contacts: [li@acme.example]}}", "pm: {{users: [zhao@agency.example]}}"),
        "beta": BETA.replace("pm: {{contacts: [wu@beta.example]}}", "pm: {{users: [zhao@agency.example]}}"),
    }

    report = group.run()

    assert [one.row.account for one in report.pushed if one.row.connection == "mail"] == ["acme", "beta"]
    assert len(group.mail.messages) == 2
