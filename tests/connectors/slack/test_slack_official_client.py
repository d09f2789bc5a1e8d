"""Slack's own client against the fake: where the two disagree, the fake is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.models.blocks import HeaderBlock, SectionBlock
from slack_sdk.models.metadata import Metadata

from connectors.slack import Slack
from connectors.slack.fake import CHANNEL, TOKEN, Fake
from syncd.sdk import Command
from syncd.sdk.fake import Fault

LONG_SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "y" * 3001}}


@pytest.fixture
def client(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebClient]:
    """The official client, past any proxy of the machine."""
    monkeypatch.setenv("SKIP_SLACK_SDK_WARNING", "1")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return WebClient(token=TOKEN, base_url=f"{fake.url}/api/")


def error_of(caught: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(caught.value.response["error"])


def test_it_logs_in(client: WebClient) -> None:
    assert client.auth_test()["team"] == "Acme"


def test_a_wrong_token_is_refused(fake: Fake) -> None:
    with pytest.raises(SlackApiError) as caught:
        WebClient(token="xoxb-other", base_url=f"{fake.url}/api/").auth_test()

    assert error_of(caught) == "invalid_auth"


def test_it_posts_blocks_with_metadata_and_reads_them_back(client: WebClient) -> None:
    blocks = [HeaderBlock(text="Weekly digest"), SectionBlock(text="*Done (2)*")]
    mark = Metadata(event_type="syncd_digest", event_payload={"key": "k1"})

    posted = client.chat_postMessage(channel=CHANNEL, text="Weekly digest", blocks=blocks, metadata=mark)

    (plain,) = client.conversations_history(channel=CHANNEL)["messages"]
    (marked,) = client.conversations_history(channel=CHANNEL, include_all_metadata=True)["messages"]
    assert marked["ts"] == posted["ts"]
    assert [block["type"] for block in marked["blocks"]] == ["header", "section"]
    assert marked["metadata"] == {"event_type": "syncd_digest", "event_payload": {"key": "k1"}}
    assert "metadata" not in plain


def test_it_walks_through_a_channel_by_cursor(fake: Fake, client: WebClient) -> None:
    written = [fake.add_message(f"m{number}") for number in range(25)]

    pages = [[m["ts"] for m in page["messages"]] for page in client.conversations_history(channel=CHANNEL, limit=10)]

    assert pages == [written[:14:-1], written[14:4:-1], written[4::-1]]


def test_it_reads_a_thread_behind_its_parent(client: WebClient) -> None:
    parent = client.chat_postMessage(channel=CHANNEL, text="parent")["ts"]
    reply = client.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=parent)["ts"]

    thread = client.conversations_replies(channel=CHANNEL, ts=parent)["messages"]
    channel = client.conversations_history(channel=CHANNEL)["messages"]

    assert [message["ts"] for message in thread] == [parent, reply]
    assert [message["ts"] for message in channel] == [parent]


def test_it_updates_a_message(fake: Fake, client: WebClient) -> None:
    posted = client.chat_postMessage(channel=CHANNEL, text="old", blocks=[SectionBlock(text="old")])

    client.chat_update(channel=CHANNEL, ts=posted["ts"], text="new")

    (message,) = fake.posts()
    assert message["text"] == "new"
    assert "blocks" not in message


def test_it_uploads_in_three_steps(fake: Fake, client: WebClient) -> None:
    posted = client.chat_postMessage(channel=CHANNEL, text="digest")

    done = client.files_upload_v2(
        channel=CHANNEL, thread_ts=posted["ts"], filename="chart.png", content=b"\x89PNG\r\n", title="Burn-up"
    )

    (file,) = fake.files.values()
    assert (file.title, file.content, file.shared_in) == ("Burn-up", b"\x89PNG\r\n", [(CHANNEL, posted["ts"])])
    assert done["files"][0]["title"] == "Burn-up"


def test_it_uploads_text_that_looks_like_a_form(fake: Fake, client: WebClient) -> None:
    client.files_upload_v2(channel=CHANNEL, filename="a.txt", content="a=1&b=2", title="a")

    assert [file.content for file in fake.files.values()] == [b"a=1&b=2"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": CHANNEL, "text": " "}, "no_text"),
        ({"channel": CHANNEL, "text": "x", "blocks": [LONG_SECTION]}, "invalid_blocks"),
        ({"channel": CHANNEL, "text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"channel": CHANNEL, "text": "x", "blocks": [SectionBlock(text="y" * 3000)] * 5}, "msg_blocks_too_long"),
        ({"channel": CHANNEL, "text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
    ],
    ids=["channel", "empty", "long section", "51 blocks", "long in all", "metadata"],
)  # fmt: skip
def test_it_is_told_what_is_wrong(client: WebClient, arguments: dict[str, object], error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(**arguments)  # type: ignore[arg-type]

    assert error_of(caught) == error


def test_it_waits_when_it_is_throttled(fake: Fake, client: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("slack_sdk.http_retry.builtin_handlers.time.sleep", waits.append)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    fake.misbehave(Fault.RATE_LIMITED, retry_after=7)

    client.chat_postMessage(channel=CHANNEL, text="x")

    assert [int(wait) for wait in waits] == [7]
    assert len(fake.posts()) == 1


def test_it_finds_what_the_connector_posted(client: WebClient, slack: Slack) -> None:
    slack.write(Command("post_message", "key-1", {"title": "Digest", "markdown": "# T\n\nDone: 3\n"}))

    (message,) = client.conversations_history(channel=CHANNEL, include_all_metadata=True)["messages"]

    assert message["metadata"]["event_payload"] == {"key": "key-1"}
