"""The agency that the engine's tests run in; `world` on both databases, `local` on SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.store import Store, open_store
from tests.integration.engine.world import World, opened


@pytest.fixture
def world(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The agency, on SQLite and on PostgreSQL."""
    with opened(tmp_path, store, monkeypatch) as made:
        yield made


@pytest.fixture
def local(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The agency, on SQLite."""
    shutil.copy(sqlite_template, tmp_path / "syncd.db")
    store = open_store(f"sqlite:///{tmp_path / 'syncd.db'}")
    with opened(tmp_path, store, monkeypatch) as made:
        yield made
    store.close()
