"""A connection that is one chat channel: one command for all its readers, and never another client's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.slack.fake import CHANNEL, TOKEN, Fake
from syncd.errors import ConfigError
from syncd.sdk.fake import Fault
from syncd.store.outbox import State
from tests.integration.engine.world import ACME, BETA, World

CHAT = """\
  chat:
    connector: slack
    allow_private_hosts: [127.0.0.1]
    config: {{token: env:SLACK_TOKEN, channel: {channel}, base_url: "{url}/api", files_url: "{url}"}}
"""
IN_CHAT = ACME.replace("channel: mail", "channel: chat")
TWO_READERS = IN_CHAT.replace("[li@acme.example]", "[li@acme.example, wang@acme.example]")
BETA_IN_CHAT = BETA.replace("channel: mail", "channel: chat")
OURS = "pm: {{users: [zhao@agency.example]}}"


@pytest.fixture
def slack(local: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """A workspace with one channel, which Acme's plan names."""
    with Fake() as fake:
        local.clock.drive(fake)
        monkeypatch.setenv("SLACK_TOKEN", TOKEN)
        local.extra = CHAT.format(channel=CHANNEL, url=fake.url)
        local.texts["acme"] = IN_CHAT
        yield fake
        assert fake.refused == []
        assert fake.calls_fired == []


def test_a_channel_gets_one_message_however_many_read_it(local: World, slack: Fake) -> None:
    local.texts["acme"] = TWO_READERS

    report = local.run()

    sent = [one for one in report.pushed if one.row.connection == "chat"]
    assert [(one.row.recipient, one.row.target_id, one.state) for one in sent] == [("chat", None, State.SENT)]
    (message,) = slack.posts()
    assert message["metadata"]["event_payload"] == {"key": sent[0].row.idempotency_key}
    assert "Login page" in str(message["blocks"])


def test_a_digest_in_a_channel_counts_as_delivered(local: World, slack: Fake) -> None:
    local.run()

    assert [row["delivered_at"] is not None for row in local.rows("communication_records")] == [True]


def test_a_second_run_posts_nothing(local: World, slack: Fake) -> None:
    local.run()

    local.run()

    assert len(slack.posts()) == 1


def test_a_lost_answer_is_looked_up_and_not_posted_again(local: World, slack: Fake) -> None:
    slack.misbehave(Fault.LOST_ANSWER, path="postMessage")

    first = local.run()
    local.clock.wait(3600)
    second = local.run()

    assert [one.state for one in first.pushed if one.row.connection == "chat"] == [State.PENDING]
    assert [one.state for one in second.pushed if one.row.connection == "chat"] == [State.SENT]
    assert len(slack.posts()) == 1


def test_a_channel_that_a_client_reads_is_closed_to_other_accounts(local: World, slack: Fake) -> None:
    local.texts["beta"] = BETA_IN_CHAT

    with pytest.raises(
        ConfigError, match=r"beta.yaml: plan.0.channel: the client of accounts/acme.yaml reads .* 'chat'"
    ):
        local.run()


def test_our_own_people_may_read_all_accounts_in_one_channel(local: World, slack: Fake) -> None:
    local.texts = {
        "acme": IN_CHAT.replace("pm: {{contacts: [li@acme.example]}}", OURS),
        "beta": BETA_IN_CHAT.replace("pm: {{contacts: [wu@beta.example]}}", OURS),
    }

    report = local.run()

    assert [one.row.account for one in report.pushed if one.row.connection == "chat"] == ["acme", "beta"]
    assert len(slack.posts()) == 2


def test_an_operation_that_needs_a_target_cannot_be_aimed_at_the_channel(local: World) -> None:
    (local.folder / "mappings").mkdir()
    (local.folder / "mappings" / "email.yaml").write_text(
        "version: 1\nconnector: email\npush:\n"
        "  - {operation: send_mail, from: Digest, target: channel, payload: {text: body_text}}\n",
        encoding="utf-8",
    )

    with pytest.raises(ConfigError, match=r"plan.0.channel: send_mail of 'mail' needs a target of its own"):
        local.run()
