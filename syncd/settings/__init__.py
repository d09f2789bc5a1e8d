"""The files that people edit: `config/syncd.yaml` and one `config/accounts/<client>.yaml` per client."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic.json_schema import SkipJsonSchema

from syncd import yamlfile
from syncd.errors import ConfigError
from syncd.settings.values import (
    BY_REFERENCE,
    LOCALES,
    Address,
    Country,
    DatabaseAddress,
    Duration,
    ListenAddress,
    Locale,
    RemoteId,
    Rhythm,
    SecretReference,
    Timezone,
    WebUrl,
    WorkingDays,
    is_reference,
    parse_duration,
    resolve_reference,
)

__all__ = ["BY_REFERENCE", "LOCALES", "is_reference", "parse_duration", "resolve_reference"]

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Settings(BaseModel):
    """Base of every part of the files: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WebSettings(Settings):
    """Where `syncd serve` answers; `url` is how others reach it."""

    listen: ListenAddress = "127.0.0.1:8080"
    url: WebUrl | None = None


class SecretSettings(Settings):
    """`key`: a reference to the key that encrypts stored tokens (any text of 32 characters or more)."""

    key: SecretReference | None = None


class LogSettings(Settings):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class LimitSettings(Settings):
    """A connection's own request budget, where it should be lower than the vendor's."""

    calls: int = Field(ge=1)
    per_seconds: float = Field(default=60.0, gt=0)
    concurrency: int = Field(default=4, ge=1, le=64)


class ConnectionSettings(Settings):
    """One configured tenant of a connector.

    `pull` sets the cadence per stream (and `census`); `owns` names the entities whose fields this connection decides.
    """

    connector: str
    config: dict[str, Any] = Field(default_factory=dict)
    title: str | None = None
    timezone: Timezone = "UTC"
    owns: list[str] = Field(default_factory=list)
    pull: dict[str, Duration] = Field(default_factory=dict)
    limits: LimitSettings | None = None
    allow_private_hosts: list[str] = Field(default_factory=list)
    _at: Callable[[yamlfile.Location], str] | None = PrivateAttr(default=None)

    def at(self, *location: int | str) -> str:
        """Return `file:line: key.path` for an error in this block, `key.path` alone when it came from no file."""
        return (self._at or yamlfile.dotted)(location)


class ServiceSettings(Settings):
    """`config/syncd.yaml`. `fresh_for` is how old a source may be before a digest is held."""

    database: DatabaseAddress = "sqlite:///data/syncd.db"
    web: WebSettings = WebSettings()
    secrets: SecretSettings = SecretSettings()
    log: LogSettings = LogSettings()
    fresh_for: Duration = timedelta(hours=26)
    connections: dict[str, ConnectionSettings] = Field(default_factory=dict)


class GoalSettings(Settings):
    """What the client wants, how it is measured, by when."""

    goal: str
    measure: str | None = None
    target_date: date | None = None


class SourceSettings(Settings):
    """Which records of a connection belong to the project, by the vendor's ids; also what a push is aimed at."""

    connection: str
    project: RemoteId | None = None
    account: RemoteId | None = None
    opportunity: RemoteId | None = None
    work_item: RemoteId | None = None
    issue: RemoteId | None = None

    @property
    def targets(self) -> dict[str, str]:
        """The ids by key."""
        return {key: value for key, value in self.model_dump(exclude={"connection"}).items() if value is not None}


class ProjectSettings(Settings):
    """One project of the client."""

    name: str
    goals: list[GoalSettings] = Field(default_factory=list)
    sources: list[SourceSettings] = Field(alias="from", min_length=1)


class AudienceSettings(Settings):
    """Who reads: contacts (theirs) or users (ours), by e-mail address."""

    contacts: list[Address] = Field(default_factory=list)
    users: list[Address] = Field(default_factory=list)
    deputy: Address | None = None

    @property
    def is_client(self) -> bool:
        """Whether anyone of the client reads along."""
        return bool(self.contacts)

    @property
    def addresses(self) -> list[str]:
        """The addresses in the order of the file, each once, however its letters are written."""
        first: dict[str, str] = {}
        for address in [*self.contacts, *self.users]:
            first.setdefault(address.casefold(), address)
        return list(first.values())


