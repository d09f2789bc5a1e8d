"""Zoho CRM, REST API v8, one organisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from connectors.zoho_crm.check import COQL_SCOPE, USERS_SCOPE, Checker
from connectors.zoho_crm.config import ZohoCrmConfig
from connectors.zoho_crm.errors import ERRORS, with_right
from connectors.zoho_crm.grant import Grant
from connectors.zoho_crm.modules import MODULES, Module
from connectors.zoho_crm.reading import OVERLAP, read_module, read_users
from connectors.zoho_crm.writing import OPERATIONS, Writer
from syncd.sdk import (
    ApiClient,
    AuthError,
    Command,
    ConfigError,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Deletes,
    Identity,
    Limits,
    Page,
    Receipt,
    Role,
    StreamSpec,
)

_USERS: Final = "users"
_TO_WRITE: Final = {
    "create_note": "the scope ZohoCRM.modules.notes.CREATE and that of the record's module",
    "create_task": "the scope ZohoCRM.modules.tasks.CREATE",
    "upsert": "the scopes CREATE and UPDATE of the record's module",
    "update": "the scope UPDATE of the record's module",
}
_TO_FIND: Final = {
    "create_note": f"the scope {MODULES['notes'].scope} and that of the record's module",
    "create_task": f"the scope {COQL_SCOPE} with {MODULES['tasks'].scope}",
}


def _stream(module: Module) -> StreamSpec:
    deletes = Deletes.REPORTED if module.reports_deletes else Deletes.CENSUS
    return StreamSpec(module.stream, incremental=True, overlap=OVERLAP, deletes=deletes)


class ZohoCrm:
    """One organisation of Zoho CRM. Thread-safe."""

    spec: ClassVar = ConnectorSpec(
        name="zoho_crm",
        title="Zoho CRM",
        role=Role.CRM,
        config=ZohoCrmConfig,
        streams=(
            *(_stream(module) for module in MODULES.values()),
            StreamSpec(_USERS, incremental=True, overlap=OVERLAP, deletes=Deletes.CENSUS),
        ),
        operations=OPERATIONS,
        # The smallest edition allows five calls at once; no rate per minute is documented, only credits per day.
        limits=Limits(concurrency=5),
    )

    def __init__(self, config: ZohoCrmConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._config = config
        self._path = f"/crm/{config.version}"
        self._grant = Grant(config, self._context)
        self._api = ApiClient(config.api_base, self._context, auth=self._grant.auth, errors=ERRORS)
        self._writer = Writer(self._api, self._path, config.trigger)

    def check(self) -> Identity:
        """Return user, organisation, what is missing, and what Zoho says of clock and credits."""
        checker = Checker(self._api, self._path, self._config, self._context, granted=lambda: self._grant.scopes)
        return checker.identity()

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield the pages of `stream`; deletions first, then records, oldest change first."""
        del partition  # no stream of this connector has any
        if stream == _USERS:
            pages = read_users(self._api, self._path, cursor, now=self._context.now())
            return _explained(pages, f"stream 'users' needs the scope {USERS_SCOPE}")
        if stream not in MODULES:
            raise ConfigError(f"{stream!r} is not a stream of 'zoho_crm'; choose one of {', '.join(MODULES)}, users")
        module = self._module(stream)
        needs = f"stream {stream!r} needs the scope {module.scope}" + (f" and {module.right}" if module.right else "")
        pages = read_module(self._api, self._path, module, cursor, now=self._context.now())
        return _explained(pages, needs)

    def find(self, command: Command) -> Receipt | None:
        """Look our mark up: notes of the parent, tasks by a query."""
        try:
            return self._writer.find(command)
        except AuthError as err:
            raise with_right(err, f"finding a {command.operation} needs {_TO_FIND.get(command.operation)}") from err

    def write(self, command: Command) -> Receipt:
        """Carry `command` out once."""
        try:
            return self._writer.write(command)
        except AuthError as err:
            raise with_right(err, f"{command.operation} needs {_TO_WRITE.get(command.operation)}") from err

    def close(self) -> None:
        """Close the sockets."""
        self._api.close()

    def _module(self, stream: str) -> Module:
        module = MODULES[stream]
        return module.with_fields(self._config.fields.get(module.name, ()))  # type: ignore[call-overload]


def _explained(pages: Iterator[Page], needs: str) -> Iterator[Page]:
    """Yield `pages`; a lost right is told together with what this stream needs."""
    try:
        yield from pages
    except AuthError as err:
        raise with_right(err, needs) from err
