"""An imitated Redmine with one project, and connectors on it whose clock moves only when they wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.redmine import Redmine, RedmineConfig
from connectors.redmine.fake import Fake
from connectors.redmine.rest import Row
from syncd.sdk.testing import Clock, context_for


@pytest.fixture
def clock() -> Clock:
    """Test time."""
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[Fake]:
    """The vendor; it must not have refused a parameter."""
    with Fake() as fake:
        clock.drive(fake)
        yield fake
        assert fake.refused == []


@pytest.fixture
def portal(fake: Fake) -> Row:
    """The project."""
    return fake.add_project("portal", "Portal")


@pytest.fixture
def connect_fake(fake: Fake, clock: Clock) -> Iterator[Any]:
    """Make connectors to the fake, for the projects named."""
    made: list[Redmine] = []

    def connect(*projects: str, key: str = "") -> Redmine:
        config = RedmineConfig(base_url=fake.url, api_key=SecretStr(key or fake.key), projects=projects)
        made.append(Redmine(config, context=context_for(clock)))
        return made[-1]

    yield connect
    for connector in made:
        connector.close()


@pytest.fixture
def redmine(connect_fake: Any) -> Redmine:
    """The connector, for whatever its user is a member of."""
    connector: Redmine = connect_fake()
    return connector
