"""The files that people edit: `config/syncd.yaml` and one `config/accounts/<client>.yaml` per client."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from syncd import log, yamlfile
from syncd.errors import ConfigError
from syncd.rhythm import When

LOCALES: Final = ("zh-CN", "en")
_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NAMED: Final = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
_REFERENCE: Final = re.compile(r"(env|file):(.+)", re.DOTALL)
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def parse_duration(value: Any) -> timedelta:
    """Parse `30s`, `5m`, `1h`, `2d`, `1w`, `hourly`, `daily` or `weekly`; ValueError otherwise."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip().lower()
    if text in _NAMED:
        return _NAMED[text]
    found = _DURATION.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m, 1h, 2d or weekly")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is not an IANA time zone; {yamlfile.hint(value, _known_zones(value))}")
    return value


def _known_zones(value: str) -> list[str]:
    area = value.split("/")[0].lower()
    near = [zone for zone in available_timezones() if zone.lower().startswith(area)]
    return sorted(near)[:12] or ["Asia/Shanghai", "Europe/Berlin", "UTC"]


def _locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"{value!r} is not a locale that digests are written in; choose one of {', '.join(LOCALES)}")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Locale = Annotated[str, AfterValidator(_locale)]


class Settings(BaseModel):
    """Base of every part of the files: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WebSettings(Settings):
    """Where `syncd serve` answers; `url` is how others reach it."""

    listen: str = "127.0.0.1:8080"
    url: str | None = None


class SecretSettings(Settings):
    """`key`: a reference to the key that encrypts stored tokens (any text of 32 characters or more)."""

    key: str | None = None


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


class ServiceSettings(Settings):
    """`config/syncd.yaml`. `fresh_for` is how old a source may be before a digest is held."""

    database: str = "sqlite:///data/syncd.db"
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
    project: str | None = None
    account: str | None = None
    opportunity: str | None = None
    work_item: str | None = None
    issue: str | None = None

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

    contacts: list[str] = Field(default_factory=list)
    users: list[str] = Field(default_factory=list)
    deputy: str | None = None

    @property
    def is_client(self) -> bool:
        """Whether anyone of the client reads along."""
        return bool(self.contacts)

    @property
    def addresses(self) -> list[str]:
        """The addresses in the order of the file, each once."""
        return list(dict.fromkeys([*self.contacts, *self.users]))

    @model_validator(mode="after")
    def _someone(self) -> Self:
        for address in [*self.addresses, *([self.deputy] if self.deputy else [])]:
            if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", address):
                raise ValueError(f"{address!r} is not an e-mail address")
        return self


class PlanRow(Settings):
    """One rule of the communication plan: who gets what, over which connection, when."""

    audience: str
    content: Literal["digest", "brief"] = "digest"
    channel: str
    when: Annotated[When, BeforeValidator(lambda value: value if isinstance(value, When) else When.parse(value))]
    lang: Locale | None = None
    approver: str | None = None
    answer_in: str | None = None

    @property
    def answer_in_days(self) -> int | None:
        """Working days within which an answer is asked for."""
        return int(self.answer_in.split()[0]) if self.answer_in else None

    @model_validator(mode="after")
    def _answer(self) -> Self:
        if self.answer_in and not re.fullmatch(r"\d{1,2} working days?", self.answer_in):
            raise ValueError(f"answer_in: {self.answer_in!r} is not a span such as 2 working days")
        return self


class CalendarSettings(Settings):
    """Public holidays that count (country codes, ours and theirs) and extra closed days."""

    ours: str | None = None
    theirs: str | None = None
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

    id: str = ""
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
    for name in service.connections:
        if not _SLUG.fullmatch(name):
            raise ConfigError(
                f"{file.at(['connections', name])}: a connection's name is lower-case letters, digits, - and _"
            )
    accounts: dict[str, AccountSettings] = {}
    for account_path in sorted((folder / "accounts").glob("*.yaml")):
        if account_path.name.endswith(".example.yaml"):
            continue
        account = _load_account(account_path, service)
        accounts[account.id] = account
    _refuse_shared_projects(accounts)
    mappings = folder.parent / "mappings"
    return Config(folder=folder, service=service, accounts=accounts, mappings=mappings if mappings.is_dir() else None)


def _load_account(path: Path, service: ServiceSettings) -> AccountSettings:
    file = yamlfile.load(path)
    if not _SLUG.fullmatch(path.stem):
        raise ConfigError(f"{path}: a client's file name is lower-case letters, digits, - and _")
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
    names = [project.name for project in account.projects]
    for number, name in enumerate(names):
        if names.index(name) != number:
            raise ConfigError(f"{file.at(['projects', number, 'name'])}: {name!r} is there twice; rename one")
    return account


def _known(file: yamlfile.YamlFile, where: list[int | str], name: str, allowed: Any, kind: str) -> None:
    if name not in allowed:
        raise ConfigError(f"{file.at(where)}: {name!r} is not a known {kind}; {yamlfile.hint(name, allowed)}")


def _refuse_shared_projects(accounts: dict[str, AccountSettings]) -> None:
    """One vendor project belongs to one account only: otherwise one client would read about another."""
    owners: dict[tuple[str, str, str], str] = {}
    for account in accounts.values():
        for project in account.projects:
            for source in project.sources:
                for key in ("project", "account"):
                    remote = getattr(source, key)
                    if remote is None:
                        continue
                    owner = owners.setdefault((source.connection, key, remote), account.id)
                    if owner != account.id:
                        raise ConfigError(
                            f"accounts/{account.id}.yaml and accounts/{owner}.yaml both claim {key} {remote!r} of "
                            f"{source.connection!r}; it can belong to one client only"
                        )


def resolve_reference(value: str, *, where: str) -> str:
    """Return what `env:NAME` or `file:/path` refers to; ConfigError when it is missing, unreadable or empty."""
    found = _REFERENCE.fullmatch(value)
    if not found:
        raise ConfigError(
            f"{where}: a secret is given by reference only; write env:NAME or file:/path instead of the value"
        )
    kind, name = found[1], found[2]
    secret = os.environ.get(name, "") if kind == "env" else _read_secret(Path(name), where)
    if not secret:
        what = f"environment variable {name} is not set" if kind == "env" else f"{name} is empty"
        raise ConfigError(f"{where}: {what}; set it, or point the reference elsewhere")
    log.hide(secret)
    return secret


def _read_secret(path: Path, where: str) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{where}: {path} cannot be read ({err.__class__.__name__}); check path and rights") from err


def is_reference(value: Any) -> bool:
    """Say whether a value of a file refers to a secret elsewhere."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
