"""Email, SMTP submission: one mailbox to send from, one recipient a message."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import ClassVar

from connectors.email.config import EmailConfig, Security, desk_of, server_of
from connectors.email.message import compose
from connectors.email.session import Patience, Session
from syncd.sdk import (
    Command,
    ConfigError,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Delivery,
    Identity,
    Limits,
    OperationSpec,
    Outcome,
    Page,
    ReadOnlyError,
    Receipt,
    Role,
    hide,
)


class Email:
    """Sends mail through one submission server. Each message has a connection of its own."""

    spec: ClassVar = ConnectorSpec(
        name="email",
        title="Email",
        role=Role.CHANNEL,
        config=EmailConfig,
        operations=(OperationSpec("send_mail", Delivery.BLIND),),
        # The tightest documented limit of the big providers: Exchange Online, 30 messages a minute.
        limits=Limits(calls=30, per_seconds=60.0, concurrency=2),
    )

    def __init__(self, config: EmailConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._server = server_of(config, self._context.connection)
        self._desk = desk_of(config, self._context.connection)
        self._password = config.password.get_secret_value() if config.password else None
        if self._password:
            hide(self._password)
        self._tls = _tls_context(config, self._server.security, self._context.connection)
        self._patience = Patience(config.connect_seconds, config.reply_seconds, config.accept_seconds)

    def check(self) -> Identity:
        """Connect, log in and leave; say what the server takes."""
        with self._context.budget.slot(wait=self._context.wait), self._session() as session:
            return Identity(
                name=self._server.user or self._desk.sender.address,
                tenant=self._server.host,
                notes=_notes(session, self._server.security),
            )

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Raise KeyError: there is nothing to read yet."""
        self.spec.stream(stream)
        return iter(())

    def find(self, command: Command) -> Receipt | None:
        """Return None: SMTP has no way to look up what was sent."""
        return None

    def write(self, command: Command) -> Receipt:
        """Send one mail once; the receipt's `remote_id` is its Message-ID, the detail the server's answer."""
        self.spec.operation(command.operation)
        if self._context.read_only:
            raise ReadOnlyError(f"{command.operation}: plan mode sends no mail")
        mail = compose(command, self._desk, self._context.now())
        with self._context.budget.slot(wait=self._context.wait, writes=True), self._session() as session:
            accepted = session.send(mail)
        return Receipt(mail.message_id, Outcome.CREATED, detail=str(accepted))

    def close(self) -> None:
        """Do nothing: no connection outlives its message."""

    def _session(self) -> Session:
        return Session(self._server, self._password, self._tls, self._patience, self._context)


def _tls_context(config: EmailConfig, security: Security, connection: str) -> ssl.SSLContext:
    if security is Security.PLAIN:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, trusts nobody, and costs no reading of authorities
    try:
        tls = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    except OSError as err:
        raise ConfigError(
            f"connections.{connection}.config.ca_file: {config.ca_file} is not a readable PEM file of certificates"
        ) from err
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return tls


def _notes(session: Session, security: Security) -> tuple[str, ...]:
    limit = session.size_limit
    offers = ", ".join(sorted(name.upper() for name in session.offers))
    return (
        f"connection: {session.tls_version or 'not encrypted'} ({security})",
        f"largest message: {f'{limit:,} bytes' if limit else 'the server does not say'}",
        f"the server offers: {offers or 'no extensions'}",
    )
