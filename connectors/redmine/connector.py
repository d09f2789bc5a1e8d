"""The connector: what it is, what it reads, and who it is at Redmine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import SecretStr, StringConstraints, field_validator

from connectors.redmine import access, reading, writing
from connectors.redmine.projects import Projects
from connectors.redmine.rest import Rest
from syncd.sdk import (
    Command,
    ConfigError,
    ConnectorConfig,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Delivery,
    Identity,
    Limits,
    OperationSpec,
    Page,
    Receipt,
    Role,
    StreamSpec,
)

# What Redmine takes for an identifier; one of digits only would be a number of its own.
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,99}[a-z_-][a-z0-9_-]*$", max_length=100)]

_HOUR: Final = timedelta(hours=1)
_OVERLAP: Final = timedelta(minutes=5)  # a change is shown when its transaction ends: a bulk edit may take minutes


class RedmineConfig(ConnectorConfig):
    """A server, one user's key, and the projects that it is used for; none = all that the user is a member of."""

    base_url: str
    api_key: SecretStr
    projects: tuple[Identifier, ...] = ()

    @field_validator("projects")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return names


class Redmine:
    """Redmine's REST API, one server."""

    spec: ClassVar = ConnectorSpec(
        name="redmine",
        title="Redmine",
        role=Role.PROJECTS,
        config=RedmineConfig,
        streams=(
            StreamSpec("projects", cadence=6 * _HOUR),
            StreamSpec("users", cadence=24 * _HOUR),
            StreamSpec("statuses", cadence=24 * _HOUR),
            StreamSpec("custom_fields", cadence=24 * _HOUR),
            StreamSpec("versions", cadence=_HOUR),
            StreamSpec("issues", incremental=True, overlap=_OVERLAP, partitioned=True),
            StreamSpec("journals", incremental=True, overlap=_OVERLAP, partitioned=True),
            StreamSpec("relations", partitioned=True, cadence=6 * _HOUR),
        ),
        operations=(
            OperationSpec("create_comment", Delivery.FINDABLE, max_bytes=writing.MAX_BYTES),
            OperationSpec("update_issue", Delivery.KEYED),
        ),
        # Redmine has no limit of its own. It is somebody's own server, with a few processes: leave most of them free.
        limits=Limits(calls=1200, per_seconds=60.0, concurrency=2),
    )

    def __init__(self, config: RedmineConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._rest = Rest(config.base_url, config.api_key.get_secret_value(), self._context)
        self._projects = Projects(self._rest, config.projects)

    def check(self) -> Identity:
        """Return the login, and the projects or rights that its user lacks."""
        return access.check(self._rest, self._projects, self._context)

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the identifiers of the projects."""
        return self._projects.identifiers() if self._stream(stream).partitioned else ("",)

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield pages of `stream`; `partition` is a project's identifier for issues, journals and relations."""
        spec = self._stream(stream)
        if not spec.partitioned:
            return reading.whole(self._rest, self._projects, stream)
        configured = self._projects.names
        if not partition or (configured and partition not in configured):
            raise ConfigError(
                f"connections.{self._context.connection}: {stream} of {partition!r} cannot be read; "
                f"it is not in config.projects ({', '.join(configured) or 'name one'})"
            )
        return reading.of_project(self._rest, stream, partition, cursor, overlap=spec.overlap)

    def find(self, command: Command) -> Receipt | None:
        """Return the journal that carries our mark."""
        return writing.find(self._rest, command)

    def write(self, command: Command) -> Receipt:
        """Comment on an issue, or change one."""
        return writing.write(self._rest, self._projects, command)

    def close(self) -> None:
        """Close the sockets."""
        self._rest.close()

    def _stream(self, name: str) -> StreamSpec:
        try:
            return self.spec.stream(name)
        except KeyError as err:
            known = ", ".join(sorted(spec.name for spec in self.spec.streams))
            raise ConfigError(f"{name!r} is not a stream of 'redmine'; choose one of {known}") from err
