"""`syncd parked`: what could not be stored or sent, and how a person settles it.

Records have plain numbers; commands of the outbox have a c in front (`c12`).
"""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.engine.workspace import Workspace

_MOST_DIGITS: Final = 18  # a database keeps no longer number

app = typer.Typer(help="Parked records and commands: list, retry, skip.", no_args_is_help=True)


@app.command("list")
def list_(config: ConfigFolder = DEFAULT_CONFIG, as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """List what is parked or unknown, oldest first."""
    from syncd.cli.app import workspace

    with workspace(config, read_only=True) as space:
        found = [*_records(space), *_commands(space)]
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print(output.good("nothing is parked"))
        return
    for one in found:
        head = Text(f"{one['number']:>5}  ", style="yellow") + Text(f"{one['what']}  ", style="bold")
        console.print(head + Text(f"since {one['since']:%Y-%m-%d %H:%M} UTC, {one['times']}×", style="dim"))
        console.print(Text(f"       {one['reason']}"))
    console.print(Text("\nsyncd parked retry NUMBER, or syncd parked skip NUMBER --why REASON", style="dim"))


def _records(space: Workspace) -> list[dict[str, Any]]:
    from syncd.store import parked

    with space.store.read() as connection:
        rows = parked.open_rows(connection)
    return [
        {
            "number": str(row.id),
            "what": f"{row.place.connection} {row.place.stream} {row.remote_id}",
            "reason": row.reason,
            "since": row.first_at,
            "times": row.times,
        }
        for row in rows
    ]


def _commands(space: Workspace) -> list[dict[str, Any]]:
    from syncd.store import outbox
    from syncd.store.outbox import State

    with space.store.read() as connection:
        rows = outbox.rows(connection, states=[State.PARKED, State.UNKNOWN])
    return [
        {
            "number": f"c{row.id}",
            "what": f"{row.connection} {row.operation} to {row.recipient or row.target_id}: {row.state.value}",
            "reason": row.detail or "",
            "since": row.made_at,
            "times": row.attempts,
        }
        for row in rows
    ]


@app.command()
def retry(
    number: Annotated[str | None, typer.Argument(help="A number of the list; all parked records without one.")] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Try again: map parked records anew, confirm held-back deletions, or queue a command once more."""
    from syncd.cli.app import workspace

    with workspace(config) as space:
        message, is_settled = _retry(space, number)
    if as_json:
        output.print_json({"settled": is_settled, "message": message})
    else:
        output.console().print(message)
    raise typer.Exit(output.OK if is_settled else output.ATTENTION)


def _retry(space: Workspace, number: str | None) -> tuple[str, bool]:
    from syncd.engine import census, landing
    from syncd.store import parked

    if number is None:
        through, still = landing.retry_parked(space)
        return f"{through} stored, {still} parked still", still == 0
    if number.startswith("c"):
        return _decide(space, number, retry=True, why=f"tried again by {getpass.getuser()}")
    with space.store.read() as connection:
        row = parked.load(connection, _int(number))
    if row is None or row.state == "settled":
        raise ConfigError(f"nothing is parked under {number}; see: syncd parked list")
    if census.is_census(row):
        return f"{census.confirm(space, row)} records marked as deleted", True
    through, _ = landing.retry_parked(space, only=row)
    return ("stored", True) if through else (f"parked still: {_reason(space, row.id)}", False)


def _reason(space: Workspace, number: int) -> str:
    from syncd.store import parked

    with space.store.read() as connection:
        row = parked.load(connection, number)
    return row.reason if row else ""


def _decide(space: Workspace, number: str, *, retry: bool, why: str) -> tuple[str, bool]:
    from syncd.store import audit, outbox

    at: datetime = space.now()
    with space.store.begin(durable=True) as connection:
        applied = outbox.decide(connection, _int(number[1:]), retry=retry, why=why, at=at)
        if not applied:
            raise ConfigError(f"command {number} is neither parked nor unknown; see: syncd parked list")
        action = "retry" if retry else "skip"
        audit.append(connection, action, f"command {number}", {"why": why}, actor=getpass.getuser(), at=at)
    return ("queued again; send it with: syncd run --only push" if retry else "left unsent"), True


@app.command()
def skip(
    number: Annotated[str, typer.Argument(help="A number of the list.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Leave it, with a reason: a record until its content changes, a command for good."""
    from syncd.cli.app import workspace
    from syncd.store import audit, parked

    if not why.strip():
        raise ConfigError("--why: say why, so that the next person understands")
    with workspace(config) as space:
        if number.startswith("c"):
            message, _ = _decide(space, number, retry=False, why=why)
        else:
            at = space.now()
            with space.store.begin() as connection:
                if not parked.skip(connection, _int(number), why, at=at):
                    raise ConfigError(f"nothing is parked under {number}; see: syncd parked list")
                audit.append(connection, "skip", f"record {number}", {"why": why}, actor=getpass.getuser(), at=at)
            message = "skipped until its content changes"
    if as_json:
        output.print_json({"settled": True, "message": message})
    else:
        output.console().print(message)


def _int(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ConfigError(f"{text!r} is not a number of the list; see: syncd parked list")
    return int(text)
