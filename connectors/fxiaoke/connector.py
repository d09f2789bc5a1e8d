"""纷享销客 Fxiaoke, OpenAPI v2, one tenant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from connectors.fxiaoke.check import Checker
from connectors.fxiaoke.config import FxiaokeConfig, Style
from connectors.fxiaoke.errors import ERRORS
from connectors.fxiaoke.gateway import Gateway
from connectors.fxiaoke.grant import Grant
from connectors.fxiaoke.objects import ACCOUNTS, ACTIVITIES, CONTACTS, FIXED, OBJECTS, OPPORTUNITIES, USERS
from connectors.fxiaoke.reading import OVERLAP, read_object, read_users
from connectors.fxiaoke.writing import OPERATIONS, Writer
from syncd.sdk import (
    ApiClient,
    Command,
    ConfigError,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Identity,
    Limits,
    Page,
    Receipt,
    Role,
    StreamSpec,
)

_STREAMS: Final = (
    *(StreamSpec(name, incremental=True, overlap=OVERLAP) for name in (ACCOUNTS, CONTACTS, OPPORTUNITIES, ACTIVITIES)),
    StreamSpec(OBJECTS, incremental=True, overlap=OVERLAP, partitioned=True),
    StreamSpec(USERS),
)


class Fxiaoke:
    """One tenant of Fxiaoke. Thread-safe."""

    spec: ClassVar = ConnectorSpec(
        name="fxiaoke",
        title="Fxiaoke",
        role=Role.CRM,
        config=FxiaokeConfig,
        streams=_STREAMS,
        operations=OPERATIONS,
        # 100 calls of one interface in 20 seconds; counted here over all of them, with some left for other programs.
        limits=Limits(calls=90, per_seconds=20.0, concurrency=4),
    )

    def __init__(self, config: FxiaokeConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._config = config
        self._api = ApiClient(config.address, self._context, auth=Grant(config, self._context).auth, errors=ERRORS)
        self._gateway = Gateway(self._api, converts_ids=config.style is Style.HEADER)
        self._writer = Writer(self._gateway, config)

    def check(self) -> Identity:
        """Return who acts, in which tenant, and which objects and rights are missing."""
        return Checker(self._gateway, self._config, self._context).identity()

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the further objects that the configuration names."""
        return self._config.objects if stream == OBJECTS else ()

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield the pages of `stream`."""
        if stream == USERS:
            return read_users(self._gateway)
        return read_object(
            self._gateway,
            stream,
            self._object(stream, partition),
            cursor,
            now=self._context.now(),
            watch_invalid=self._config.watch_invalid,
        )

    def find(self, command: Command) -> Receipt | None:
        """Look our mark up."""
        return self._writer.find(command)

    def write(self, command: Command) -> Receipt:
        """Carry `command` out once."""
        return self._writer.write(command)

    def close(self) -> None:
        """Close the sockets."""
        self._api.close()

    def _object(self, stream: str, partition: str) -> str:
        known = {**FIXED, OPPORTUNITIES: self._config.opportunity_object}
        if stream in known:
            return known[stream]
        if stream == OBJECTS and partition in self._config.objects:
            return partition
        if stream == OBJECTS:
            raise ConfigError(f"stream 'objects': {partition!r} is not listed under `objects` of the connection")
        raise ConfigError(f"{stream!r} is not a stream of 'fxiaoke'; choose one of {', '.join(known)}, objects, users")
