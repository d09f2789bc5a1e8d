"""An imitated GitHub with one repository, and a connector on it whose clock moves only when it waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.github import GitHub, GitHubConfig
from connectors.github.fake import Fake
from syncd.sdk import Budget, ConnectorContext
from syncd.sdk.testing import Clock, context_for

REPOSITORY = "acme/portal"


@pytest.fixture
def clock() -> Clock:
    """Test time."""
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    """The vendor; it must not have refused a parameter."""
    with Fake() as fake:
        clock.drive(fake)
        fake.add_repository(REPOSITORY)
        yield fake
        assert fake.refused == []


@pytest.fixture
def connect(fake: Fake, clock: Clock) -> Iterator[Any]:
    """Make connectors to the fake."""
    made: list[GitHub] = []

    def connect(*repositories: str, context: ConnectorContext | None = None) -> GitHub:
        config = GitHubConfig(
            base_url=fake.url, token=SecretStr(fake.token), repositories=repositories or (REPOSITORY,)
        )
        made.append(GitHub(config, context=context or context_for(clock)))
        return made[-1]

    yield connect
    for connector in made:
        connector.close()


@pytest.fixture
def github(connect: Any) -> GitHub:
    """The connector."""
    connector: GitHub = connect()
    return connector


@pytest.fixture
def paced(clock: Clock) -> ConnectorContext:
    """A context with the limits that the connector declares."""
    context = context_for(clock)
    budget = Budget(GitHub.spec.limits, clock=clock.monotonic, wait=clock.wait)
    return ConnectorContext(
        connection=context.connection, budget=budget, guard=context.guard, now=clock.now, wait=clock.wait
    )
