"""The agency whose service is tested: `agency` on SQLite and PostgreSQL, `local` on SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.agency import Agency, opened


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENCY_GITHUB", "ghp_fake0123456789")


@pytest.fixture
def agency(migrated: str, tmp_path: Path) -> Iterator[Agency]:
    """The agency on both databases."""
    with opened(tmp_path, migrated) as made:
        yield made


@pytest.fixture
def local(sqlite_template: Path, tmp_path: Path) -> Iterator[Agency]:
    """The agency on SQLite."""
    shutil.copy(sqlite_template, tmp_path / "syncd.db")
    with opened(tmp_path, f"sqlite:///{tmp_path / 'syncd.db'}") as made:
        yield made


@pytest.fixture
def live(sqlite_template: Path, tmp_path: Path) -> Iterator[Agency]:
    """The agency on SQLite and in real time, for services in processes of their own."""
    shutil.copy(sqlite_template, tmp_path / "syncd.db")
    with opened(tmp_path, f"sqlite:///{tmp_path / 'syncd.db'}", in_real_time=True) as made:
        yield made
