"""The `config:` block of an email connection, and the server address in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import ConfigDict, Field, SecretStr

from connectors.email.headers import Mailbox, mailbox
from syncd.sdk import ConfigError, ConnectorConfig

EXAMPLE: Final = "smtps://reports@agency.example@smtp.agency.example"


class EmailConfig(ConnectorConfig):
    """One mailbox to send from.

    `connect_seconds`, `reply_seconds` and `accept_seconds` bound the connect, each whole reply, and both the upload
    and the final reply. The last is long on purpose (RFC 5321 section 4.5.3.2.6 asks for ten minutes): giving up
    early turns a slow acceptance into an unknown outcome.
    """

    # Even a wrong value may hold a secret, so validation errors do not show it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    smtp: str
    password: SecretStr | None = None
    sender: str = Field(alias="from")
    reply_to: str | None = None
    bounces_to: str | None = None
    message_id_domain: str | None = None
    list_id: str | None = None
    ca_file: Path | None = None
    connect_seconds: float = Field(10.0, gt=0)
    reply_seconds: float = Field(60.0, gt=0)
    accept_seconds: float = Field(600.0, gt=0)


class Security(StrEnum):
    """How the connection is protected; the value is the URL's scheme."""

    TLS = "smtps"
    STARTTLS = "smtp+starttls"
    PLAIN = "smtp"


_PORTS: Final = {Security.TLS: 465, Security.STARTTLS: 587, Security.PLAIN: 25}


@dataclass(frozen=True, slots=True)
class Server:
    """Where and as whom to submit mail."""

    security: Security
    host: str
    port: int
    user: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Desk:
    """What every message of a connection has in common."""

    sender: Mailbox
    reply_to: Mailbox | None
    bounces_to: Mailbox
    domain: str
    list_id: str


def server_of(config: EmailConfig, connection: str) -> Server:
    """Return the server that `smtp:` names; ConfigError, which never repeats the address, when it is not usable."""
    key = f"connections.{connection}.config"
    try:
        parts = urlsplit(config.smtp)
        server = Server(Security(parts.scheme), _host(parts), parts.port or 0, _user(parts))
    except ValueError as err:
        raise ConfigError(
            f"{key}.smtp: not a server address; write smtps://, smtp+starttls:// or smtp://, such as {EXAMPLE}"
        ) from err
    if parts.password is not None:
        raise ConfigError(f"{key}.smtp: holds a password; move it to {key}.password as env:NAME or file:/path")
    if (server.user is None) != (config.password is None):
        have, lack = ("a user", "password") if server.user else ("a password", "the user in smtp")
        raise ConfigError(f"{key}: {have} without {lack}; give both, or neither for a server without login")
    return Server(server.security, server.host, server.port or _PORTS[server.security], server.user)


def desk_of(config: EmailConfig, connection: str) -> Desk:
    """Return the sender's side of every message; ConfigError names the address that is not one."""
    sender = _mailbox(config.sender, connection, "from")
    domain = config.message_id_domain or sender.domain
    return Desk(
        sender=sender,
        reply_to=_mailbox(config.reply_to, connection, "reply_to") if config.reply_to else None,
        bounces_to=_mailbox(config.bounces_to, connection, "bounces_to") if config.bounces_to else sender,
        domain=_domain(domain, connection, "message_id_domain"),
        list_id=_domain(config.list_id or f"digests.{domain}", connection, "list_id"),
    )


def _host(parts: SplitResult) -> str:
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("no host, or more than a host")
    return parts.hostname


def _user(parts: SplitResult) -> str | None:
    return unquote(parts.username) if parts.username else None


def _mailbox(text: str, connection: str, key: str) -> Mailbox:
    try:
        return mailbox(text)
    except ValueError as err:
        raise ConfigError(
            f'connections.{connection}.config.{key}: {err}; write reports@agency.example or "Name <address>"'
        ) from err


def _domain(text: str, connection: str, key: str) -> str:
    try:
        return mailbox(f"x@{text}").domain
    except ValueError as err:
        raise ConfigError(
            f"connections.{connection}.config.{key}: {text!r} is not a domain such as agency.example"
        ) from err
