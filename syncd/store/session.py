"""Opening the database, transactions, and the version check.

SQLite runs in WAL mode with one writer at a time. No transaction is held while a network call runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from syncd import log
from syncd.errors import ConfigError, StoreError

HEAD: Final = "0001"
_VERSION_TABLE: Final = "alembic_version"
_BUSY_SECONDS: Final = 30


class Store:
    """A database with the current tables. Thread-safe; every thread gets connections of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def begin(self, *, durable: bool = False) -> Iterator[Connection]:
        """Run one write transaction; `durable` survives a power cut, too (SQLite: synchronous=FULL).

        StoreError says what is wrong with the database: locked, full, gone.
        """
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite and durable:
                    connection.exec_driver_sql("PRAGMA synchronous = FULL")
                    connection.rollback()
                try:
                    with connection.begin():
                        yield connection
                finally:
                    if self.is_sqlite and durable:
                        connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
                        connection.rollback()
        except DBAPIError as err:
            raise store_error(err, self.engine) from err

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run read-only statements in one snapshot."""
        try:
            with self.engine.connect().execution_options(syncd_reads=True) as connection:
                yield connection
        except DBAPIError as err:
            raise store_error(err, self.engine) from err

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_store(address: str, *, folder: Path | None = None) -> Store:
    """Open the database at `address`, making or upgrading its tables; a relative SQLite path is taken from `folder`.

    ConfigError for an address that cannot be used, StoreError for a database that cannot.
    """
    store = Store(_engine(_url(address, folder or Path())))
    try:
        found = version(store)
    except DBAPIError as err:
        store.close()
        raise store_error(err, store.engine) from err
    if found != HEAD:
        _upgrade(store, found)
    return store


def version(store: Store) -> str | None:
    """Return the revision of the database's tables, None when there are none."""
    with store.engine.connect() as connection:
        if not sa.inspect(connection).has_table(_VERSION_TABLE):
            return None
        return connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608  # a constant


def _upgrade(store: Store, found: str | None) -> None:
    from syncd.store.migrations import known_revisions, upgrade  # late: Alembic is slow to import

    if found is not None and found not in known_revisions():
        store.close()
        raise StoreError(
            f"the database is of a newer version (revision {found}, this program knows {HEAD}); "
            "run the newer syncd, or restore a backup made before the upgrade"
        )
    upgrade(store.engine)


def _url(address: str, folder: Path) -> URL:
    try:
        url = make_url(address)
    except ArgumentError as err:
        raise ConfigError(
            f"database: {log.scrub(address)!r} is not an address such as sqlite:///data/syncd.db"
        ) from err
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"database: {url.get_backend_name()!r} is not supported; use sqlite:/// or postgresql+psycopg://"
        )
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.database and url.database != ":memory:":
        path = folder / url.database
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(f"database: the folder {path.parent} cannot be made ({err.strerror})") from err
        return url.set(database=str(path))
    return url


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return sa.create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=20, max_overflow=20)
    except (NoSuchModuleError, ModuleNotFoundError) as err:
        raise ConfigError(f"database: the driver of {url.drivername!r} is not installed ({err})") from err
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rules start too late
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "cache_size = -16000",
        "wal_autocheckpoint = 2000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("syncd_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def store_error(err: SQLAlchemyError, engine: Engine) -> StoreError:
    """Translate a driver's error into what is wrong and the way out."""
    cause = getattr(err, "orig", None) or err
    text = log.one_line(log.scrub(str(cause)))[:200]
    place = engine.url.database or engine.url.render_as_string(hide_password=True)
    if "disk is full" in text or "No space left" in text:
        return StoreError(f"{place}: the disk is full; free some room and run again, nothing that was stored is lost")
    if "locked" in text and isinstance(cause, sqlite3.OperationalError):
        return StoreError(
            f"{place}: another process has held the database for {_BUSY_SECONDS} s; run again when it is done"
        )
    if isinstance(cause, sqlite3.OperationalError) and "unable to open" in text:
        return StoreError(f"{place}: the database file cannot be opened; check the path and its rights")
    if (isinstance(cause, sqlite3.DatabaseError) and "malformed" in text) or "not a database" in text:
        return StoreError(f"{place}: the file is not a sound SQLite database ({text}); restore a backup")
    return StoreError(f"{place}: the database refused ({text})")
