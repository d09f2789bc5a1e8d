"""Opening a database: its tables, its version, and what is said when it cannot be used."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from syncd.errors import ConfigError, StoreError
from syncd.store import Store, migrations, open_store, session, tables

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def insert(store: Store, table: sa.Table, *rows: dict[str, object], pragma: str = "") -> None:
    with store.begin() as connection:
        if pragma:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        for row in rows:
            connection.execute(sa.insert(table).values(**row))


def die(*arguments: object, **options: object) -> None:
    raise RuntimeError("power cut")


def record(number: int, data: str = "{}") -> dict[str, object]:
    place = {"connection": "crm", "stream": "tasks", "partition": "", "remote_id": str(number)}
    return {**place, "content_hash": b"0" * 16, "data": data, "fetched_at": NOON}


def lease(name: str, until: datetime = NOON) -> dict[str, object]:
    return {"name": name, "holder": "me", "until": until}


def insert_at(address: str, revision: str, table: str, row: dict[str, object]) -> None:
    """Bring a blank database to `revision` and put one row in, as a program of that time would have."""
    engine = sa.create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
    migrations.upgrade(engine, revision)
    with engine.begin() as connection:
        reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(reflected).values(**row))
    engine.dispose()


def test_the_revisions_make_exactly_the_tables_that_the_program_knows(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, tables.metadata)

    assert differences == []


def test_the_newest_revision_is_the_one_that_opening_expects() -> None:
    assert migrations.known_revisions()[0] == session.HEAD


def test_opening_makes_the_tables_and_a_second_opening_changes_nothing(blank: str) -> None:
    first = open_store(blank)
    with first.begin() as connection:
        connection.execute(sa.insert(tables.leases).values(**lease("kept")))
    made = sorted(sa.inspect(first.engine).get_table_names())
    first.close()

    second = open_store(blank)

    assert sorted(sa.inspect(second.engine).get_table_names()) == made
    assert session.version(second) == "0001"
    with second.read() as connection:
        assert connection.execute(sa.select(tables.leases.c.name)).scalars().all() == ["kept"]
    second.close()


def test_processes_that_open_a_new_database_at_once_share_one_upgrade(blank: str) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(6)

    def open_once() -> None:
        try:
            start.wait()
            open_store(blank).close()
        except Exception as err:
            faults.append(err)

    threads = [threading.Thread(target=open_once) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []


@pytest.mark.parametrize("revision", sorted(migrations.known_revisions()))
def test_a_database_with_data_in_it_is_brought_from_any_revision_to_the_newest(blank: str, revision: str) -> None:
    row: dict[str, object] = {"name": "scheduler", "holder": "host:1:ab", "until": NOON.replace(tzinfo=None)}
    insert_at(blank, revision, "leases", row)

    opened = open_store(blank)

    assert session.version(opened) == session.HEAD
    with opened.read() as connection:
        assert connection.execute(sa.select(tables.leases.c.holder)).scalar_one() == "host:1:ab"
    opened.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(blank: str) -> None:
    store = open_store(blank)
    with store.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()

    with pytest.raises(StoreError) as caught:
        open_store(blank)

    assert "the database is of a newer version (revision 9999, this program knows 0001)" in str(caught.value)
    assert "run the newer syncd, or restore a backup made before the upgrade" in str(caught.value)


def test_an_upgrade_that_fails_half_way_leaves_no_tables_behind(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alembic.op.create_index", die)

    with pytest.raises(RuntimeError):
        open_store(blank)
    monkeypatch.undo()
    engine = sa.create_engine(blank.replace("postgresql://", "postgresql+psycopg://"))
    left = sa.inspect(engine).get_table_names()
    engine.dispose()
    store = open_store(blank)

    assert left == []
    assert session.version(store) == "0001"
    store.close()


def test_sqlite_keeps_a_write_ahead_log_and_checks_references(tmp_path: Path) -> None:
    store = open_store("sqlite:///data/syncd.db", folder=tmp_path)

    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA page_size").scalar() == 16_384
    assert (tmp_path / "data" / "syncd.db").is_file()
    store.close()


def test_a_durable_transaction_waits_for_the_disk_and_the_next_one_does_not(tmp_path: Path) -> None:
    full, normal = 2, 1
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")

    with store.begin(durable=True) as connection:
        durable = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    with store.begin() as connection:
        usual = connection.exec_driver_sql("PRAGMA synchronous").scalar()

    assert (durable, usual) == (full, normal)
    store.close()


def test_what_a_transaction_wrote_is_gone_when_it_fails(store: Store) -> None:
    with pytest.raises(StoreError):
        insert(store, tables.leases, lease("first"), lease("twice"), lease("twice"))

    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.leases)).scalar() == 0


def test_a_reader_sees_one_moment_while_others_write(store: Store) -> None:
    count = sa.select(sa.func.count()).select_from(tables.leases)

    with store.read() as reader:
        before = reader.execute(count).scalar()
        with store.begin() as writer:
            writer.execute(sa.insert(tables.leases).values(name="new", holder="me", until=NOON))
        after = reader.execute(count).scalar()
    with store.read() as reader:
        later = reader.execute(count).scalar()

    assert (before, after, later) == (0, 0, 1)


def test_a_time_comes_back_in_utc_to_the_microsecond(store: Store) -> None:
    shanghai = datetime(2026, 3, 2, 20, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))

    with store.begin() as connection:
        connection.execute(sa.insert(tables.leases).values(name="a", holder="me", until=shanghai))
    with store.read() as connection:
        found = connection.execute(sa.select(tables.leases.c.until)).scalar_one()

    assert found == datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
    assert found.tzinfo is UTC


def test_times_are_ordered_as_instants_whatever_zone_they_came_in(store: Store) -> None:
    earlier = datetime(2026, 3, 2, 20, 0, tzinfo=timezone(timedelta(hours=14)))
    later = datetime(2026, 3, 2, 7, 0, tzinfo=timezone(timedelta(hours=-11)))

    with store.begin() as connection:
        for name, until in (("later", later), ("earlier", earlier)):
            connection.execute(sa.insert(tables.leases).values(name=name, holder="me", until=until))
    with store.read() as connection:
        names = connection.execute(sa.select(tables.leases.c.name).order_by(tables.leases.c.until)).scalars().all()

    assert names == ["earlier", "later"]


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    naive = datetime(2026, 3, 2, 12, 0)

    with pytest.raises(sa.exc.StatementError, match="a datetime without a time zone cannot be stored"):
        insert(store, tables.leases, lease("a", naive))


def test_a_full_disk_is_named_and_the_store_works_again_afterwards(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")
    many = [record(number, "x" * 4000) for number in range(500)]

    with pytest.raises(StoreError) as caught:
        insert(store, tables.records, *many, pragma="max_page_count = 60")
    insert(store, tables.records, record(1), pragma="max_page_count = 4294967294")

    assert str(caught.value) == (
        f"{tmp_path}/syncd.db: the disk is full; free some room and run again, nothing that was stored is lost"
    )
    with store.read() as connection:
        assert connection.execute(sa.select(tables.records.c.remote_id)).scalars().all() == ["1"]
    store.close()


def test_a_locked_database_is_named_with_who_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_BUSY_SECONDS", 0)
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")

    with closing(sqlite3.connect(tmp_path / "syncd.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught, store.begin():
            pass
        with store.read() as connection:
            readable = connection.execute(sa.select(sa.func.count()).select_from(tables.leases)).scalar()
        other.execute("ROLLBACK")

    assert str(caught.value) == (
        f"{tmp_path}/syncd.db: another process has held the database for 0 s; run again when it is done"
    )
    assert readable == 0
    store.close()


def test_opening_does_not_wait_for_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_BUSY_SECONDS", 0)
    open_store(f"sqlite:///{tmp_path}/syncd.db").close()

    with closing(sqlite3.connect(tmp_path / "syncd.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = open_store(f"sqlite:///{tmp_path}/syncd.db")
        other.execute("ROLLBACK")

    assert session.version(store) == "0001"
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "syncd.db").write_text("these are my notes, not a database\n" * 200)

    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}/syncd.db")

    assert str(caught.value) == (
        f"{tmp_path}/syncd.db: the file is not a sound SQLite database (file is not a database); "
        "restore a backup, or move the file away to begin anew"
    )


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "syncd.db"
    open_store(f"sqlite:///{path}").close()
    sound = path.read_bytes()
    path.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))

    with pytest.raises(StoreError, match=r"syncd\.db: the file is not a sound SQLite database \(.*malformed"):
        open_store(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file stands where the folder should be")

    with pytest.raises(ConfigError) as caught:
        open_store("sqlite:///data/db/syncd.db", folder=tmp_path)

    assert str(caught.value) == (
        f"database: the folder {tmp_path}/data/db cannot be made (Not a directory); "
        "choose another path, or correct its rights"
    )


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "syncd.db").mkdir()

    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}/syncd.db")

    assert (
        str(caught.value) == f"{tmp_path}/syncd.db: the database file cannot be opened; check the path and its rights"
    )


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")

    with pytest.raises(StoreError) as caught:
        insert(store, tables.leases, lease("a"), pragma="query_only = ON")

    assert "the database file cannot be written; check the rights of the file and of its folder" in str(caught.value)
    store.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("data/syncd.db", "database: 'data/syncd.db' is not an address such as sqlite:///data/syncd.db"),
        ("mysql://me@db/syncd", "database: 'mysql' is not supported; use sqlite:/// or postgresql+psycopg://"),
        ("sqlite://", "database: 'sqlite://' names no file, and a database in memory is gone with the process"),
        ("sqlite:///:memory:", "names no file, and a database in memory is gone with the process"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(address: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(address)

    assert message in str(caught.value)


def test_an_address_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCD_TEST_DATABASE", f"sqlite:///{tmp_path}/elsewhere.db")

    open_store("env:SYNCD_TEST_DATABASE").close()

    assert (tmp_path / "elsewhere.db").is_file()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://syncd:canary-9f3a@127.0.0.1:1/reports")

    assert "127.0.0.1/reports: the database server cannot be reached (" in str(caught.value)
    assert "start it, or correct database: in syncd.yaml" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_error_of_the_database_shows_none_of_the_data(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        insert(store, tables.records, record(1, '{"title": "canary"}'), record(1, '{"title": "canary"}'))

    assert "canary" not in f"{caught.value} {caught.value.__cause__}"


def test_a_new_sqlite_file_that_many_open_at_the_same_moment_refuses_nobody(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def open_once(start: threading.Barrier, path: Path) -> None:
        start.wait()
        try:
            open_store(f"sqlite:///{path}").close()
        except Exception as err:
            faults.append(err)

    for number in range(10):
        start = threading.Barrier(8)
        threads = [threading.Thread(target=open_once, args=(start, tmp_path / f"{number}.db")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert faults == []


def modes(folder: Path) -> dict[str, str]:
    return {file.name: f"{file.stat().st_mode & 0o777:o}" for file in folder.iterdir()}


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'new.db'}")
    with store.begin() as connection:
        connection.execute(sa.insert(tables.leases).values(**lease("a")))

    found = modes(tmp_path)
    store.close()

    assert found == {"new.db": "600", "new.db-wal": "600", "new.db-shm": "600"}


@pytest.mark.parametrize(("before", "after"), [(0o644, "600"), (0o666, "600"), (0o640, "640"), (0o600, "600")])
def test_a_database_that_everybody_may_read_is_closed_to_them(tmp_path: Path, before: int, after: str) -> None:
    path = tmp_path / "old.db"
    open_store(f"sqlite:///{path}").close()
    path.chmod(before)

    open_store(f"sqlite:///{path}").close()

    assert modes(tmp_path)["old.db"] == after
