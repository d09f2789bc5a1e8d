"""The database: the only place where SQL is written. SQLite by default, PostgreSQL by changing one address."""

from sqlalchemy.engine import Connection

from syncd.store.session import Store, open_store

__all__ = ["Connection", "Store", "open_store"]
