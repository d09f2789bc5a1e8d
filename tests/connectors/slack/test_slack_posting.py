"""Posting: one message, its charts in its thread, and what is known when something goes wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.slack import Slack
from connectors.slack.fake import CHANNEL, Fake, Room
from connectors.slack.posting import FIND_WITHIN
from syncd.sdk import (
    AuthError,
    Budget,
    Command,
    ConnectorContext,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk.fake import Fault
from syncd.sdk.testing import Clock, context_for

Make = Callable[..., Command]
PNG = b"\x89PNG\r\n\x1a\n-chart-"
CHART = base64.b64encode(PNG).decode()


def test_a_message_carries_its_key_and_no_previews(fake: Fake, slack: Slack, post: Make) -> None:
    receipt = slack.write(post("key-1"))

    (message,) = fake.posts()
    assert receipt.remote_id == f"{CHANNEL}/{message['ts']}"
    assert message["metadata"] == {"event_type": "syncd_digest", "event_payload": {"key": "key-1"}}


def test_a_command_aimed_at_a_message_answers_in_its_thread(fake: Fake, slack: Slack, post: Make) -> None:
    first = slack.write(post("key-1"))
    second = post("key-2", first.remote_id)

    receipt = slack.write(second)

    parent = first.remote_id.partition("/")[2]
    assert [reply["ts"] for reply in fake.thread(parent)] == [receipt.remote_id.partition("/")[2]]
    found = slack.find(second)
    assert found is not None
    assert found.remote_id == receipt.remote_id
    assert slack.find(post("key-3", first.remote_id)) is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("C0OTHER01/170.01", "C0OTHER01 is not the connection's channel"),
        ("170.01", "not of the form"),
        ("C0OTHER01", "not of the form"),
    ],
)
def test_no_other_channel_is_written_to(fake: Fake, slack: Slack, post: Make, target: str, message: str) -> None:
    with pytest.raises(RejectedError, match=message):
        slack.write(post("key-1", target))

    assert fake.count() == 0


def test_charts_are_shown_in_the_thread_of_their_message(fake: Fake, slack: Slack, post: Make) -> None:
    receipt = slack.write(post(charts={"burn up": CHART, "../milestones": CHART}))

    ts = receipt.remote_id.partition("/")[2]
    assert [(file.title, file.content, file.shared_in) for file in fake.files.values()] == [
        ("burn-up", PNG, [(CHANNEL, ts)]),
        ("milestones", PNG, [(CHANNEL, ts)]),
    ]
    assert [len(reply["files"]) for reply in fake.thread(ts)] == [2]
    assert receipt.detail == ""


def test_a_digest_goes_out_without_charts_that_may_not_be_uploaded(fake: Fake, slack: Slack, post: Make) -> None:
    fake.scopes.remove("files:write")

    receipt = slack.write(post(charts={"a": CHART}))

    assert len(fake.posts()) == 1
    assert receipt.outcome is Outcome.CREATED
    assert "without its charts" in receipt.detail
    assert "needs the scope files:write" in receipt.detail


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.ERROR_IN_200, Fault.RATE_LIMITED])
def test_trouble_after_the_message_is_told_and_not_raised(fake: Fake, slack: Slack, post: Make, fault: Fault) -> None:
    fake.misbehave(fault, path="completeUploadExternal")

    receipt = slack.write(post(charts={"a": CHART}))

    assert len(fake.posts()) == 1
    assert "without its charts" in receipt.detail


def test_an_upload_is_tried_again_before_the_message(fake: Fake, slack: Slack, post: Make) -> None:
    fake.misbehave(Fault.SERVER_ERROR, path="/upload/")

    receipt = slack.write(post(charts={"a": CHART}))

    assert receipt.detail == ""
    assert fake.count("/upload/") == 2


def test_an_upload_address_on_a_third_host_is_refused(fake: Fake, connect: Any, post: Make) -> None:
    slack = connect(files_url="https://files.slack.example")

    receipt = slack.write(post(charts={"a": CHART}))

    assert "a link to another host" in receipt.detail
    assert fake.count("/upload/") == 0


@pytest.mark.parametrize(("chart", "message"), [("%%%", "is not base64"), ("YWJj", "is not a PNG"), (None, "is not")])
def test_what_is_no_picture_is_refused_before_anything_is_posted(
    fake: Fake, slack: Slack, post: Make, chart: Any, message: str
) -> None:
    with pytest.raises(RejectedError, match=message):
        slack.write(post(charts={"a": chart}))

    assert fake.count() == 0


def test_plan_mode_uploads_nothing(fake: Fake, clock: Clock, connect: Any, post: Make) -> None:
    slack = connect(context=context_for(clock, read_only=True))

    with pytest.raises(ReadOnlyError):
        slack.write(post(charts={"a": CHART}))

    assert [file.content for file in fake.files.values()] == [None]
    assert fake.posts() == []


@pytest.mark.parametrize("code", ["fatal_error", "internal_error", "service_unavailable", "request_timeout"])
def test_slacks_own_trouble_leaves_the_outcome_open(slack: Slack, fake: Fake, post: Make, code: str) -> None:
    fake.error_in_200 = lambda: fake._failure(code)  # type: ignore[method-assign]
    fake.misbehave(Fault.ERROR_IN_200, path="postMessage")

    with pytest.raises(OutcomeUnknownError, match="may have been carried out all the same"):
        slack.write(post())


def test_trouble_of_a_read_is_tried_again(slack: Slack, fake: Fake, post: Make) -> None:
    fake.misbehave(Fault.ERROR_IN_200, path="history")

    assert slack.find(post()) is None
    assert fake.count("history") == 2


def test_no_connection_at_all_is_no_doubt(connect: Any, post: Make) -> None:
    slack = connect(base_url="http://127.0.0.1:9/api")

    with pytest.raises(TransientError, match="cannot reach"):
        slack.write(post())


def test_a_message_is_looked_for_behind_many_others(fake: Fake, slack: Slack, post: Make) -> None:
    receipt = slack.write(post("key-1"))
    for number in range(1200):
        fake.add_message(f"chat {number}")

    found = slack.find(post("key-1"))

    assert found is not None
    assert (found.remote_id, found.outcome) == (receipt.remote_id, Outcome.UNCHANGED)


def test_the_search_ends_after_thirty_days(fake: Fake, slack: Slack, clock: Clock, post: Make) -> None:
    fake.add_message("old", at=clock.now() - FIND_WITHIN - timedelta(hours=1))

    slack.find(post())

    assert fake.calls[-1].query["oldest"] == str(int((clock.now() - FIND_WITHIN).timestamp())) + ".000000"


def test_a_mark_of_another_app_is_not_ours(fake: Fake, slack: Slack, post: Make) -> None:
    fake.add_message("x", metadata={"event_type": "other_app", "event_payload": {"key": "key-1"}})
    fake.add_message("y", metadata={"event_type": "syncd_digest", "event_payload": ["key-1"]})

    assert slack.find(post("key-1")) is None


def test_an_update_replaces_text_and_blocks_and_keeps_the_mark(fake: Fake, slack: Slack, post: Make) -> None:
    receipt = slack.write(post("key-1"))
    new = post("key-2", receipt.remote_id, markdown="# New\n\nAll done\n")

    updated = slack.write(Command("update_message", new.idempotency_key, new.payload, new.target_id))

    (message,) = fake.posts()
    assert (updated.remote_id, updated.outcome) == (receipt.remote_id, Outcome.UPDATED)
    assert message["blocks"][1]["text"]["text"] == "All done"
    assert slack.find(post("key-1")) is not None


def test_a_message_of_somebody_else_is_not_replaced(fake: Fake, slack: Slack, post: Make) -> None:
    ts = fake.add_message("mine")

    with pytest.raises(RejectedError, match="cant_update_message"):
        slack.write(Command("update_message", "k", post().payload, f"{CHANNEL}/{ts}"))


@pytest.mark.parametrize(
    ("room", "way_out"),
    [
        (None, "check config.channel"),
        (Room(is_member=False), "invite the app into the channel"),
        (Room(is_archived=True), "restore the channel"),
    ],
)
def test_a_channel_out_of_reach_pauses_the_connection(
    fake: Fake, slack: Slack, post: Make, room: Room | None, way_out: str
) -> None:
    fake.rooms = {} if room is None else {CHANNEL: room}

    with pytest.raises(AuthError, match=way_out):
        slack.write(post())


def test_a_refused_payload_is_parked_with_slacks_words(fake: Fake, slack: Slack, post: Make) -> None:
    fake._accept = lambda body: _refuse()  # type: ignore[method-assign]

    with pytest.raises(RejectedError, match=r"invalid_blocks.*too odd"):
        slack.write(post())


def _refuse() -> None:
    from connectors.slack.fake import _Refusal

    raise _Refusal("invalid_blocks", "too odd")


def test_throttling_says_how_long(fake: Fake, slack: Slack, post: Make) -> None:
    fake.misbehave(Fault.RATE_LIMITED, path="postMessage", retry_after=30.0)

    with pytest.raises(RateLimitedError) as caught:
        slack.write(post())

    assert caught.value.retry_after == 30.0


def test_messages_go_out_a_second_apart(fake: Fake, clock: Clock, connect: Any, post: Make) -> None:
    context = context_for(clock)
    paced = ConnectorContext(
        connection=context.connection,
        budget=Budget(Slack.spec.limits, clock=clock.monotonic, wait=clock.wait),
        guard=context.guard,
        now=clock.now,
        wait=clock.wait,
    )
    slack = connect(context=paced)

    for number in range(3):
        slack.write(post(f"key-{number}"))

    assert sum(clock.waits) == pytest.approx(2.0)