class PlanRow(Settings):
    """One rule of the communication plan: who gets what, over which connection, when."""

    audience: str
    content: Literal["digest", "brief"] = "digest"
    channel: str
    when: Rhythm
    lang: Locale | None = None
    approver: Address | None = None
    answer_in: WorkingDays | None = None

    @property
    def answer_in_days(self) -> int | None:
        """Working days within which an answer is asked for."""
        return int(self.answer_in.split()[0]) if self.answer_in else None


class CalendarSettings(Settings):
    """Public holidays that count (country codes, ours and theirs) and extra closed days."""

    ours: Country | None = None
    theirs: Country | None = None
    closed: list[date] = Field(default_factory=list)

    @property
    def countries(self) -> list[str]:
        """The country codes, each once."""
        return list(dict.fromkeys(code for code in (self.ours, self.theirs) if code))


class ShowTasks(Settings):
    """Which tasks leave the house: all conditions that are given must hold."""

    types: list[str] | None = None
    labels: list[str] | None = None
    fields: list[Literal["title", "key", "status", "owner", "due_date", "url"]] = ["title", "status", "due_date"]


class ShowSettings(Settings):
    """What the client may see item by item; private by default."""

    tasks: ShowTasks | None = None


class AccountSettings(Settings):
    """`config/accounts/<client>.yaml`; `id` is the file's name."""

    id: SkipJsonSchema[str] = ""
    account: str
    locale: Locale = "en"
    timezone: Timezone = "UTC"
    calendars: CalendarSettings = CalendarSettings()
    projects: list[ProjectSettings] = Field(min_length=1)
    audiences: dict[str, AudienceSettings] = Field(default_factory=dict)
    plan: list[PlanRow] = Field(default_factory=list)
    show: ShowSettings = ShowSettings()
    words: dict[str, str] = Field(default_factory=dict)
    author: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.timezone)


_Owners = dict[tuple[str, str, str], tuple[str, str]]  # (connection, key, id) → (account, where it says so)


class Config(Settings):
    """Everything that was read: the service, its accounts, and where user mappings lie."""

    folder: Path
    service: ServiceSettings
    accounts: dict[str, AccountSettings]
    mappings: Path | None = None

    def account(self, name: str) -> AccountSettings:
        """Return the account with that id or name; ConfigError lists the ids."""
        if name in self.accounts:
            return self.accounts[name]
        for account in self.accounts.values():
            if account.account == name:
                return account
        raise ConfigError(f"account {name!r} does not exist; {yamlfile.hint(name, self.accounts)}")


def load(folder: Path) -> Config:
    """Read `syncd.yaml` and `accounts/*.yaml` below `folder`; ConfigError names file, line, key and the way out."""
    path = folder / "syncd.yaml"
    if not path.is_file():
        raise ConfigError(f"{path}: not found; run `syncd init` to write one, or name another folder with --config")
    file = yamlfile.load(path)
    service = file.parse(ServiceSettings)
    for name, connection in service.connections.items():
        connection._at = file.at
        if not _SLUG.fullmatch(name):
            raise ConfigError(
                f"{file.at(['connections', name])}: a connection's name is lower-case letters, digits, - and _"
            )
    accounts: dict[str, AccountSettings] = {}
    owners: _Owners = {}
    for account_path in _account_files(folder / "accounts"):
        file = yamlfile.load(account_path)
        account = _load_account(file, service)
        _refuse_shared(file, account, owners)
        accounts[account.id] = account
    mappings = folder.parent / "mappings"
    return Config(folder=folder, service=service, accounts=accounts, mappings=mappings if mappings.is_dir() else None)


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of the files, for editors, by the files' pattern below `config/`."""
    return {
        pattern: {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"config/{pattern}"}
        for pattern, schema in (
            ("syncd.yaml", ServiceSettings.model_json_schema(by_alias=True)),
            ("accounts/*.yaml", AccountSettings.model_json_schema(by_alias=True)),
        )
    }


