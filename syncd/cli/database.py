"""`syncd db`: look after the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.store import Store

app = typer.Typer(help="Upgrade, back up, rename a connection, check the audit trail.", no_args_is_help=True)


def _open(config: Path) -> Store:
    from syncd import settings
    from syncd.store import open_store

    return open_store(settings.load(config).service.database)


def _say(message: str, *, as_json: bool, **facts: object) -> None:
    if as_json:
        output.print_json({"message": message, **facts})
    else:
        output.console().print(message)


@app.command()
def upgrade(config: ConfigFolder = DEFAULT_CONFIG, as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """Make or upgrade the tables; every other command does so, too."""
    from syncd.store.session import HEAD

    _open(config).close()
    _say(f"the database is at revision {HEAD}", as_json=as_json, revision=HEAD)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Write a consistent copy of a SQLite database while it is in use; PostgreSQL has pg_dump."""
    store = _open(config)
    if not store.is_sqlite:
        raise ConfigError("db backup copies SQLite files; for PostgreSQL use: pg_dump")
    if target.exists():
        raise ConfigError(f"{target}: is there already; name another file")
    try:
        _copy(str(store.engine.url.database), target)
    except (sqlite3.Error, OSError) as err:
        target.unlink(missing_ok=True)
        raise ConfigError(f"{target}: cannot be written ({err}); name another file") from err
    finally:
        store.close()
    _say(f"written to {target}", as_json=as_json, file=str(target), bytes=target.stat().st_size)


def _copy(database: str, target: Path) -> None:
    from syncd.store.session import keep_private

    keep_private(target)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="The connection's name so far.")],
    new: Annotated[str, typer.Argument(help="Its new name.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Keep a connection's cursors, records and grants when it is renamed in syncd.yaml."""
    from syncd.store import maintenance

    store = _open(config)
    count = maintenance.rename_connection(store, old, new)
    store.close()
    if not count:
        raise ConfigError(f"the database knows no connection {old!r}; nothing was renamed")
    _say(
        f"{old} is {new} now ({count:,} rows); its entities are made anew at the next run", as_json=as_json, rows=count
    )


@app.command()
def audit(config: ConfigFolder = DEFAULT_CONFIG, as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """Check that no entry of the audit trail was changed or removed."""
    from syncd.store import audit as trail

    store = _open(config)
    with store.read() as connection:
        broken = trail.first_broken(connection)
    store.close()
    text = "the audit trail is whole" if broken is None else f"entry {broken} does not fit the chain"
    _say(text, as_json=as_json, first_broken=broken)
    raise typer.Exit(output.OK if broken is None else output.ATTENTION)


@app.command("forget-grant")
def forget_grant(
    connection: Annotated[str, typer.Argument(help="A connection.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Delete a stored grant, e.g. after the key was lost; the configured credential is used anew."""
    from syncd.store import tokens

    store = _open(config)
    was_there = tokens.forget(store, connection)
    store.close()
    _say("forgotten" if was_there else f"no grant of {connection!r} is stored", as_json=as_json, forgotten=was_there)
