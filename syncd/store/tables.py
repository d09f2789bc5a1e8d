"""All tables, as SQLAlchemy Core. JSON is kept as text: what msgspec or pydantic wrote, byte for byte."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite keeps it without an offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # signature is SQLAlchemy's
        """Give the time its zone back."""
        if value is None:
            return None
        aware: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware


class Prose(TypeDecorator[str]):
    """Text for people, a vendor's words in it: what a database cannot keep (NUL, half a character) is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what PostgreSQL or UTF-8 refuses; a report of a fault must not fail over the fault's own text."""
        return None if value is None else _UNKEEPABLE.sub("\ufffd", value)


_UNKEEPABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
}
metadata: Final = MetaData(naming_convention=_NAMING)
_Id = BigInteger().with_variant(Integer(), "sqlite")

cursors: Final = Table(
    "cursors",
    metadata,
    Column("connection", String(64), primary_key=True),
    Column("stream", String(64), primary_key=True),
    Column("partition", Text, primary_key=True),
    Column("cursor", Text),  # null: nothing to resume from
    Column("reading_full", Integer, nullable=False, default=0),  # a full read is under way and can be resumed
    Column("as_of", UtcDateTime),  # start of the last read that ran to its end
    Column("full_at", UtcDateTime),  # start of the last full read that ran to its end
    Column("mapping", String(32)),  # fingerprint of the mapping that the stored entities were made with
    Column("failed_at", UtcDateTime),  # null after a read that ended well
    Column("error", Prose),
)

records: Final = Table(
    "records",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("connection", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("partition", Text, nullable=False),
    Column("content_hash", LargeBinary(16), nullable=False),
    Column("data", Text, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("fetched_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    UniqueConstraint("connection", "stream", "remote_id"),
)

entities: Final = Table(
    "entities",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("connection", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("project", String(36)),
    Column("account", String(36)),
    Column("deleted_at", UtcDateTime),
    Column("body", Text, nullable=False),
    Index(None, "project", "kind"),
    Index(None, "connection", "kind", "remote_id"),
    Index(None, "account", "kind"),
)

changes: Final = Table(
    "changes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("entity", String(36), nullable=False),
    Column("field", String(64), nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("at", UtcDateTime, nullable=False),  # when it changed at the vendor, as well as we know
    Column("seen_at", UtcDateTime, nullable=False),
    Index(None, "entity", "at"),
)

links: Final = Table(
    "links",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("account", String(64), nullable=False),  # the client's file
    Column("canonical", Text, nullable=False),  # what the entities are one of: "person:a@b", "project:Portal"
    Column("kind", String(32), nullable=False),
    Column("entity", String(36), nullable=False),
    Column("how", String(16), nullable=False),  # explicit | email | domain | person
    Column("made_at", UtcDateTime, nullable=False),
    UniqueConstraint("account", "canonical", "entity"),
)

conflicts: Final = Table(
    "conflicts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("canonical", Text, nullable=False),
    Column("field", String(64), nullable=False),
    Column("chosen", Text),
    Column("other", Text),
    Column("chosen_from", String(64), nullable=False),
    Column("other_from", String(64), nullable=False),
    Column("rule", String(32), nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("gone_at", UtcDateTime),
    UniqueConstraint("account", "canonical", "field", "other_from"),
)

communication_records: Final = Table(
    "communication_records",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("project", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("schedule", Text, nullable=False, default=""),
    Column("state", String(16), nullable=False),
    Column("period_start", UtcDateTime, nullable=False),
    Column("period_end", UtcDateTime, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("facts_hash", String(64), nullable=False),  # of the entities it was made of: equal = nothing is new
    Column("slot", Text, nullable=False),  # what it was made for: a due time, or "run" and its number
    Column("made_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("body", Text, nullable=False),
    UniqueConstraint("account", "project", "number"),
    UniqueConstraint("account", "project", "schedule", "slot"),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("idempotency_key", String(64), nullable=False, unique=True),
    Column("account", String(64), nullable=False),
    Column("project", Text, nullable=False),
    Column("record", String(36), ForeignKey("communication_records.id"), nullable=False),
    Column("audience", Text, nullable=False),
    Column("recipient", Text, nullable=False, default=""),
    Column("connection", String(64), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("delivery", String(16), nullable=False),
    Column("target_id", Text),
    Column("payload", Text, nullable=False),
    Column("payload_hash", String(64), nullable=False),
    Column("is_quiet", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", UtcDateTime),
    Column("claimed_by", String(64)),
    Column("claimed_until", UtcDateTime),
    Column("remote_id", Text),
    Column("outcome", String(16)),
    Column("url", Prose),
    Column("detail", Prose),
    Column("made_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index(None, "state", "connection"),
    Index(None, "connection", "remote_id"),
    Index(None, "record"),
    Index(None, "account", "project", "recipient"),
)

parked: Final = Table(
    "parked",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("connection", String(64), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("partition", Text, nullable=False, default=""),
    Column("reason", Prose, nullable=False),
    Column("field", String(64), nullable=False, default=""),
    Column("value", Prose, nullable=False, default=""),
    Column("content_hash", LargeBinary(16)),
    Column("data", Text),
    Column("updated_at", UtcDateTime),
    Column("times", Integer, nullable=False, default=1),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False, default="open"),  # open | settled | skipped
    Column("why", Prose),
    UniqueConstraint("connection", "stream", "remote_id"),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("command", String(32), nullable=False),
    Column("scope", Text, nullable=False),
    Column("state", String(16), nullable=False),  # running | ok | attention | failed | interrupted
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("read", Integer, nullable=False, default=0),
    Column("written", Integer, nullable=False, default=0),
    Column("unchanged", Integer, nullable=False, default=0),
    Column("skipped", Integer, nullable=False, default=0),
    Column("parked", Integer, nullable=False, default=0),
    Column("error", Prose),
    Index(None, "started_at"),
)

firings: Final = Table(
    "firings",
    metadata,
    Column("schedule", Text, primary_key=True),
    Column("due_at", UtcDateTime, primary_key=True),
    Column("fired_at", UtcDateTime, nullable=False),
    Column("config_version", String(32), nullable=False),
    Column("holder", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # running | done | failed
    Column("ended_at", UtcDateTime),
    Column("error", Prose),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("connection", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

connections: Final = Table(
    "connections",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("state", String(16), nullable=False),  # up | down | paused
    Column("since", UtcDateTime, nullable=False),
    Column("error", Prose),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)
