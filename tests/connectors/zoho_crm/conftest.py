"""A running fake, a clock, and a connector to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.zoho_crm import ZohoCrm, ZohoCrmConfig
from connectors.zoho_crm.fake import Fake
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., ZohoCrm]


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
    made: list[ZohoCrm] = []

    def make(**changes: Any) -> ZohoCrm:
        made.append(ZohoCrm(ZohoCrmConfig(**{**fake.config(), **changes}), context=context_for(clock)))
        return made[-1]

    yield make
    for connector in made:
        connector.close()


@pytest.fixture
def crm(connect: Connect) -> ZohoCrm:
    """A connector with the plain configuration."""
    return connect()