def _account_files(folder: Path) -> list[Path]:
    """Return the clients' files in order; a file that looks like one and would be passed over is an error."""
    found = []
    for path in sorted(folder.glob("*.y*ml")):
        if path.name.startswith(".") or ".example." in path.name:
            continue
        if path.suffix != ".yaml":
            raise ConfigError(f"{path}: a client's file ends in .yaml; rename it to {path.stem}.yaml")
        found.append(path)
    return found


def _load_account(file: yamlfile.YamlFile, service: ServiceSettings) -> AccountSettings:
    path = file.path
    if not _SLUG.fullmatch(path.stem):
        raise ConfigError(f"{path}: a client's file name is lower-case letters, digits, - and _, 63 at most")
    if "id" in file.data:
        raise ConfigError(f"{file.at(['id'])}: unknown key; a client's id is the name of its file, {path.stem!r}")
    account = file.parse(AccountSettings).model_copy(update={"id": path.stem})
    for number, project in enumerate(account.projects):
        for index, source in enumerate(project.sources):
            where: list[int | str] = ["projects", number, "from", index, "connection"]
            _known(file, where, source.connection, service.connections, "connection")
            if not source.targets:
                raise ConfigError(f"{file.at(where)}: name what belongs to the project, e.g. project: or account:")
    for number, row in enumerate(account.plan):
        _known(file, ["plan", number, "audience"], row.audience, account.audiences, "audience")
        _known(file, ["plan", number, "channel"], row.channel, service.connections, "connection")
    _refuse_idle_plan(file, account)
    _refuse_same_names(file, account)
    _refuse_twice(file, account)
    return account


def _refuse_idle_plan(file: yamlfile.YamlFile, account: AccountSettings) -> None:
    """A plan whose rows all wait for a digest would never send one, and nobody would be told."""
    if account.plan and all(row.when.with_digest for row in account.plan):
        raise ConfigError(
            f"{file.at(['plan', 0, 'when'])}: 'with digest' goes along with a row that has a time; give one row "
            "a time such as friday 16:00"
        )


def _refuse_same_names(file: yamlfile.YamlFile, account: AccountSettings) -> None:
    names = [project.name for project in account.projects]
    for number, name in enumerate(names):
        if names.index(name) != number:
            raise ConfigError(f"{file.at(['projects', number, 'name'])}: {name!r} is there twice; rename one")


def _refuse_twice(file: yamlfile.YamlFile, account: AccountSettings) -> None:
    """One vendor project is reported once: under two names the client would read the same work twice."""
    seen: dict[tuple[str, str], str] = {}
    for number, project in enumerate(account.projects):
        for index, source in enumerate(project.sources):
            if source.project is None:
                continue
            first = seen.setdefault((source.connection, source.project.strip()), project.name)
            if first != project.name:
                raise ConfigError(
                    f"{file.at(['projects', number, 'from', index, 'project'])}: project {source.project!r} of "
                    f"{source.connection!r} belongs to {first!r} already; remove it from one of the two"
                )


def _known(file: yamlfile.YamlFile, where: list[int | str], name: str, allowed: Any, kind: str) -> None:
    if name not in allowed:
        raise ConfigError(f"{file.at(where)}: {name!r} is not a known {kind}; {yamlfile.hint(name, allowed)}")


def _refuse_shared(file: yamlfile.YamlFile, account: AccountSettings, owners: _Owners) -> None:
    """One vendor project belongs to one account only: otherwise one client would read about another."""
    for number, project in enumerate(account.projects):
        for index, source in enumerate(project.sources):
            for key in ("project", "account", "opportunity"):
                remote = getattr(source, key)
                if remote is None:
                    continue
                where = file.at(["projects", number, "from", index, key])
                owner, there = owners.setdefault((source.connection, key, remote.strip()), (account.id, where))
                if owner != account.id:
                    raise ConfigError(
                        f"{where}: {key} {remote!r} of {source.connection!r} belongs to another client already "
                        f"({there}); it can belong to one client only: remove it from one of the files"
                    )
