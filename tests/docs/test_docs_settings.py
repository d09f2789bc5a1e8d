"""The files that people edit: their examples are valid, and every key of theirs is told somewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from ruamel.yaml import YAML

from syncd import registry, settings
from syncd.engine.workspace import Workspace
from syncd.mapping import loader, schema
from syncd.mapping.transforms import TRANSFORMS
from syncd.settings import AccountSettings, ServiceSettings, Settings
from syncd.store import open_store
from tests.docs.pages import CONNECTOR_PAGES, PAGES, README, ROOT, blocks

EXAMPLES: Final = sorted((ROOT / "config").rglob("*.example.yaml"))
HEADINGS: Final = [
    "Access needed",
    "Streams",
    "Operations and delivery class",
    "Limits",
    "Deletes",
    "Time zones",
    "Quirks",
    "Last verified on",
]


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """Yield the keys that a file may hold, nested ones included."""
    for name, field in model.model_fields.items():
        if any(type(mark) is SkipJsonSchema for mark in field.metadata):
            continue
        yield field.alias or name
        for inner in _models(field.annotation):
            yield from keys_of(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the examples to where they count, and set the secrets that they refer to."""
    for example in EXAMPLES:
        target = (
            tmp_path / "config" / example.relative_to(ROOT / "config").with_name(example.name.replace(".example", ""))
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(example, target)
        for name in re.findall(r"env:([A-Z_]+)", example.read_text("utf-8")):
            monkeypatch.setenv(name, f"{name}-of-thirty-two-characters-or-more")
    return tmp_path / "config"


def test_examples_are_a_valid_configuration(copied: Path, tmp_path: Path) -> None:
    config = settings.load(copied)
    store = open_store(f"sqlite:///{tmp_path / 'syncd.db'}")

    space = Workspace(config, store, read_only=True)
    try:
        space.validate()
        opened = {name: space.connector(name).spec.name for name in config.service.connections}
    finally:
        space.close()
        store.close()
    assert len(EXAMPLES) == 2
    assert sorted(config.accounts) == ["acme"]
    assert opened == {name: one.connector for name, one in config.service.connections.items()}


def test_example_shows_every_installed_connector() -> None:
    text = (ROOT / "config" / "syncd.example.yaml").read_text("utf-8")

    assert [name for name in registry.names() if f"connector: {name}\n" not in text] == []


@pytest.mark.parametrize("model", [ServiceSettings, AccountSettings], ids=["syncd.yaml", "accounts"])
def test_every_key_of_a_file_is_in_the_readme(model: type[BaseModel]) -> None:
    section = README.read_text("utf-8").partition("## Configure")[2].partition("\n## ")[0]

    assert [key for key in dict.fromkeys(keys_of(model)) if f"`{key}`" not in section] == []


def test_every_rhythm_in_the_readme_is_one() -> None:
    (told,) = re.findall(r"^`when` is (.*?), in the client's", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    rhythms = re.findall(r"`([^`]+)`", told)

    row = {"audience": "pm", "channel": "mail"}
    assert len(rhythms) >= 6
    assert [str(settings.PlanRow.model_validate({**row, "when": text}).when.text) for text in rhythms] == rhythms


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_transform_is_told_by_the_schema_that_editors_show(name: str) -> None:
    told = json.dumps(schema.json_schema(), ensure_ascii=False)

    doc = TRANSFORMS[name].doc
    assert doc.endswith(".")
    assert json.dumps(doc, ensure_ascii=False) in told
    assert json.dumps(name) in told


@pytest.mark.parametrize("name", registry.names())
def test_every_connector_has_a_page_with_all_headings_in_order(name: str) -> None:
    text = (ROOT / "connectors" / name / "README.md").read_text("utf-8")

    found = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == HEADINGS


@pytest.mark.parametrize("name", registry.names())
def test_every_setting_stream_and_operation_of_a_connector_is_on_its_page(name: str) -> None:
    spec, text = registry.spec(name), (ROOT / "connectors" / name / "README.md").read_text("utf-8")

    keys = [field.alias or key for key, field in spec.config.model_fields.items()]
    names = [*keys, *(stream.name for stream in spec.streams), *(operation.name for operation in spec.operations)]
    assert [one for one in names if not re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text)] == []


@pytest.mark.parametrize("name", registry.names())
def test_delivery_class_of_every_operation_is_on_the_connectors_page(name: str) -> None:
    text = (ROOT / "connectors" / name / "README.md").read_text("utf-8")
    rows = [line.lower() for line in text.splitlines() if line.startswith("|")]

    wrong = [
        operation.name
        for operation in registry.spec(name).operations
        if not any(f"`{operation.name}`" in row and operation.delivery.value in row for row in rows)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_connection_on_a_page_is_valid(page: Path) -> None:
    documents = [YAML(typ="safe").load(block) for block in blocks(page, "yaml")]

    for document in documents:
        service = ServiceSettings.model_validate(document)
        for name, connection in service.connections.items():
            registry.validate(name, connection)
    assert documents or page not in CONNECTOR_PAGES


@pytest.mark.parametrize("name", registry.names())
def test_every_connector_ships_a_mapping_for_streams_that_it_has(name: str) -> None:
    mapping = loader.load(name, user_dir=None)

    assert set(mapping.streams) <= {stream.name for stream in registry.spec(name).streams}
