"""Connectors are found by their entry points; a connection's block is checked before anything is read."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, SecretStr, field_validator

from syncd import registry, settings
from syncd.errors import ConfigError
from syncd.sdk.connector import ConnectorConfig, ConnectorContext, ConnectorSpec, Role, StreamSpec


class AcmeConfig(ConnectorConfig):
    token: SecretStr
    backup_token: SecretStr | None = None
    sender: str = Field(alias="from")
    region: str = "cn"
    page_size: int = Field(default=100, le=500)

    @field_validator("token")
    @classmethod
    def _long(cls, token: SecretStr) -> SecretStr:
        if len(token.get_secret_value()) < 10:
            raise ValueError(f"{token.get_secret_value()} is too short for a token")
        return token


class Acme:
    spec: ClassVar = ConnectorSpec(
        name="acme", title="Acme", role=Role.PROJECTS, config=AcmeConfig, streams=(StreamSpec("tasks"),)
    )

    def __init__(self, config: AcmeConfig, *, context: ConnectorContext) -> None:
        self.config = config
        self.context = context


SERVICE = """\
connections:
  delivery:
    connector: acme
    config:
      token: env:ACME_TOKEN
      from: me@agency.example
    pull: {tasks: 5m, census: daily}
"""


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {
        "acme": EntryPoint("acme", f"{__name__}:Acme", registry.GROUP),
        "broken": EntryPoint("broken", "no_such_module_of_ours:Broken", registry.GROUP),
        "hollow": EntryPoint("hollow", "syncd.errors:NoSuchClass", registry.GROUP),
    }
    monkeypatch.setattr(EntryPoint, "load", lambda self: Acme if self.name == "acme" else _load(self))
    monkeypatch.setattr(registry, "_entries", lambda: here)
    monkeypatch.setenv("ACME_TOKEN", "canary-token-of-acme")
    registry.connector_class.cache_clear()


_load = EntryPoint.load


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    yield
    registry.connector_class.cache_clear()


def connection(folder: Path, text: str = SERVICE) -> settings.ConnectionSettings:
    (folder / "syncd.yaml").write_text(text, encoding="utf-8")
    return settings.load(folder).service.connections["delivery"]


def open_block(block: settings.ConnectionSettings) -> Any:
    return registry.open_connector("delivery", block, ConnectorContext(connection="delivery"))


def refusal(folder: Path, old: str, new: str, *, opened: bool = False) -> str:
    assert old in SERVICE
    block = connection(folder, SERVICE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        open_block(block) if opened else registry.validate("delivery", block)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_connector_is_opened_with_its_secrets_resolved(tmp_path: Path) -> None:
    opened: Any = open_block(connection(tmp_path))

    assert registry.names() == ["acme", "broken", "hollow"]
    assert registry.spec("acme") is Acme.spec
    assert opened.config.token.get_secret_value() == "canary-token-of-acme"
    assert opened.config.sender == "me@agency.example"
    assert opened.context.connection == "delivery"


def test_a_block_is_checked_without_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_TOKEN")

    assert registry.validate("delivery", connection(tmp_path)) is Acme.spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "connector: acme",
            "connector: amce",
            (
                "syncd.yaml:3: connections.delivery.connector: connector 'amce' is not installed; "
                "did you mean 'acme'? allowed: acme, broken, hollow"
            ),
        ),
        (
            "connector: acme",
            "connector: broken",
            (
                "syncd.yaml:3: connections.delivery.connector: connector 'broken' cannot be loaded "
                "(No module named 'no_such_module_of_ours'); install it again with what it needs"
            ),
        ),
        (
            "connector: acme",
            "connector: hollow",
            (
                "syncd.yaml:3: connections.delivery.connector: connector 'hollow' cannot be loaded "
                "(module 'syncd.errors' has no attribute 'NoSuchClass'); install it again with what it needs"
            ),
        ),
        (
            "tasks: 5m",
            "taks: 5m",
            (
                "syncd.yaml:7: connections.delivery.pull.taks: 'taks' is not a stream of 'acme'; "
                "did you mean 'tasks'? allowed: census, tasks"
            ),
        ),
        (
            "from: me@agency.example",
            "form: me@agency.example",
            (
                "syncd.yaml:6: connections.delivery.config.form: unknown key; did you mean 'from'? "
                "allowed: backup_token, from, page_size, region, token"
            ),
        ),
        (
            "      from: me@agency.example\n",
            "",
            "syncd.yaml:4: connections.delivery.config.from: is missing; acme needs it",
        ),
        (
            "env:ACME_TOKEN",
            "canary-literal",
            (
                "syncd.yaml:5: connections.delivery.config.token: a secret is given by reference only; "
                "write env:NAME or file:/path instead of the value"
            ),
        ),
        (
            "env:ACME_TOKEN",
            "env:ACME_TOKEN\n      backup_token: [canary-literal]",
            (
                "syncd.yaml:6: connections.delivery.config.backup_token: a secret is given by reference only; "
                "write env:NAME or file:/path instead of the value"
            ),
        ),
    ],
)
def test_a_fault_of_a_block_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(tmp_path, old, new) == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "env:ACME_TOKEN",
            "env:ACME_NONE",
            (
                "syncd.yaml:5: connections.delivery.config.token: environment variable ACME_NONE is not set; "
                "set it, or point the reference elsewhere"
            ),
        ),
        (
            "env:ACME_TOKEN",
            "file:/none/acme",
            (
                "syncd.yaml:5: connections.delivery.config.token: /none/acme cannot be read (FileNotFoundError); "
                "check path and rights"
            ),
        ),
        (
            "from: me@agency.example",
            "from: me@agency.example\n      page_size: 1000",
            "syncd.yaml:7: connections.delivery.config.page_size: must be 500 or less (it is 1000)",
        ),
        (
            "from: me@agency.example",
            "from: 12",
            "syncd.yaml:6: connections.delivery.config.from: must be text: put it in quotes (it is 12)",
        ),
        (
            "from: me@agency.example",
            "from: me\n      page_size: env:ACME_TOKEN",
            "syncd.yaml:7: connections.delivery.config.page_size: must be a whole number (it is '***')",
        ),
    ],
)
def test_a_fault_that_shows_on_opening_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(tmp_path, old, new, opened=True) == message


def test_a_connectors_own_words_show_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "canary-9")

    with pytest.raises(ConfigError) as caught:
        open_block(connection(tmp_path))

    assert str(caught.value).endswith("syncd.yaml:5: connections.delivery.config.token: *** is too short for a token")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_block_that_came_from_no_file_is_told_by_its_key(tmp_path: Path) -> None:
    block = settings.ConnectionSettings(connector="acme", config={"form": "x"})

    with pytest.raises(ConfigError, match=r"^connections\.delivery\.config\.form: unknown key"):
        registry.validate("delivery", block)
