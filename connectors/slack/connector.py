"""The connector: what it is, what it needs, and who it is at Slack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Final

from pydantic import Field, SecretStr

from connectors.slack import callbacks
from connectors.slack.check import check
from connectors.slack.files import Files
from connectors.slack.posting import Desk
from connectors.slack.replies import OVERLAP, STREAM, Reader
from connectors.slack.web import Web
from syncd.sdk import (
    AuthError,
    Command,
    ConfigError,
    ConnectorConfig,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Deletes,
    Delivery,
    Identity,
    Limits,
    OperationSpec,
    Page,
    Receipt,
    Role,
    StreamSpec,
    WebhookHint,
    hide,
)

_CHANNEL: Final = r"^[CGD][A-Z0-9]{2,}$"


class SlackConfig(ConnectorConfig):
    """One channel of one workspace.

    `read_token` replaces the token where messages are read, `signing_secret` proves callbacks, and a thread is read
    again for `follow_days` after its digest.
    """

    token: SecretStr
    channel: str = Field(pattern=_CHANNEL)
    read_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    follow_days: int = Field(60, ge=1, le=365)
    base_url: str = "https://slack.com/api"
    files_url: str = "https://files.slack.com"


class Slack:
    """Slack's Web API: one channel to post digests into, and the replies to them."""

    spec: ClassVar = ConnectorSpec(
        name="slack",
        title="Slack",
        role=Role.CHANNEL,
        config=SlackConfig,
        streams=(StreamSpec(STREAM, incremental=True, overlap=OVERLAP, deletes=Deletes.CENSUS),),
        operations=(
            OperationSpec("post_message", Delivery.FINDABLE, needs_target=False),
            OperationSpec("update_message", Delivery.KEYED),
        ),
        # Tier 3 gives 50 calls a minute for each method; all methods together stay within that. One message a second.
        limits=Limits(calls=50, per_seconds=60.0, concurrency=2, write_gap_seconds=1.0),
    )

    def __init__(self, config: SlackConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._config = config
        self._secret = config.signing_secret.get_secret_value() if config.signing_secret else None
        if self._secret:
            hide(self._secret)
        read_token = config.read_token.get_secret_value() if config.read_token else None
        self._web = Web(config.base_url, config.token.get_secret_value(), self._context, read_token=read_token)
        self._files = Files(self._web, config.files_url, self._context)
        self._desk = Desk(self._web, self._files, config.channel, self._context)

    def check(self) -> Identity:
        """Return app and workspace, and what is missing to read and to post in the channel."""
        return check(self._web, self._config.channel, self._context)

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield the replies to our digests."""
        del partition  # there are none
        if stream != STREAM:
            raise ConfigError(f"{stream!r} is not a stream of 'slack'; it has {STREAM!r}")
        follow = timedelta(days=self._config.follow_days)
        return Reader(self._web, self._config.channel, follow=follow, now=self._context.now()).pages(cursor)

    def find(self, command: Command) -> Receipt | None:
        """Return the message that carries our key."""
        return self._desk.find(command)

    def write(self, command: Command) -> Receipt:
        """Post a message, or write one anew."""
        return self._desk.write(command)

    def receive(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> WebhookHint:
        """Check a callback's signature; `replies` is due when something was said in our channel."""
        del query  # Slack puts nothing there
        place = f"connections.{self._context.connection}.config.signing_secret"
        if self._secret is None:
            raise ConfigError(f"{place}: is missing; without it no callback can be believed")
        try:
            return callbacks.receive(
                headers, body, secret=self._secret, channel=self._config.channel, now=self._context.now()
            )
        except AuthError as err:
            raise AuthError(f"{err} ({place})") from err

    def close(self) -> None:
        """Close the sockets."""
        self._web.close()
        self._files.close()
