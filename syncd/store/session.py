"""Opening the database, transactions, and the version check.

SQLite runs in WAL mode with one writer at a time. No transaction is held while a network call runs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from syncd import log
from syncd.errors import ConfigError, StoreError
from syncd.settings import is_reference, resolve_reference

HEAD: Final = "0001"
_VERSION_TABLE: Final = "alembic_version"
_BUSY_SECONDS: Final = 30
_PRIVATE, _EVERYBODY = 0o600, 0o007
_POOL: Final[dict[str, Any]] = {"pool_size": 20, "max_overflow": 20, "hide_parameters": True}  # they hold client data


class Store:
    """A database with the current tables. Thread-safe; every thread gets connections of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.engine.dialect.name == "sqlite"

    @property
    def _reading(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"syncd_reads": True}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @contextmanager
    def begin(self, *, durable: bool = False) -> Iterator[Connection]:
        """Run one write transaction; `durable` survives a power cut, too (SQLite: synchronous=FULL).

        StoreError says what is wrong with the database: locked, full, gone.
        """
        try:
            with self.engine.connect() as connection:
                connection.execution_options(syncd_durable=durable)
                with connection.begin():
                    yield connection
        except (DBAPIError, PoolTimeoutError) as err:
            raise store_error(err, self.engine) from err

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run read-only statements in one snapshot; they wait for no writer."""
        try:
            with self.engine.connect() as connection:
                connection.execution_options(**self._reading)
                yield connection
        except (DBAPIError, PoolTimeoutError) as err:
            raise store_error(err, self.engine) from err

    def ping(self) -> None:
        """Ask the database for a sign of life; StoreError when there is none."""
        with self.read() as connection:
            connection.execute(sa.select(1))

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
        if found != HEAD:
            _upgrade(store, found)
    except BaseException:
        store.close()
        raise
    return store


def version(store: Store) -> str | None:
    """Return the revision of the database's tables, None when there are none."""
    with store.read() as connection:
        if not sa.inspect(connection).has_table(_VERSION_TABLE):
            return None
        return connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608  # a constant


def _upgrade(store: Store, found: str | None) -> None:
    from syncd.store.migrations import known_revisions, upgrade  # late: Alembic is slow to import

    if found is not None and found not in known_revisions():
        raise StoreError(
            f"{_place(store.engine.url)}: the database is of a newer version (revision {found}, this program knows "
            f"{HEAD}); run the newer syncd, or restore a backup made before the upgrade"
        )
    try:
        upgrade(store.engine)
    except DBAPIError as err:
        raise store_error(err, store.engine) from err


def _url(address: str, folder: Path) -> URL:
    if is_reference(address):
        address = resolve_reference(address, where="database")
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
    if not url.database or url.database == ":memory:":
        raise ConfigError(
            f"database: {address!r} names no file, and a database in memory is gone with the process; "
            "write sqlite:///data/syncd.db"
        )
    path = folder / url.database
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise ConfigError(
            f"database: the folder {path.parent} cannot be made ({err.strerror}); choose another path, or correct "
            "its rights"
        ) from err
    keep_private(path)
    return url.set(drivername="sqlite", database=str(path))


def keep_private(path: Path) -> None:
    """Keep a database to its owner, making the file if need be: it holds client data.

    SQLite gives its log files the rights of the file. Rights that a person gave to a group stay.
    """
    with suppress(OSError):  # another's file, or a folder that is not there: SQLite tells what matters
        if not path.exists():
            path.touch(_PRIVATE)
        for suffix in ("", "-wal", "-shm"):
            file = path.with_name(path.name + suffix)
            if file.is_file() and file.stat().st_mode & _EVERYBODY:
                file.chmod(_PRIVATE)


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return sa.create_engine(url, **_POOL, pool_pre_ping=True)
        engine = sa.create_engine(url, **_POOL, connect_args={"timeout": _BUSY_SECONDS})
    except (NoSuchModuleError, ModuleNotFoundError) as err:
        raise ConfigError(f"database: the driver of {url.drivername!r} is not installed ({err})") from err
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own rules start too late
    cursor = connection.cursor()
    cursor.execute("PRAGMA page_size = 16384")  # of a new file: 4 KB, the default, is just what a raw record takes
    _keep_wal(cursor)
    for pragma in (
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "cache_size = -16000",
        "wal_autocheckpoint = 2000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _keep_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log; a new file that others open at the same moment is refused without waiting."""
    ends_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as err:
            if "locked" not in str(err) or time.monotonic() >= ends_at:
                raise
        time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("syncd_reads", False):
        connection.exec_driver_sql("BEGIN")
        return
    # Said every time, since the pool hands connections on, and before BEGIN, since SQLite refuses it inside.
    connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if options.get('syncd_durable', False) else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def store_error(err: SQLAlchemyError, engine: Engine) -> StoreError:
    """Translate a driver's error into what is wrong and the way out."""
    cause = getattr(err, "orig", None) or err
    text = log.one_line(log.scrub(_primary(cause)))[:200]
    for fragments, advice in _ADVICE:
        if any(fragment in text for fragment in fragments):
            return StoreError(f"{_place(engine.url)}: " + advice.format(text=text, busy=_BUSY_SECONDS))
    return StoreError(f"{_place(engine.url)}: the database refused ({text})")


_ADVICE: Final = (
    (
        ("disk is full", "No space left", "could not extend file"),
        "the disk is full; free some room and run again, nothing that was stored is lost",
    ),
    (
        ("disk I/O error",),
        "the disk takes no more ({text}): full, broken, or over a limit; mend it and run again, nothing stored is lost",
    ),
    (
        ("database is locked", "table is locked"),
        "another process has held the database for {busy} s; run again when it is done",
    ),
    (("unable to open database",), "the database file cannot be opened; check the path and its rights"),
    (("readonly database",), "the database file cannot be written; check the rights of the file and of its folder"),
    (
        ("malformed", "not a database", "file is encrypted"),
        "the file is not a sound SQLite database ({text}); restore a backup, or move the file away to begin anew",
    ),
    (
        ("does not exist", "password authentication", "no pg_hba"),
        "the database server refused us ({text}); correct database: in syncd.yaml",
    ),
    (
        ("connection failed", "could not connect", "server closed the connection", "connection is lost"),
        "the database server cannot be reached ({text}); start it, or correct database: in syncd.yaml",
    ),
    (
        ("too many clients", "QueuePool limit"),
        "no connection to the database was free in time; run again, or allow it more",
    ),
)


def _primary(cause: BaseException) -> str:
    """Return the driver's message without the details, which quote the row at hand."""
    diagnosis = getattr(cause, "diag", None)
    return str(getattr(diagnosis, "message_primary", None) or cause)


def _place(url: URL) -> str:
    """Return how people know the database: the file's path, or server and name."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'postgresql'}/{url.database}"
