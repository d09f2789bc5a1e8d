"""Worktile, one team: the tenant open API with an application's client credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, SecretStr

from connectors.worktile.dialect import ERRORS
from connectors.worktile.grant import tenant_token
from connectors.worktile.reading import DETAILS, FIELDS, MEMBERS, PROJECTS, TASKS, Reader
from connectors.worktile.writing import Writer
from syncd.sdk import (
    ApiClient,
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
    Reply,
    Role,
    StreamSpec,
)

_HOURLY: Final = timedelta(hours=1)
_RARELY: Final = timedelta(hours=6)
_DAILY: Final = timedelta(days=1)
PropertyKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class WorktileConfig(ConnectorConfig):
    """How to reach one team.

    `base_url` ends in `/open-api`, also for a private deployment. `projects` restricts to these (ids or names).
    `properties` are the keys of custom task properties to read. `comment_days`: comments are read of tasks that
    changed within so many days; 0 reads none. Nothing is ever written unless `allow_writes` is true.
    """

    base_url: str = "https://dev.worktile.com/open-api"
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    projects: tuple[str, ...] = ()
    properties: tuple[PropertyKey, ...] = ()
    comment_days: int = Field(default=7, ge=0, le=3650)
    allow_writes: bool = False


class Worktile:
    """Worktile: projects, tasks, comments and members of one team."""

    spec: ClassVar = ConnectorSpec(
        name="worktile",
        title="Worktile",
        role=Role.PROJECTS,
        config=WorktileConfig,
        streams=(
            StreamSpec("projects", cadence=_HOURLY),
            StreamSpec("users", cadence=_DAILY),
            StreamSpec("tasks", partitioned=True, cadence=_HOURLY),
            StreamSpec("comments", partitioned=True, deletes=Deletes.NOT_VISIBLE, cadence=_RARELY),
        ),
        operations=(OperationSpec("create_project", Delivery.BLIND, needs_target=False),),
        # Figures are not published; eight calls at once were seen to be refused and three were not.
        limits=Limits(calls=180, per_seconds=60.0, concurrency=3),
    )

    def __init__(self, config: WorktileConfig, *, context: ConnectorContext | None = None) -> None:
        self._config = config
        self._context = context or ConnectorContext()
        auth = tenant_token(config.base_url, config.client_id, config.client_secret, self._context)
        self._api = ApiClient(config.base_url, self._context, auth=auth, errors=ERRORS)
        self._reader = Reader(self._api, self._context, config.projects, config.properties, config.comment_days)
        self._writer = Writer(self._api, self._context.connection, config.allow_writes)

    def check(self) -> Identity:
        """Say which of the reads that the streams need are refused; a write is not tried."""
        missing: list[str] = []
        projects = self._ask(PROJECTS, {}, "read projects", missing)
        self._ask(MEMBERS, {}, "read members", missing)
        first = _first_id(projects)
        if self._config.projects and projects:
            first = self._reader.project_ids()[0]
        tasks = self._ask(TASKS, {"project_id": first}, "read tasks", missing) if first else None
        if task := _first_id(tasks):
            self._ask(DETAILS, {"task_ids": task, "fields": FIELDS[0]}, "read task details", missing, page=False)
        return Identity(
            name=f"application {self._config.client_id}",
            missing=tuple(missing),
            clock_skew_seconds=_skew(projects, self._context),
            notes=(_writes(self._config), *(() if first or missing else (_EMPTY,))),
        )

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield pages of `stream`, always all of it; tasks and comments are read for the project `partition`."""
        match stream:
            case "projects":
                return self._reader.projects()
            case "users":
                return self._reader.users()
            case "tasks" if partition:
                return self._reader.tasks(partition)
            case "comments" if partition:
                return self._reader.comments(partition)
            case "tasks" | "comments":
                raise ConfigError(f"{stream} are read for one project; name it as partition")
        raise KeyError(stream)

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the ids of the projects that tasks and comments are read for."""
        return self._reader.project_ids()

    def find(self, command: Command) -> Receipt | None:
        """No operation leaves a mark that could be looked up."""
        raise KeyError(command.operation)

    def write(self, command: Command) -> Receipt:
        """Send once; RejectedError unless the configuration allows writing."""
        if command.operation == "create_project":
            return self._writer.create_project(command)
        raise KeyError(command.operation)

    def close(self) -> None:
        """Release the sockets."""
        self._api.close()

    def _ask(
        self, path: str, params: dict[str, Any], right: str, missing: list[str], *, page: bool = True
    ) -> Reply | None:
        """Read one row of `path`; note `right` as missing when that is forbidden."""
        window = {"page_index": 0, "page_size": 1} if page else {}
        try:
            return self._api.get(path, {**params, **window})
        except AuthError as err:
            if err.status != 403:
                raise
            missing.append(f"{right} ({path})")
            return None


_EMPTY: Final = "no project is visible to this application, so reading tasks was not tried"


def _writes(config: WorktileConfig) -> str:
    return "may create projects" if config.allow_writes else "only reads; allow_writes is false"


def _skew(reply: Reply | None, context: ConnectorContext) -> float | None:
    return (reply.date - context.now()).total_seconds() if reply and reply.date else None


def _first_id(reply: Reply | None) -> str | None:
    body = reply.json if reply else None
    found = (body.get("items") or body.get("value")) if isinstance(body, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    return str(first["_id"]) if isinstance(first, dict) and first.get("_id") else None
