"""`syncd check`: each connection, tried for real: reachable, who am I, what is missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from syncd.engine.workspace import Workspace

_SKEWED_SECONDS: Final = 60.0  # worth a word
_TOO_SKEWED_SECONDS: Final = 300.0  # beyond it signed requests are refused, and changes are missed
_MAKES_GRANTS: Final = frozenset({"client_secret", "app_secret", "refresh_token"})  # are exchanged for one


def check(
    connection: Annotated[str | None, typer.Argument(help="One connection; all without one.")] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Check the configuration, then ask every vendor who we are and what we may do."""
    from syncd.cli.app import workspace

    with workspace(config, read_only=True) as space:
        names = [connection] if connection else list(space.config.service.connections)
        for name in names:
            space.connection(name)
        if not names:
            raise ConfigError(f"{config}/syncd.yaml: there is no connection yet; run `syncd init` to add one")
        with ThreadPoolExecutor(max_workers=min(8, len(names))) as pool:
            found = list(pool.map(lambda name: _checked(space, name), names))
    if as_json:
        output.print_json(found)
    else:
        _show(found)
    raise typer.Exit(_exit_code(found))


def _exit_code(found: list[dict[str, Any]]) -> int:
    if any(one["is_config_error"] for one in found):
        return output.CONFIG
    return output.OK if all(one["ok"] for one in found) else output.ATTENTION


def _checked(space: Workspace, name: str) -> dict[str, Any]:
    base: dict[str, Any] = {"connection": name, "connector": space.connection(name).connector, "is_config_error": False}
    try:
        identity = space.connector(name).check()
    except (ConnectorError, ConfigError) as err:
        return {**base, "ok": False, "error": str(err), "is_config_error": isinstance(err, ConfigError)}
    notes = list(identity.notes)
    if space.config.service.secrets.key is None and _MAKES_GRANTS & space.spec(name).config.model_fields.keys():
        notes.append("secrets.key is not set: grants are kept in memory only")
    skew = identity.clock_skew_seconds
    if skew is not None and abs(skew) > _SKEWED_SECONDS:
        notes.append(f"the clocks differ by {skew:+.0f} s; set this machine's clock")
    return {
        **base,
        "ok": not identity.missing and (skew is None or abs(skew) <= _TOO_SKEWED_SECONDS),
        "name": identity.name,
        "tenant": identity.tenant,
        "missing": list(identity.missing),
        "clock_skew_seconds": skew,
        "quota_left": identity.quota_left,
        "notes": notes,
        "error": None,
    }


def _show(found: list[dict[str, Any]]) -> None:
    console = output.console()
    for one in found:
        head = Text(f"{one['connection']:<20} ", style="bold") + Text(f"{one['connector']:<12} ", style="dim")
        if one["error"]:
            console.print(head + output.bad("✘ ") + Text(one["error"]))
            continue
        mark = output.good("✔ ") if one["ok"] else output.warn("▲ ")
        who = f"{one['name']} at {one['tenant']}" if one["tenant"] else one["name"]
        facts = [who]
        if one["clock_skew_seconds"] is not None:
            facts.append(f"clock {one['clock_skew_seconds']:+.1f} s")
        if one["quota_left"] is not None:
            facts.append(f"{one['quota_left']:,} calls left")
        console.print(head + mark + Text(" · ".join(facts)))
        for right in one["missing"]:
            console.print(Text(f"{'':<36}missing: {right}", style="yellow"))
        for note in one["notes"]:
            console.print(Text(f"{'':<36}{note}", style="dim"))
