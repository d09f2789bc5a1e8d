"""What `syncd check` says, what a configuration refuses, and which callbacks are believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from slack_sdk.signature import SignatureVerifier

from connectors.slack import Slack, SlackConfig
from connectors.slack.callbacks import signature
from connectors.slack.fake import CHANNEL, Fake
from syncd.sdk import AuthError, ConfigError, WebhookReceiver
from syncd.sdk.testing import Clock, context_for

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
STAMP = "1531420618"
DOCUMENTED = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
EVENT = b'{"token":"x","type":"event_callback","event_id":"Ev123"}'


def test_check_names_app_and_workspace(slack: Slack) -> None:
    identity = slack.check()

    assert (identity.name, identity.tenant, identity.missing) == ("syncd", "Acme", ())
    assert identity.clock_skew_seconds == 0.0
    assert identity.notes == (f"posts to {CHANNEL}",)


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("chat:write", "scope chat:write for post_message, update_message"),
        ("files:write", "scope files:write for charts"),
        ("channels:history", "needs the scope channels:history"),
    ],
)
def test_check_names_a_missing_scope(fake: Fake, slack: Slack, scope: str, told: str) -> None:
    fake.scopes.remove(scope)

    (missing,) = slack.check().missing

    assert told in missing


def test_check_says_what_to_do_about_a_channel_that_the_app_is_not_in(fake: Fake, slack: Slack) -> None:
    fake.rooms[CHANNEL].is_member = False

    (missing,) = slack.check().missing

    assert "not_in_channel; invite the app into the channel" in missing


def test_check_says_when_slack_does_not_tell_the_scopes(fake: Fake, slack: Slack) -> None:
    answer = fake._success
    fake._success = lambda body: type(answer(body))(200, answer(body).body)  # type: ignore[method-assign]

    assert slack.check().notes[0] == "Slack does not tell the scopes; posting needs chat:write"


@pytest.mark.parametrize("channel", ["#general", "general", "c123", "U0123456", "C", "C12 3"])
def test_a_channel_is_given_by_its_id(channel: str) -> None:
    with pytest.raises(ValidationError, match="channel"):
        SlackConfig.model_validate({"token": "x", "channel": channel})


# -- callbacks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (DOCUMENTED, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        (EVENT, "v0=5a60d2920e31a92b08fce3b73c4e2a929149671284534819c7aff17328f3ab61"),
    ],
    ids=["documented", "computed"],
)
def test_signature_vectors(body: bytes, expected: str) -> None:
    assert signature(SECRET, STAMP, body) == expected
    assert SignatureVerifier(SECRET).generate_signature(timestamp=STAMP, body=body) == expected


@pytest.fixture
def receiver(connect: Any) -> Any:
    """A connector whose clock stands two minutes behind the stamp of the vectors."""
    clock = Clock(datetime.fromtimestamp(int(STAMP) - 120, UTC))
    return connect(context=context_for(clock), signing_secret=SECRET)


def signed(body: bytes, *, stamp: str = STAMP, secret: str = SECRET) -> dict[str, str]:
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(secret, stamp, body)}


def told(**event: Any) -> bytes:
    return json.dumps({"type": "event_callback", "event_id": "Ev1", "event": event}).encode()


def test_the_connector_takes_callbacks(receiver: Slack) -> None:
    assert isinstance(receiver, WebhookReceiver)


def test_the_proof_of_the_address_is_answered(receiver: Slack) -> None:
    body = b'{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}'

    hint = receiver.receive(signed(body), {}, body)

    assert hint.streams == frozenset()
    assert (hint.reply, hint.content_type) == (b'{"challenge":"3eZbrw1a"}', "application/json")


@pytest.mark.parametrize(
    ("body", "streams"),
    [
        (told(type="message", channel=CHANNEL, ts="1.2", thread_ts="1.1"), {"replies"}),
        (told(type="message", channel=CHANNEL, subtype="message_changed"), {"replies"}),
        (told(type="message", channel="C0OTHER01"), set()),
        (told(type="reaction_added"), set()),
        (b'{"type":"app_rate_limited","minute_rate_limited":1518467820}', {"replies"}),
        (EVENT, set()),
        (DOCUMENTED, set()),
        (b"[]", set()),
    ],
    ids=["reply", "edit", "other channel", "reaction", "rate limited", "no event", "form", "list"],
)
def test_a_message_in_our_channel_makes_a_read_due(receiver: Slack, body: bytes, streams: set[str]) -> None:
    assert receiver.receive(signed(body), {}, body).streams == streams


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(EVENT, secret="another"),
        signed(EVENT + b" "),
        signed(EVENT, stamp=str(int(STAMP) + 181)),
        signed(EVENT, stamp=str(int(STAMP) - 421)),
        {**signed(EVENT), "X-Slack-Request-Timestamp": "soon"},
        {**signed(EVENT), "X-Slack-Signature": "v0=é"},
    ],
    ids=["none", "other secret", "other body", "too new", "too old", "no number", "no hex"],
)
def test_a_callback_that_is_not_slacks_is_refused(receiver: Slack, headers: dict[str, str]) -> None:
    with pytest.raises(AuthError, match=r"connections\.contract_case\.config\.signing_secret"):
        receiver.receive(headers, {}, EVENT)


def test_header_names_are_read_without_case(receiver: Slack) -> None:
    headers = {name.lower(): value for name, value in signed(EVENT).items()}

    assert receiver.receive(headers, {}, EVENT).streams == frozenset()


def test_without_a_secret_no_callback_is_believed(slack: Slack) -> None:
    with pytest.raises(ConfigError, match="signing_secret: is missing"):
        slack.receive(signed(EVENT), {}, EVENT)
