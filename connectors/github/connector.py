"""The connector: what it is, what it reads, and who it is at GitHub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import Field, SecretStr, StringConstraints, field_validator

from connectors.github import access, reading, writing
from connectors.github.rest import Rest
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

Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]

_HOUR: Final = timedelta(hours=1)


class GitHubConfig(ConnectorConfig):
    """One token, and the repositories that it is used for."""

    base_url: str = "https://api.github.com"
    token: SecretStr
    repositories: tuple[Repository, ...] = Field(min_length=1)

    @field_validator("repositories")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        folded = [name.lower() for name in names]
        if twice := sorted({name for name in names if folded.count(name.lower()) > 1}):
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return names


class GitHub:
    """GitHub REST v3, github.com or Enterprise Server: the configured repositories."""

    spec: ClassVar = ConnectorSpec(
        name="github",
        title="GitHub",
        role=Role.PROJECTS,
        config=GitHubConfig,
        streams=(
            StreamSpec("repositories", cadence=6 * _HOUR),
            StreamSpec("users", cadence=24 * _HOUR),
            StreamSpec("labels", partitioned=True, cadence=24 * _HOUR),
            StreamSpec("milestones", incremental=True, partitioned=True),
            StreamSpec("issues", incremental=True, partitioned=True),
            StreamSpec("comments", incremental=True, partitioned=True),
        ),
        operations=(
            OperationSpec("create_comment", Delivery.FINDABLE, max_bytes=writing.MAX_BYTES),
            OperationSpec("update_issue", Delivery.KEYED),
        ),
        # 5,000 calls an hour for a user's token; one at a time and a second between writes, as GitHub asks.
        limits=Limits(calls=5000, per_seconds=3600.0, concurrency=1, write_gap_seconds=1.0),
    )

    def __init__(self, config: GitHubConfig, *, context: ConnectorContext | None = None) -> None:
        self._context = context or ConnectorContext()
        self._repositories = config.repositories
        self._rest = Rest(config.base_url, config.token.get_secret_value(), self._context)

    def check(self) -> Identity:
        """Return the login, and the repositories or rights that the token lacks."""
        return access.check(self._rest, self._repositories, self._context)

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the configured repositories."""
        return self._repositories if self._stream(stream).partitioned else ("",)

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield pages of `stream`; `partition` is a configured repository for all but repositories and users."""
        spec = self._stream(stream)
        if spec.partitioned and partition not in self._repositories:
            raise ConfigError(
                f"connections.{self._context.connection}: {stream} of {partition!r} cannot be read; "
                f"it is not in config.repositories ({', '.join(self._repositories)})"
            )
        match stream:
            case "repositories":
                return reading.repositories(self._rest, self._repositories)
            case "users":
                return reading.users(self._rest, self._repositories)
            case "labels":
                return reading.labels(self._rest, partition)
            case "milestones":
                return reading.milestones(self._rest, partition, cursor, overlap=spec.overlap)
            case _:
                return reading.changed(self._rest, stream, partition, cursor, overlap=spec.overlap)

    def find(self, command: Command) -> Receipt | None:
        """Return the comment that carries our mark."""
        return writing.find(self._rest, command, self._repositories)

    def write(self, command: Command) -> Receipt:
        """Comment on an issue or pull request, or change one."""
        return writing.write(self._rest, command, self._repositories)

    def close(self) -> None:
        """Close the sockets."""
        self._rest.close()

    def _stream(self, name: str) -> StreamSpec:
        try:
            return self.spec.stream(name)
        except KeyError as err:
            known = ", ".join(sorted(spec.name for spec in self.spec.streams))
            raise ConfigError(f"{name!r} is not a stream of 'github'; choose one of {known}") from err
