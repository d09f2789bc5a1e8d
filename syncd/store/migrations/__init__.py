"""Schema changes: Alembic revisions, run from code so that no alembic.ini is needed."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

_FOLDER = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def known_revisions() -> list[str]:
    """Return all revisions that this program knows, newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision` in one transaction; of several processes the first does it, the rest wait."""
    config = _config()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's write transactions wait for each other anyway
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7263400)")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
