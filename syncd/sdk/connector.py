"""The connector contract: four methods, raw vendor JSON both ways.

A connector knows one vendor's API and nothing else: no entity, no database, no sleeping, no retry loop
of its own. The engine commits what the connector proposes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from syncd.sdk.budget import Budget, Limits
from syncd.sdk.guard import AddressGuard
from syncd.sdk.tokens import MemoryTokens, TokenStore

JsonValue = Any
Json = Mapping[str, JsonValue]
Cursor = Mapping[str, str | int | float | bool | None]


class Delivery(StrEnum):
    """What can be known about a write whose answer was lost."""

    KEYED = "keyed"  # the vendor refuses a second one: repeat
    FINDABLE = "findable"  # our mark can be looked up: find, then decide
    BLIND = "blind"  # neither: mark unknown and ask a person, never auto-repeat


class Deletes(StrEnum):
    """How a deletion at the vendor becomes visible to us."""

    REPORTED = "reported"  # the stream yields tombstones (`Record.deleted`)
    CENSUS = "census"  # only by comparing a complete read with what we hold
    NOT_VISIBLE = "not_visible"  # the stream cannot be read in full


class Role(StrEnum):
    """What a connection is used for."""

    PROJECTS = "projects"
    CRM = "crm"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A named list that a connector can read.

    `overlap` is how far an incremental read goes back behind its cursor, since vendors show changes late.
    `partitioned` streams are read once per value of `Partitioned.partitions` (a repository, a project).
    `cadence` is how often the daemon reads the stream when the configuration does not say.
    """

    name: str
    incremental: bool = False
    overlap: timedelta = timedelta(minutes=15)
    deletes: Deletes = Deletes.CENSUS
    partitioned: bool = False
    cadence: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """A write that a connector offers, with what can be known when its answer is lost.

    `needs_target` operations require `Command.target_id`; `max_bytes` limits the UTF-8 size of the text body.
    """

    name: str
    delivery: Delivery
    needs_target: bool = True
    max_bytes: int | None = None


class ConnectorConfig(BaseModel):
    """Base of a connector's `config:` block; secrets are `SecretStr` fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ConnectorSpec:
    """What a connector is: its name, its configuration, what it reads and writes.

    `limits` is the request budget that the vendor documents; a connection's `limits:` may lower it.
    """

    name: str
    title: str
    role: Role
    config: type[ConnectorConfig]
    streams: tuple[StreamSpec, ...] = ()
    operations: tuple[OperationSpec, ...] = ()
    limits: Limits = Limits()

    def stream(self, name: str) -> StreamSpec:
        """Return the stream called `name`; KeyError when there is none."""
        return next((s for s in self.streams if s.name == name), None) or _missing(name)

    def operation(self, name: str) -> OperationSpec:
        """Return the operation called `name`; KeyError when there is none."""
        return next((o for o in self.operations if o.name == name), None) or _missing(name)


def _missing(name: str) -> Any:
    raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Record:
    """One raw item as the vendor sent it.

    `data` is read-only vendor JSON; `updated_at` aware UTC or None when the vendor gives none.
    A tombstone has `deleted=True` and may carry just its id in `data`.
    """

    stream: str
    remote_id: str
    data: Json
    updated_at: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the vendor's order, and where a later read may continue once they are stored.

    `cursor` None means that a read cannot be resumed here. `complete` is True on the last page of a read
    that ran from its start to the vendor's normal end; every read ends with exactly one such page or an error.
    `total` is the vendor's own count of the whole read, when it tells one (for progress and balance).
    """

    records: Sequence[Record]
    cursor: Cursor | None = None
    complete: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One intended write: vendor payload, our idempotency key, the remote id that it is aimed at."""

    operation: str
    idempotency_key: str
    payload: Json
    target_id: str | None = None


class Outcome(StrEnum):
    """How a write ended."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"  # it was there already


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof that a write happened."""

    remote_id: str
    outcome: Outcome
    url: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are at the vendor, and what is missing.

    `missing` names rights that the configured streams or operations need and the credentials lack.
    `clock_skew_seconds` is vendor time minus ours, `quota_left` calls left, each None when not told.
    """

    name: str
    tenant: str = ""
    missing: tuple[str, ...] = ()
    clock_skew_seconds: float | None = None
    quota_left: int | None = None
    notes: tuple[str, ...] = ()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ConnectorContext:
    """What the engine lends to a connector: one per connection, shared by its threads.

    `read_only` makes the network layer itself refuse writes (plan and dry run).
    `wait` sleeps for a number of seconds and may raise to end the read early (shutdown); injected in tests.
    """

    connection: str = "connection"
    budget: Budget = field(default_factory=Budget)
    tokens: TokenStore = field(default_factory=MemoryTokens)
    guard: AddressGuard = field(default_factory=AddressGuard)
    read_only: bool = False
    now: Callable[[], datetime] = _utc_now
    wait: Callable[[float], None] | None = None
    transport: Any = None


@runtime_checkable
class Connector(Protocol):
    """One vendor system. Instances are thread-safe and cheap to make; they own no state that must survive."""

    spec: ClassVar[ConnectorSpec]

    def check(self) -> Identity:
        """Return who we are and which rights are missing; cheap. AuthError or ConfigError with the way out."""
        ...

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield pages from `cursor` to the vendor's end; None reads everything, page one to a normal end.

        An incremental stream accepts `{"updated_at": <ISO 8601 UTC>}` alone, as a person's `--since` gives it.
        """
        ...

    def find(self, command: Command) -> Receipt | None:
        """Look up our own mark of a FINDABLE `command`; None when the vendor does not have it."""
        ...

    def write(self, command: Command) -> Receipt:
        """Do `command` once; never retry a call that is not idempotent. OutcomeUnknownError when the answer is lost."""
        ...

    def close(self) -> None:
        """Release sockets; the connector is not used afterwards."""
        ...


@runtime_checkable
class Partitioned(Protocol):
    """A connector with partitioned streams: what is read separately, each with a cursor of its own."""

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the partitions of `stream` now, in a stable order."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookHint:
    """What a callback told us: the streams to read now, and the answer that the vendor waits for.

    `streams` is empty for a callback that is no news. `reply` is what a vendor asks back to prove an address.
    """

    streams: frozenset[str] = frozenset()
    reply: bytes = b""
    content_type: str = "application/json"


@runtime_checkable
class WebhookReceiver(Protocol):
    """A connector whose vendor calls us. A callback is a hint that a read is due; the read is the truth."""

    def receive(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> WebhookHint:
        """Check the callback's signature over the raw `body` and return what it hints at; no network call.

        Header names are compared without case. AuthError when the signature is not the vendor's or its stamp is more
        than five minutes off, ConfigError when the connection has no secret to check it with.
        """
        ...
