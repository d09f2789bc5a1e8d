"""An imitated workspace with one channel, and a connector on it whose clock moves only when it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.slack import Slack, SlackConfig
from connectors.slack.fake import Fake
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.testing import Clock, context_for

DIGEST = """\
# 客户门户 · 第 10 周周报

精密制造⏎
2 – 6 March⏎

## Needs you (1)

1. [Which colour?](<https://pc.example/1>) – waiting 3 days

## Done (2)

- Login page – done 4 March
- Order search – done 5 March

---

**Agency**

Data as of 6 March⏎
""".replace("⏎", "  ")


@pytest.fixture
def clock() -> Clock:
    """Test time."""
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    """The workspace; it must not have refused a parameter, nor called anybody."""
    with Fake() as fake:
        clock.drive(fake)
        yield fake
        assert fake.refused == []
        assert fake.calls_fired == []


@pytest.fixture
def connect(fake: Fake, clock: Clock) -> Iterator[Any]:
    """Make connectors to the fake: `connect(context=…, **config)`."""
    made: list[Slack] = []

    def connect(context: ConnectorContext | None = None, **config: Any) -> Slack:
        settings = SlackConfig.model_validate({**fake.config(), **config})
        made.append(Slack(settings, context=context or context_for(clock)))
        return made[-1]

    yield connect
    for connector in made:
        connector.close()


@pytest.fixture
def slack(connect: Any) -> Slack:
    """The connector."""
    connector: Slack = connect()
    return connector


@pytest.fixture
def post() -> Callable[..., Command]:
    """Make a command that posts a digest; keywords replace parts of its payload, None takes one out."""

    def make(key: str = "key-1", target: str | None = None, **payload: Any) -> Command:
        whole = {"title": "[客户门户] 第 10 周", "markdown": DIGEST, "summary": "2 done", **payload}
        return Command("post_message", key, {k: v for k, v in whole.items() if v is not None}, target)

    return make
