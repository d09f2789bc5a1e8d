"""A Worktile on loopback and a connector on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.worktile import Worktile, WorktileConfig
from connectors.worktile.fake import Fake
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., Worktile]


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 1, 5, 9, 0, tzinfo=UTC))


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    with Fake() as fake:
        clock.drive(fake)
        yield fake
        assert fake.refused == []


@pytest.fixture
def connect(fake: Fake, clock: Clock) -> Iterator[Connect]:
    """Return a function that makes a connector, with what a test sets of its configuration."""
    made: list[Worktile] = []

    def make(**settings: Any) -> Worktile:
        secret = SecretStr(fake.client_secret)
        values = {"base_url": f"{fake.url}/open-api", "client_id": fake.client_id, "client_secret": secret}
        made.append(Worktile(WorktileConfig(**{**values, **settings}), context=context_for(clock)))
        return made[-1]

    yield make
    for connector in made:
        connector.close()
