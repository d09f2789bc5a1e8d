"""`syncd init`: ask for connectors and a client, and write `config/`; never a secret, only where it is found."""

from __future__ import annotations

import itertools
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, get_origin

import typer
from pydantic import SecretStr
from rich.text import Text

from syncd import log
from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError
from syncd.yamlfile import hint

_NAMELESS: Final = "client"
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True)
class _Connection:
    name: str
    connector: str
    role: str
    config: dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class _Client:
    id: str
    name: str
    locale: str
    timezone: str
    project: str
    address: str
    when: str
    sources: dict[str, dict[str, str]] = field(default_factory=dict)


def init(
    connectors: Annotated[list[str] | None, typer.Option("--connector", help="A connector; can be repeated.")] = None,
    client: Annotated[str | None, typer.Option(help="The client's name.")] = None,
    id: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option(help="The client's short id, its file's name; made from the name otherwise.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="The project's name.")] = None,
    contact: Annotated[str | None, typer.Option(help="The e-mail address that gets the digest.")] = None,
    locale: Annotated[str, typer.Option(help="The digest's language: zh-CN or en.")] = "en",
    timezone: Annotated[str, typer.Option(help="The client's IANA time zone.")] = "UTC",
    when: Annotated[str, typer.Option(help="When the digest is due, in the client's time.")] = "friday 16:00",
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Write config/syncd.yaml and config/accounts/<client>.yaml; what is not given is asked for."""
    asks = sys.stdin.isatty() and not as_json
    existing = config / "syncd.yaml"
    connections = [] if existing.exists() else _connections(connectors, asks=asks)
    known = connections or _known(config)
    made = _client(known, config, client, id, project, contact, locale, timezone, when, asks=asks)
    written = _write(config, connections, made, known)
    _load_again(config, written)
    if as_json:
        output.print_json({"written": [str(path) for path in written], "secrets": _references(connections)})
        return
    console = output.console()
    for path in written:
        console.print(output.good("✔ ") + Text(f"written {path}"))
    for reference in _references(connections):
        console.print(Text(f"  set {reference} in the environment before you go on", style="yellow"))
    console.print(Text(f"next: fill in the ids marked CHANGE-ME, then: syncd check -c {config}", style="dim"))


def _connections(wanted: list[str] | None, *, asks: bool) -> list[_Connection]:
    from syncd import registry

    known = registry.names()
    names = wanted or (
        _ask(f"Connectors ({', '.join(known)})", "github, email").replace(",", " ").split() if asks else []
    )
    if not names:
        raise ConfigError(f"--connector: name at least one of {', '.join(known)}")
    made = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise ConfigError(f"--connector {name!r} is not installed; {hint(name, known)}")
        spec = registry.spec(name)
        made.append(
            _Connection(_slug(name.split("_")[0]), name, spec.role.value, _fields(name, spec.config, asks=asks))
        )
    return made


def _fields(connector: str, model: Any, *, asks: bool) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        if info.annotation is SecretStr or SecretStr in getattr(info.annotation, "__args__", ()):
            if info.is_required() or key == "password":
                found[key] = f"env:{connector.upper()}_{key.upper()}"
        elif info.is_required():
            answer = _ask(f"{connector}: {key}", "CHANGE-ME") if asks else "CHANGE-ME"
            found[key] = answer.replace(",", " ").split() if get_origin(info.annotation) in (list, tuple) else answer
    return found


def _known(config: Path) -> list[_Connection]:
    from syncd import registry, settings

    service = settings.load(config).service
    return [
        _Connection(name, c.connector, registry.spec(c.connector).role.value, {})
        for name, c in service.connections.items()
    ]


def _client(
    connections: list[_Connection],
    config: Path,
    client: str | None,
    wanted_id: str | None,
    project: str | None,
    contact: str | None,
    locale: str,
    timezone: str,
    when: str,
    *,
    asks: bool,
) -> _Client:
    name = client or (_ask("Client", "Acme") if asks else None)
    if not name:
        raise ConfigError("--client: give the client's name")
    if not any(c.role == "channel" for c in connections):
        raise ConfigError("a digest needs a channel: add --connector email")
    if log.one_line(name) != name:
        raise ConfigError("--client: give a name of one line, without control characters")
    slug = wanted_id or _free_id(config, name)
    if wanted_id is None and slug.startswith(_NAMELESS) and asks:
        slug = _ask("Short id of the client", slug)
    if _slug(slug) != slug:
        raise ConfigError(f"--id {slug!r}: write small letters, digits and -, such as {_slug(slug)}")
    blank = f"CHANGE-ME-{slug}"  # one vendor project belongs to one client, and so does what stands in for it
    return _Client(
        id=slug,
        name=name,
        locale=_ask("Language (zh-CN or en)", locale) if asks else locale,
        timezone=_ask("Time zone", timezone) if asks else timezone,
        project=project or (_ask("Project", "Portal") if asks else "Project"),
        address=contact or (_ask("Who gets the digest (e-mail)", "pm@client.example") if asks else "pm@client.example"),
        when=_ask("When", when) if asks else when,
        sources={
            c.name: {key: _ask(f"{c.name}: {key} id", blank) if asks else blank}
            for c in connections
            for key in ({"projects": "project", "crm": "account"}.get(c.role),)
            if key
        },
    )


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default)).strip()


def _free_id(config: Path, name: str) -> str:
    """Return an id for a client; names without Latin letters share one, so theirs are numbered."""
    slug = _slug(name)
    if slug != _NAMELESS or _slug(f"{name} x") != "x":
        return slug
    numbered = (f"{_NAMELESS}-{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([slug], numbered) if not (config / "accounts" / f"{one}.yaml").exists())


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-") or _NAMELESS


def _write(config: Path, connections: list[_Connection], made: _Client, known: list[_Connection]) -> list[Path]:
    account = config / "accounts" / f"{made.id}.yaml"
    if account.exists():
        raise ConfigError(f"{account}: is there already; edit it, or name another client")
    account.parent.mkdir(parents=True, exist_ok=True)
    written = []
    if connections:
        service = config / "syncd.yaml"
        service.write_text(_service_text(connections), "utf-8")
        written.append(service)
    account.write_text(_account_text(made, known), "utf-8")
    return [*written, account]


def _service_text(connections: list[_Connection]) -> str:
    lines = [
        "# The service: one file for all clients. Secrets are references only: env:NAME or file:/path.",
        "database: sqlite:///data/syncd.db   # or postgresql+psycopg://user@host/name",
        "# secrets: {key: env:SYNCD_KEY}      # encrypts stored grants; 32 characters or more",
        "",
        "connections:",
    ]
    for connection in connections:
        lines += [f"  {connection.name}:", f"    connector: {connection.connector}", "    config:"]
        lines += [f"      {key}: {_setting(value)}" for key, value in connection.config.items()]
        lines += ["    # timezone: Asia/Shanghai          # in which the vendor writes dates"]
    return "\n".join(lines) + "\n"


def _account_text(made: _Client, known: list[_Connection]) -> str:
    channel = next(c.name for c in known if c.role == "channel")
    sources = [
        f"      - {{connection: {name}, {key}: {_yaml(value)}}}"
        for name, ids in made.sources.items()
        for key, value in ids.items()
    ]
    return "\n".join(
        [
            f"# {made.name}: everything that is said to this client, and when.",
            f"account: {_yaml(made.name)}",
            f"locale: {_yaml(made.locale)}",
            f"timezone: {_yaml(made.timezone)}",
            "# calendars: {ours: CN, theirs: CN}   # public holidays; add company days under `closed:`",
            "",
            "projects:",
            f"  - name: {_yaml(made.project)}",
            "    from:                              # what belongs to it, by connection and the vendor's id",
            *sources,
            "",
            "audiences:",
            f"  pm: {{contacts: [{_yaml(made.address)}]}}",
            "",
            "plan:                                  # one row, one rule: who gets what, where, when",
            f"  - {{audience: pm, content: digest, channel: {channel}, when: {_yaml(made.when)}}}",
            "",
            "show:                                  # private by default: only what is named here leaves item by item",
            '  tasks: {types: ["*"], fields: [title, status, due_date]}',
            "",
        ]
    )


def _setting(value: str | list[str]) -> str:
    return _yaml(value) if isinstance(value, str) else f"[{', '.join(_yaml(part) for part in value)}]"


def _yaml(value: str) -> str:
    """Return a text as YAML takes it for a text, whatever stands in it."""
    is_plain = (
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_ .:/-]*", value) and ": " not in value and not value.endswith((":", " "))
    )
    return value if is_plain and value.lower() not in _WORDS else json.dumps(value, ensure_ascii=False)


def _load_again(config: Path, written: list[Path]) -> None:
    """Read back what was written, so that a wrong answer is told at once; then nothing of it stays."""
    from syncd import settings

    try:
        settings.load(config)
    except ConfigError as err:
        for path in written:
            path.unlink()
        raise ConfigError(f"{err}\nnothing was written; answer anew") from err


def _references(connections: list[_Connection]) -> list[str]:
    values = [value for connection in connections for value in connection.config.values() if isinstance(value, str)]
    return [value.removeprefix("env:") for value in values if value.startswith("env:")]
