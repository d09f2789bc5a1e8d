"""`syncd plan` and `syncd apply`: see every message before it goes, then send exactly that."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from syncd import __version__
from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.engine.compose import Drafted
    from syncd.engine.planned import Plan
    from syncd.engine.workspace import Workspace
    from syncd.store.outbox import Row


def plan(
    accounts: Annotated[list[str] | None, typer.Argument(help="The clients; all when none is named.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the plan to this file, for `syncd apply`.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Show every write that compose and push would do now, from the data at hand; reads and sends nothing."""
    from syncd.cli.app import workspace
    from syncd.engine import planned

    with workspace(config, read_only=True) as space:
        made = _document(space, planned.make(space, tuple(accounts or ()), at=space.now()))
    if out is not None:
        output.write_file(out, json.dumps(made, ensure_ascii=False, indent=2) + "\n")
    if as_json:
        output.print_json(made)
    else:
        _show(made, out)


def _document(space: Workspace, plan: Plan) -> dict[str, Any]:
    return {
        "syncd": __version__,
        "at": plan.at.isoformat(),
        "accounts": list(plan.accounts),
        "hash": plan.hash,
        "writes": [
            *(_waiting(row, space) for row in plan.waiting),
            *(one for drafted in plan.drafts for one in _new(drafted, space)),
        ],
        "not_sent": [
            {
                "account": drafted.turn.account.id,
                "project": drafted.turn.project.name,
                "verdict": drafted.verdict.value,
                "problems": list(drafted.problems),
            }
            for drafted in plan.drafts
            if not drafted.intents
        ],
    }


def _new(drafted: Drafted, space: Workspace) -> list[dict[str, Any]]:
    subjects = {digest.audience: digest.subject for digest in drafted.digests}
    return [
        {
            "what": "waits for approval" if intent.idempotency_key in drafted.held else "new",
            "account": intent.account,
            "project": intent.project,
            "connection": intent.connection,
            "operation": intent.operation,
            "to": intent.recipient or intent.target_id,
            "delivery": intent.delivery.value,
            "subject": subjects.get(intent.audience, ""),
            "bytes": len(json.dumps(intent.payload, ensure_ascii=False).encode()),
            "limit": space.spec(intent.connection).operation(intent.operation).max_bytes,
            "key": intent.idempotency_key,
            "payload_hash": intent.payload_hash,
        }
        for intent in drafted.intents
    ]


def _waiting(row: Row, space: Workspace) -> dict[str, Any]:
    return {
        "what": "queued before",
        "account": row.account,
        "project": row.project,
        "connection": row.connection,
        "operation": row.operation,
        "to": row.recipient or row.target_id,
        "delivery": row.delivery.value,
        "subject": str(row.payload.get("subject", "")),
        "bytes": len(json.dumps(dict(row.payload), ensure_ascii=False).encode()),
        "limit": space.spec(row.connection).operation(row.operation).max_bytes,
        "key": row.idempotency_key,
        "payload_hash": row.payload_hash,
    }


def _show(made: dict[str, Any], out: Path | None) -> None:
    console = output.console()
    rows = [
        (w["what"], w["connection"], w["operation"], w["to"], w["delivery"], _size(w), w["subject"])
        for w in made["writes"]
    ]
    if rows:
        console.print(output.table("", "connection", "operation", "to", "class", "size", "subject", rows=rows))
    for missing in made["not_sent"]:
        line = f"{missing['account']}/{missing['project']}: {missing['verdict']}"
        console.print(Text(line, style="dim" if missing["verdict"] == "nothing new" else "yellow"))
        for problem in missing["problems"]:
            console.print(Text(f"  {problem}", style="yellow"))
    console.print(Text(f"{output.count(len(rows), 'write')}, plan {made['hash'][:12]}", style="bold"))
    if out is not None:
        console.print(Text(f"to do exactly this: syncd apply {out}", style="dim"))


def _size(write: dict[str, Any]) -> str:
    limit = f" of {write['limit']:,}" if write["limit"] else ""
    return f"{write['bytes']:,}{limit} B"


def apply(
    file: Annotated[Path, typer.Argument(help="A plan written by `syncd plan --out`.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Do exactly what a plan says, or refuse when anything has changed since."""
    from syncd.cli.app import stop_on_signal, workspace
    from syncd.engine import planned
    from syncd.store.outbox import State

    made, at = _load(file)
    stop = threading.Event()
    with workspace(config, stop=stop) as space, stop_on_signal(stop):
        plan, done = planned.apply(space, made["accounts"], at=at, expected=made["hash"])
    sent = [one.row.idempotency_key for one in done if one.state is State.SENT]
    held = len(made["writes"]) - len(plan.keys)
    if as_json:
        output.print_json({"sent": sent, "planned": len(plan.keys), "waiting_for_approval": held})
    else:
        output.console().print(f"{len(sent)} of {output.count(len(plan.keys), 'write')} done")
        for one in done:
            if one.error:
                output.console().print(Text(f"{one.row.connection} {one.state.value}: {one.error}", style="yellow"))
        if held:
            output.console().print(
                Text(f"{held} {'waits' if held == 1 else 'wait'} for approval: syncd status", style="yellow")
            )
    raise typer.Exit(output.OK if len(sent) == len(plan.keys) else output.ATTENTION)


def _load(file: Path) -> tuple[dict[str, Any], datetime]:
    try:
        made = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"{file}: cannot be read as a plan ({err}); make one with: syncd plan --out {file}") from err
    wrong = ConfigError(f"{file}: is not a plan; make one with: syncd plan --out {file}")
    if not isinstance(made, dict) or not {"at", "accounts", "hash", "writes"} <= made.keys():
        raise wrong
    try:
        return made, datetime.fromisoformat(made["at"]).astimezone(UTC)
    except (TypeError, ValueError) as err:
        raise wrong from err
