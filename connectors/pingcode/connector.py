"""PingCode, one team: open API v1 with an enterprise application's credentials."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr

from connectors.pingcode.dialect import ERRORS
from connectors.pingcode.generation import GENERATIONS, Generation, probe
from connectors.pingcode.grant import client_credentials
from connectors.pingcode.reading import OVERLAP, Reader
from connectors.pingcode.writing import Writer
from syncd.sdk import (
    ApiClient,
    AuthError,
    Command,
    ConfigError,
    ConnectorConfig,
    ConnectorContext,
    ConnectorSpec,
    ContractError,
    Cursor,
    Deletes,
    Delivery,
    Identity,
    Limits,
    OperationSpec,
    Page,
    Receipt,
    RejectedError,
    Reply,
    Role,
    StreamSpec,
)

_HOURLY: Final = timedelta(hours=1)
_DAILY: Final = timedelta(days=1)
_REFUSED: Final = 400


class PingCodeConfig(ConnectorConfig):
    """How to reach one team.

    `base_url` is `https://<host>/open` for a private deployment. `projects` restricts to these (ids or keys).
    `external_id_property` is the key of a custom text property that keeps our key on work items we create.
    `comment_days`: comments are looked for on work items changed within so many days; 0 reads none.
    """

    base_url: str = "https://open.pingcode.com"
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    generation: Literal["auto", "a", "b", "c"] = "auto"
    projects: tuple[str, ...] = ()
    external_id_property: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]+$")
    comment_days: int = Field(default=30, ge=0, le=3650)


class PingCode:
    """PingCode Project: projects, work items, sprints, versions, users and comments of one team."""

    spec: ClassVar = ConnectorSpec(
        name="pingcode",
        title="PingCode",
        role=Role.PROJECTS,
        config=PingCodeConfig,
        streams=(
            StreamSpec("projects", deletes=Deletes.REPORTED, cadence=_HOURLY),
            StreamSpec("users", cadence=_DAILY),
            StreamSpec("work_items", incremental=True, overlap=OVERLAP, deletes=Deletes.REPORTED),
            StreamSpec("sprints", partitioned=True, cadence=_HOURLY),
            StreamSpec("versions", partitioned=True, cadence=_HOURLY),
            StreamSpec("comments", incremental=True, overlap=OVERLAP, deletes=Deletes.NOT_VISIBLE, cadence=_HOURLY),
        ),
        operations=(
            OperationSpec("create_comment", Delivery.FINDABLE),
            OperationSpec("create_work_item", Delivery.FINDABLE),
        ),
        # Documented are 200 calls a minute for an identity; the rest is left to the team's other tools.
        limits=Limits(calls=180, per_seconds=60.0, concurrency=4),
    )

    def __init__(self, config: PingCodeConfig, *, context: ConnectorContext | None = None) -> None:
        self._config = config
        self._context = context or ConnectorContext()
        auth = client_credentials(config.base_url, config.client_id, config.client_secret, self._context)
        self._api = ApiClient(config.base_url, self._context, auth=auth, errors=ERRORS)
        self._generation = GENERATIONS.get(config.generation)
        self._probing = threading.Lock()

    def check(self) -> Identity:
        """Name the team, the generation of paths that it speaks, and the read scopes that are missing."""
        generation = self._speaks()
        missing: list[str] = []
        team = self._ask("/v1/directory/team", "pcp:read:global:team", missing)
        if self._config.projects:
            self._reader().wanted_projects()
        for path, scope in (
            (generation.projects, "pcp:read:pjm:project"),
            (generation.work_items, "pcp:read:pjm:workitem"),
        ):
            self._ask(path, scope, missing)
        body = team.json if team else None
        return Identity(
            name=f"application {self._config.client_id}",
            tenant=str(body.get("name") or "") if isinstance(body, dict) else "",
            missing=tuple(missing),
            clock_skew_seconds=(team.date - self._context.now()).total_seconds() if team and team.date else None,
            quota_left=_quota_left(team),
            notes=(
                f"speaks path generation {generation.name.upper()}",
                "write scopes show only when something is sent",
            ),
        )

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        """Yield pages of `stream`; sprints and versions are read for the project `partition`."""
        reader = self._reader()
        match stream:
            case "projects":
                return reader.projects()
            case "users":
                return reader.users()
            case "work_items":
                return reader.work_items(cursor)
            case "comments":
                return reader.comments(cursor)
            case "sprints" | "versions" if partition:
                return reader.of_project(stream, partition)
            case "sprints" | "versions":
                raise ConfigError(f"{stream} are read for one project; name it as partition")
        raise KeyError(stream)

    def partitions(self, stream: str) -> Sequence[str]:
        """Return the ids of the projects that are asked for sprints or versions."""
        return self._reader().project_ids(stream)

    def find(self, command: Command) -> Receipt | None:
        """Look up the mark that `write` left."""
        writer = self._writer()
        try:
            match command.operation:
                case "create_comment":
                    return writer.find_comment(command)
                case "create_work_item":
                    return writer.find_work_item(command)
        except ContractError as err:
            raise _rejected(err) from err
        raise KeyError(command.operation)

    def write(self, command: Command) -> Receipt:
        """Send once; the answer, and for work items a second look, tell what PingCode kept."""
        writer = self._writer()
        try:
            match command.operation:
                case "create_comment":
                    return writer.create_comment(command)
                case "create_work_item":
                    return writer.create_work_item(command)
        except ContractError as err:
            raise _rejected(err) from err
        raise KeyError(command.operation)

    def close(self) -> None:
        """Release the sockets."""
        self._api.close()

    def _speaks(self) -> Generation:
        with self._probing:
            if self._generation is None:
                self._generation = probe(self._api)
            return self._generation

    def _reader(self) -> Reader:
        config = self._config
        return Reader(self._api, self._speaks(), self._context, config.projects, config.comment_days)

    def _writer(self) -> Writer:
        config = self._config
        return Writer(self._api, self._speaks(), config.projects, config.external_id_property)

    def _ask(self, path: str, scope: str, missing: list[str]) -> Reply | None:
        """Read one row of `path`; note `scope` as missing when that is forbidden."""
        try:
            return self._api.get(path, None if path.endswith("/team") else {"page_size": 1})
        except AuthError as err:
            if err.status != 403:
                raise
            missing.append(scope)
            return None


def _quota_left(reply: Reply | None) -> int | None:
    left = reply.headers.get("x-ratelimit-team-remaining", "") if reply else ""
    return int(left) if left.isdigit() else None


def _rejected(err: ContractError) -> ContractError | RejectedError:
    """A look-up that is refused on the way to a write is the command's fault: its target does not exist."""
    return RejectedError(str(err), status=err.status, code=err.code) if err.status == _REFUSED else err
