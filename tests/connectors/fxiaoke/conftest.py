"""A running fake, a clock, and a connector to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.fxiaoke import Fxiaoke, FxiaokeConfig
from connectors.fxiaoke.fake import Fake
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., Fxiaoke]


@pytest.fixture
def clock() -> Clock:
    """Test time: 2 March 2026, 09:00 UTC."""
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    """The vendor, running on the test's clock."""
    with Fake() as fake:
        clock.drive(fake)
        yield fake
        assert fake.refused == []


@pytest.fixture
def connect(fake: Fake, clock: Clock) -> Iterator[Connect]:
    """Make connectors to the fake; keywords change the configuration."""
    made: list[Fxiaoke] = []

    def make(**changes: Any) -> Fxiaoke:
        config = {**fake.config(style=changes.get("style", "header")), **changes}
        made.append(Fxiaoke(FxiaokeConfig.model_validate(config), context=context_for(clock)))
        return made[-1]

    yield make
    for connector in made:
        connector.close()


@pytest.fixture
def crm(connect: Connect) -> Fxiaoke:
    """A connector with the plain configuration."""
    return connect()
