"""`syncd status`: accounts, connections, freshness, the last balance, what waits, what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag

if TYPE_CHECKING:
    from syncd.engine.workspace import Workspace

_MOST_HELD = 1000


def status(config: ConfigFolder = DEFAULT_CONFIG, as_json: JsonFlag = False) -> None:  # noqa: FBT002
    """Show how things stand; exit code 1 when something waits for a person."""
    from syncd.cli.app import workspace

    with workspace(config, read_only=True) as space:
        found = gather(space)
    if as_json:
        output.print_json(found)
    else:
        _show(found)
    raise typer.Exit(output.ATTENTION if _needs_a_person(found) else output.OK)


def _needs_a_person(found: dict[str, Any]) -> bool:
    stuck = found["outbox"].get("unknown", 0) + found["outbox"].get("parked", 0)
    return bool(stuck or found["parked"] or any(c["state"] != "up" for c in found["connections"]))


def gather(space: Workspace) -> dict[str, Any]:
    """Return the state of everything as plain data."""
    from syncd.store import communication, cursors, health, outbox, parked, records, runs

    with space.store.read() as connection:
        positions, waiting = cursors.all_of(connection), parked.open_counts(connection)
        states, sizes = health.all_of(connection), records.counts(connection)
        kept = communication.recent(connection, list(space.config.accounts))
        outbox_counts = outbox.state_counts(connection)
        held = outbox.rows(connection, states=[outbox.State.HELD], limit=_MOST_HELD)
        numbers = {row.record: communication.by_id(connection, row.record) for row in held}
        last = runs.latest(connection)
    names = space.config.service.connections
    return {
        "accounts": [_account(space, account.id, kept) for account in space.config.accounts.values()],
        "connections": [
            {**_connection(name, positions, states, waiting, sizes), "streams": len(space.spec(name).streams)}
            for name in names
        ],
        "last_run": _run(last[0], runs.balance_of(last[0])) if last else None,
        "outbox": outbox_counts,
        "held": [_held(kept, held) for kept in numbers.values() if kept is not None],
        "parked": sum(waiting.values()),
    }


def _account(space: Workspace, account_id: str, kept: list[Any]) -> dict[str, Any]:
    from syncd.engine.reconcile import calendar_of
    from syncd.rhythm import next_due

    account = space.config.accounts[account_id]
    is_working = calendar_of(account).is_working
    due = [next_due(row.when, space.now(), account.zone, is_working) for row in account.plan]
    mine = [one for one in kept if one.record.account == account_id]
    return {
        "account": account_id,
        "name": account.account,
        "projects": [
            {
                "project": one.record.project_name,
                "record": one.record.number,
                "state": one.record.state.value,
                "delivered_at": one.delivered_at,
                "done": one.record.progress.done_count,
                "total": one.record.progress.total_count,
            }
            for one in mine
        ],
        "next_due": min((at for at in due if at is not None), default=None),
        "timezone": account.timezone,
    }


def _held(kept: Any, rows: list[Any]) -> dict[str, Any]:
    mine = [row for row in rows if row.record == kept.record.id]
    return {
        "account": kept.record.account,
        "project": kept.record.project,
        "record": kept.record.number,
        "recipients": [row.recipient or row.connection for row in mine],
    }


def _connection(name: str, positions: list[Any], states: Any, waiting: Any, sizes: Any) -> dict[str, Any]:
    mine = [position for position in positions if position.place.connection == name]
    stamps = [position.as_of for position in mine]
    complete = bool(stamps) and None not in stamps
    state = states.get(name)
    return {
        "connection": name,
        "state": state["state"] if state else "up",
        "since": state["since"] if state else None,
        "error": state["error"] if state else None,
        "data_as_of": min(stamps) if complete else None,
        "records": sum(count for (connection, _), count in sizes.items() if connection == name),
        "parked": waiting.get(name, 0),
    }


def _run(row: Any, balance: Any) -> dict[str, Any]:
    return {
        "command": row["command"],
        "state": row["state"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "balance": str(balance),
        "is_even": balance.is_even,
    }


def _show(found: dict[str, Any]) -> None:
    console = output.console()
    rows = [
        (c["connection"], _state(c["state"]), c["records"], _age(c), c["parked"] or "", c["error"] or "")
        for c in found["connections"]
    ]
    console.print(output.table("connection", "state", "records", "data as of", "parked", "", rows=rows, right=(2,)))
    console.print()
    console.print(
        output.table(
            "account", "project", "record", "state", "progress", "delivered", "next due (UTC)", rows=_accounts(found)
        )
    )
    console.print()
    last = found["last_run"]
    if last:
        console.print(output.shown({"last run": _last(last), "balance": last["balance"]}))
    waiting = {name: count for name, count in found["outbox"].items() if name not in ("sent", "cancelled")}
    console.print(output.shown({"sent": found["outbox"].get("sent", 0), **waiting, "parked records": found["parked"]}))
    for one in found["held"]:
        whom = ", ".join(one["recipients"])
        said = f"record {one['record']} of {one['account']} ({one['project']}) waits for approval, for {whom}"
        console.print(Text(f"{said}: syncd approve {one['account']} {one['record']}", style="yellow"))
    if found["parked"] or waiting.get("unknown") or waiting.get("parked"):
        console.print(Text("see what waits for you: syncd parked list", style="yellow"))


def _accounts(found: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for account in found["accounts"]:
        for one in account["projects"] or [None]:
            if one is None:
                rows.append((account["account"], "–", "–", "nothing composed yet", "", None, account["next_due"]))
                continue
            progress = f"{one['done']:,}/{one['total']:,}"
            rows.append(
                (
                    account["account"],
                    one["project"],
                    one["record"],
                    one["state"],
                    progress,
                    one["delivered_at"],
                    account["next_due"],
                )
            )
    return rows


def _last(run: dict[str, Any]) -> str:
    return str(run["state"]) if run["command"] == "run" else f"{run['command']}: {run['state']}"


def _state(state: str) -> Text:
    return output.good("● up") if state == "up" else output.bad(f"▲ {state}")


def _age(connection: dict[str, Any]) -> str:
    at = connection["data_as_of"]
    if not connection["streams"]:
        return "sends only"
    if at is None:
        return "never complete"
    minutes = int((datetime.now(UTC) - at).total_seconds() // 60)
    span = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
    return f"{at:%Y-%m-%d %H:%M} ({span} ago)"
