"""A PingCode on loopback and a connector on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.pingcode import PingCode, PingCodeConfig
from connectors.pingcode.fake import Fake
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., PingCode]


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 1, 5, 9, 0, tzinfo=UTC))


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    with Fake() as fake:
        clock.drive(fake)
        yield fake


@pytest.fixture
def connect(fake: Fake, clock: Clock) -> Iterator[Connect]:
    """Return a function that makes a connector, with what a test sets of its configuration."""
    made: list[PingCode] = []

    def make(**settings: Any) -> PingCode:
        values = {"base_url": fake.url, "client_id": fake.client_id, "client_secret": SecretStr(fake.client_secret)}
        made.append(PingCode(PingCodeConfig(**{**values, **settings}), context=context_for(clock)))
        return made[-1]

    yield make
    for connector in made:
        connector.close()
