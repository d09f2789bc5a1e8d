"""Slack against the contract suite."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from connectors.slack import Slack, SlackConfig
from connectors.slack.fake import BOT, CHANNEL, Fake
from connectors.slack.message import EVENT_TYPE
from syncd.sdk import Command, Connector, ConnectorContext
from syncd.sdk.testing import AT, ConnectorContract

MARK = {"event_type": EVENT_TYPE, "event_payload": {"key": "earlier"}}


class TestSlack(ConnectorContract):
    """Inherits every case; all replies stand under one digest."""

    fake_class: ClassVar[Any] = Fake

    def connector(self, fake: Fake, context: ConnectorContext) -> Connector:
        return Slack(SlackConfig.model_validate(fake.config()), context=context)

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        parent = _digest(fake)
        made = [fake.add_message(f"看过了 {number}", at=at, thread_ts=parent) for number in range(count)]
        return [f"{CHANNEL}/{ts}" for ts in made]

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.edit(_ts(remote_id), at=at)

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.remove(_ts(remote_id))

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        payload = {"title": f"第 10 周 {key}", "markdown": "# 周报\n\n完成 6 项\n"}
        target = f"{CHANNEL}/{_digest(fake)}" if operation == "update_message" else None
        return Command(operation, key, payload, target)

    def effects(self, fake: Fake, operation: str) -> int:
        if operation == "update_message":
            return len(set(fake.updates))
        return len([post for post in fake.posts() if post.get("blocks")])


def _digest(fake: Fake) -> str:
    """Return the one digest that is answered and written anew."""
    known = [post["ts"] for post in fake.posts() if post.get("metadata") == MARK]
    return str(known[0]) if known else fake.add_message("第 9 周", at=AT - timedelta(days=31), metadata=MARK, **BOT)


def _ts(remote_id: str) -> str:
    return remote_id.partition("/")[2]
