"""What the use cases share: configuration, database, open connectors, compiled mappings, clock and stop signal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from syncd import registry, settings
from syncd.errors import ConfigError, StoppedError
from syncd.mapping import loader
from syncd.mapping.apply import Mapping as CompiledMapping
from syncd.sdk.budget import Budget, Limits
from syncd.sdk.connector import Connector, ConnectorContext, ConnectorSpec
from syncd.sdk.guard import AddressGuard
from syncd.sdk.tokens import MemoryTokens, TokenStore
from syncd.settings import AccountSettings, Config, ConnectionSettings
from syncd.store import Store
from syncd.store.tokens import StoredTokens, cipher


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Workspace:
    """One configuration at work on one database. Thread-safe; `close` releases connectors, not the database.

    `now` is the clock (aware UTC). `stop` ends waiting and reading early: StoppedError. `read_only` makes the
    connectors' network layer refuse writes.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        now: Callable[[], datetime] = _utc_now,
        stop: threading.Event | None = None,
        read_only: bool = False,
    ) -> None:
        self.config = config
        self.store = store
        self.now = now
        self.stop = stop or threading.Event()
        self.read_only = read_only
        self._lock = threading.RLock()
        self._connectors: dict[str, Connector] = {}
        self._mappings: dict[str, CompiledMapping] = {}
        self._key = config.service.secrets.key

    def close(self) -> None:
        """Close the connectors."""
        with self._lock:
            for connector in self._connectors.values():
                connector.close()
            self._connectors.clear()

    def wait(self, seconds: float) -> None:
        """Sleep, unless we are asked to stop: then StoppedError at once."""
        if self.stop.wait(seconds):
            raise StoppedError("asked to stop while waiting")

    def check_stop(self) -> None:
        """Raise StoppedError when we are asked to stop."""
        if self.stop.is_set():
            raise StoppedError("asked to stop")

    # -- connections ------------------------------------------------------------------------------------------

    def connection(self, name: str) -> ConnectionSettings:
        """Return a connection's settings; ConfigError when there is none of that name."""
        found = self.config.service.connections.get(name)
        if found is None:
            known = ", ".join(sorted(self.config.service.connections)) or "none"
            raise ConfigError(f"connection {name!r} does not exist; syncd.yaml has {known}")
        return found

    def spec(self, name: str) -> ConnectorSpec:
        """Return what the connector of a connection is."""
        return registry.spec(self.connection(name).connector)

    def connector(self, name: str) -> Connector:
        """Return the connector of a connection, made at the first call and shared by all threads."""
        with self._lock:
            if name not in self._connectors:
                self._connectors[name] = registry.open_connector(name, self.connection(name), self._context(name))
            return self._connectors[name]

    def _context(self, name: str) -> ConnectorContext:
        connection = self.connection(name)
        own = connection.limits
        limits = Limits(own.calls, own.per_seconds, own.concurrency) if own else self.spec(name).limits
        return ConnectorContext(
            connection=name,
            budget=Budget(limits, wait=self.wait),
            tokens=self._tokens(name),
            guard=AddressGuard(private_hosts=frozenset(host.lower() for host in connection.allow_private_hosts)),
            read_only=self.read_only,
            now=self.now,
            wait=self.wait,
        )

    def _tokens(self, name: str) -> TokenStore:
        if self._key is None:
            return MemoryTokens()
        key = settings.resolve_reference(self._key, where="secrets.key")
        return StoredTokens(self.store, name, cipher(key), now=_utc_now, wait=self.wait)

    def timezone(self, name: str) -> ZoneInfo:
        """Return a connection's time zone."""
        return ZoneInfo(self.connection(name).timezone)

    def mapping(self, name: str) -> CompiledMapping:
        """Return the compiled mapping of a connection's connector."""
        connector = self.connection(name).connector
        with self._lock:
            if connector not in self._mappings:
                self._mappings[connector] = loader.load(connector, user_dir=self.config.mappings)
            return self._mappings[connector]

    # -- accounts ---------------------------------------------------------------------------------------------

    def accounts(self, names: tuple[str, ...] = ()) -> list[AccountSettings]:
        """Return the named accounts, or all."""
        if not names:
            return list(self.config.accounts.values())
        return [self.config.account(name) for name in names]

    def sources_of(self, account: AccountSettings) -> list[str]:
        """Return the connections that an account's projects are read from, in the order of its file."""
        return list(dict.fromkeys(source.connection for project in account.projects for source in project.sources))

    def validate(self) -> None:
        """Check the whole configuration without a network call; ConfigError names the key."""
        for name, connection in self.config.service.connections.items():
            registry.validate(name, connection)
            self.mapping(name)
        if self._key is not None:
            cipher(settings.resolve_reference(self._key, where="secrets.key"))
        for account in self.config.accounts.values():
            self._validate_plan(account)
        self._refuse_shared_channels()

    def _validate_plan(self, account: AccountSettings) -> None:
        for number, row in enumerate(account.plan):
            where = f"accounts/{account.id}.yaml: plan.{number}"
            rule = self.mapping(row.channel).push_rule("Digest")
            if rule is None:
                raise ConfigError(
                    f"{where}.channel: {row.channel!r} cannot send a digest; its mapping has no push rule"
                )
            if rule.posts_to_channel and self.spec(row.channel).operation(rule.operation).needs_target:
                raise ConfigError(
                    f"{where}.channel: {rule.operation} of {row.channel!r} needs a target of its own, which `target: "
                    "channel` in its mapping does not give; write recipient or a key of the account's `from:` entry"
                )
            if row.when.with_digest and not any(not other.when.with_digest for other in account.plan):
                raise ConfigError(f"{where}.when: `with digest` needs another row that has a time of its own")

    def _refuse_shared_channels(self) -> None:
        """A channel that a client reads is closed to other accounts: what is posted there is told to that client."""
        users: dict[str, dict[str, str]] = {}
        read_by: dict[str, str] = {}
        for account in self.config.accounts.values():
            for number, row in enumerate(account.plan):
                rule = self.mapping(row.channel).push_rule("Digest")
                if rule is None or not rule.posts_to_channel:
                    continue
                users.setdefault(row.channel, {}).setdefault(account.id, f"accounts/{account.id}.yaml: plan.{number}")
                if account.audiences[row.audience].is_client:
                    read_by.setdefault(row.channel, account.id)
        for channel, client in read_by.items():
            for other, where in users[channel].items():
                if other != client:
                    raise ConfigError(
                        f"{where}.channel: the client of accounts/{client}.yaml reads what {channel!r} posts; "
                        f"give {other!r} a connection with a channel of its own"
                    )
