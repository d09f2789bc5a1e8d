"""Reading the answers to our digests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.slack import Slack
from connectors.slack.fake import BOT, CHANNEL, Fake
from syncd.mapping import loader
from syncd.model.entities import Entity, Feedback
from syncd.sdk import Command, Page
from syncd.sdk.testing import Clock

Make = Callable[..., Command]


def read(slack: Slack, cursor: Any = None) -> list[Page]:
    return list(slack.read("replies", cursor))


def records_of(pages: list[Page]) -> list[str]:
    return [record.data["text"] for page in pages for record in page.records]


def ts_of(slack: Slack, command: Command) -> str:
    return slack.write(command).remote_id.partition("/")[2]


def test_only_answers_to_our_digests_are_read(fake: Fake, slack: Slack, post: Make) -> None:
    ours = ts_of(slack, post("key-1"))
    theirs = fake.add_message("lunch?")
    fake.add_message("yes", thread_ts=theirs)
    ts = fake.add_message("looks good", thread_ts=ours)

    (page, _) = read(slack)

    (record,) = page.records
    assert record.remote_id == f"{CHANNEL}/{ts}"
    assert record.data["digest"] == {"key": "key-1"}
    assert record.data["channel"] == CHANNEL


def test_a_later_read_asks_for_new_messages_and_followed_threads_only(
    fake: Fake, slack: Slack, clock: Clock, post: Make
) -> None:
    ours = ts_of(slack, post("key-1"))
    clock.wait(3600)
    for number in range(300):
        fake.add_message(f"chat {number}", at=clock.now() - timedelta(minutes=30))
    fake.add_message("the last word")
    cursor = read(slack)[-1].cursor
    clock.wait(3600)
    before = len(fake.calls)
    fake.add_message("late answer", thread_ts=ours)

    pages = read(slack, cursor)

    assert records_of(pages) == ["late answer"]
    assert [call.path for call in fake.calls[before:]] == ["/api/conversations.history", "/api/conversations.replies"]


def test_a_new_digest_joins_the_threads(fake: Fake, slack: Slack, clock: Clock, post: Make) -> None:
    first = ts_of(slack, post("key-1"))
    cursor = read(slack)[-1].cursor
    clock.wait(7 * 86_400)
    second = ts_of(slack, post("key-2"))
    fake.add_message("to the second", thread_ts=second)

    pages = read(slack, cursor)

    assert records_of(pages) == ["to the second"]
    assert pages[-1].cursor is not None
    assert pages[-1].cursor["threads"] == f"{first} {second}"


def test_a_thread_is_left_after_its_time(fake: Fake, connect: Any, clock: Clock, post: Make) -> None:
    slack = connect(follow_days=10)
    ours = ts_of(slack, post("key-1"))
    cursor = read(slack)[-1].cursor
    clock.wait(11 * 86_400)

    left = read(slack, cursor)[-1].cursor
    fake.add_message("too late", thread_ts=ours)

    assert left is not None
    assert left["threads"] == ""
    assert records_of(read(slack, left)) == []
    assert records_of(read(slack)) == ["too late"]


def test_an_edit_is_seen_though_the_thread_has_no_news(fake: Fake, slack: Slack, clock: Clock, post: Make) -> None:
    ours = ts_of(slack, post("key-1"))
    answer = fake.add_message("ok", thread_ts=ours)
    cursor = read(slack)[-1].cursor
    clock.wait(86_400)
    fake.edit(answer, at=clock.now())

    (record,) = [r for page in read(slack, cursor) for r in page.records]

    assert record.data["text"] == "ok (again)"
    assert record.updated_at == clock.now()


def test_a_deleted_digest_takes_its_thread_with_it(fake: Fake, slack: Slack, post: Make) -> None:
    gone, stays = ts_of(slack, post("key-1")), ts_of(slack, post("key-2"))
    fake.add_message("to the second", thread_ts=stays)
    cursor = read(slack)[-1].cursor
    fake.remove(gone)

    pages = read(slack, cursor)

    assert records_of(pages) == ["to the second"]
    assert pages[-1].complete


def test_a_stale_cursor_starts_the_list_again(fake: Fake, slack: Slack, post: Make) -> None:
    ours = ts_of(slack, post("key-1"))
    ids = {fake.add_message(f"answer {number}", thread_ts=ours) for number in range(250)}
    fake.stale_cursors = 1

    pages = read(slack)

    assert {record.data["ts"] for page in pages for record in page.records} == ids


def test_reading_may_have_a_token_of_its_own(fake: Fake, connect: Any) -> None:
    slack = connect(token="xoxb-posting-only", read_token=fake.token)

    assert read(slack)[-1].complete


def test_a_person_s_answer_becomes_feedback(fake: Fake, slack: Slack, clock: Clock, post: Make) -> None:
    ours = ts_of(slack, post("key-1"))
    fake.add_message("颜色请改成蓝色", thread_ts=ours)

    (entity,) = entities(slack)

    assert isinstance(entity, Feedback)
    assert (entity.channel, entity.body, entity.status) == ("slack", "颜色请改成蓝色", "new")
    assert entity.received_at is not None
    assert entity.received_at.replace(microsecond=0) == clock.now()
    assert entity.custom_fields == {"key": "key-1"}


@pytest.mark.parametrize("values", [BOT, {"user": None, "subtype": "channel_topic"}])
def test_what_apps_say_is_no_feedback(fake: Fake, slack: Slack, post: Make, values: dict[str, Any]) -> None:
    ours = ts_of(slack, post("key-1"))
    fake.add_message("done", thread_ts=ours, **values)

    assert entities(slack) == [None]


def entities(slack: Slack) -> list[Entity | None]:
    mapping = loader.load("slack", user_dir=None)
    records = [record for page in read(slack) for record in page.records]
    return [mapping.entity(record, connection="acme-slack", timezone=ZoneInfo("UTC")) for record in records]


def test_follow_days_reach_back_from_a_given_start(fake: Fake, slack: Slack, clock: Clock) -> None:
    since = {"updated_at": clock.now().isoformat()}

    read(slack, since)

    oldest = clock.now() - timedelta(minutes=15) - timedelta(days=60)
    assert fake.calls[-1].query["oldest"] == f"{int(oldest.timestamp())}.000000"
