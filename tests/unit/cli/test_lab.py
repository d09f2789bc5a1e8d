"""`syncd lab`: slips are told before anything listens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from syncd import registry
from syncd.cli.lab import _announce
from syncd.errors import ConfigError
from syncd.lab import open_fake
from syncd.lab.block import block_of
from syncd.settings import ConnectionSettings

Syncd = Callable[..., Any]
SECRETS = {"token", "api_key", "client_secret", "refresh_token", "app_secret", "permanent_code"}


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Return a loopback port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("connector", ["email", "github"])
def test_a_port_that_is_taken_is_told(syncd: Syncd, connector: str, busy_port: int) -> None:
    said = syncd("lab", connector, "--port", str(busy_port))

    assert said.code == 2
    assert f"--port {busy_port}: cannot be listened on (Address already in use); name another" in said.err


def test_a_port_that_does_not_exist_is_told(syncd: Syncd) -> None:
    said = syncd("lab", "email", "--port", "99999")

    assert said.code == 2
    assert "Invalid value for '--port'" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("connector", registry.names())
def test_the_block_that_a_lab_prints_is_a_connection_that_loads(connector: str) -> None:
    with open_fake(connector) as fake:
        block = block_of(connector, fake)
        written = YAML(typ="safe").load(block.yaml())["connections"][connector]
        settings = ConnectionSettings.model_validate(written)

        registry.validate(connector, settings)

        assert fake.url in str(written["config"])
        assert all(value.startswith("env:") is (key in SECRETS) for key, value in _texts(written["config"]))


def _texts(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((key, value) for key, value in config.items() if isinstance(value, str))


def test_a_lab_tells_what_to_put_where(capsys: pytest.CaptureFixture[str]) -> None:
    with open_fake("pingcode") as fake:
        _announce("pingcode", fake, as_json=False)

    said = capsys.readouterr().out
    assert "  pingcode:\n    connector: pingcode\n    allow_private_hosts: [127.0.0.1]\n    config:\n" in said
    assert '      client_secret: "env:LAB_PINGCODE_CLIENT_SECRET"\n' in said
    assert "\nexport LAB_PINGCODE_CLIENT_SECRET=pc-secret-5b0e9a39\n" in said


def test_the_demo_is_data_for_the_labs_of_its_vendors() -> None:
    whole: Any = open_fake("pingcode", data=Path("demo"))
    early: Any = open_fake("pingcode", data=Path("demo"), as_of=datetime(2026, 1, 13, tzinfo=UTC))
    crm: Any = open_fake("zoho_crm", data=Path("demo"))

    assert len(whole.tenant.work_items) > len(early.tenant.work_items) > 0
    assert len(crm.records("Accounts")) == 2


def test_other_labs_have_no_demo() -> None:
    with pytest.raises(ConfigError, match="'slack' is not part of the demo; these are: pingcode, zoho_crm"):
        open_fake("slack", data=Path("demo"))
