"""`syncd run`: one shot, from pull to push."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.engine.run import Order, Report
    from syncd.engine.workspace import Workspace

_STAGES = ("pull", "compose", "push")
_FIRST_YEAR, _LAST_YEAR = 1970, 2100


def run(
    accounts: Annotated[list[str] | None, typer.Argument(help="The clients; all when none is named.")] = None,
    since: Annotated[str | None, typer.Option(help="Read what changed from this date or time on (backfill).")] = None,
    until: Annotated[str | None, typer.Option(help="Compose as things stood at this date or time.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew and find deletions.")] = False,  # noqa: FBT002
    only: Annotated[str | None, typer.Option(help="Do one stage only: pull, compose or push.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show; queue and send nothing.")] = False,  # noqa: FBT002
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Pull, reconcile, compose and push once; what was interrupted goes on where it ended.

    Exit code 0: all well, 1: something is parked, held or unknown, 2: the configuration is wrong.
    """
    from syncd.cli.app import stop_on_signal, workspace
    from syncd.cli.runview import RunView
    from syncd.engine.run import execute

    if only is not None and only not in _STAGES:
        raise ConfigError(f"--only {only}: choose one of {', '.join(_STAGES)}")
    stop = threading.Event()
    with workspace(config, read_only=dry_run, stop=stop) as space, stop_on_signal(stop):
        order = _order(space, tuple(accounts or ()), since, until, full=full, only=only, dry_run=dry_run)
        view = RunView(space, quiet=as_json)
        with view:
            report = execute(space, order, listener=view.listener)
        if as_json:
            output.print_json(document(report))
        else:
            view.summary(report, dry_run=dry_run)
    raise typer.Exit(exit_code(report))


def _order(
    space: Workspace,
    accounts: tuple[str, ...],
    since: str | None,
    until: str | None,
    *,
    full: bool,
    only: Any,
    dry_run: bool,
) -> Order:
    from syncd.engine.run import Order

    found = space.accounts(accounts)
    if not found:
        raise ConfigError(f"{space.config.folder}/accounts: there is no client yet; run `syncd init` to add one")
    zone = found[0].zone
    return Order(
        accounts=tuple(account.id for account in found),
        since=parse_moment(since, zone, "--since") if since else None,
        until=parse_past(until, zone, "--until", now=space.now()) if until else None,
        full=full,
        only=only,
        dry_run=dry_run,
    )


def parse_moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """Parse a date (its first minute in `zone`) or an ISO 8601 time into aware UTC; ConfigError otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as err:
        raise ConfigError(f"{option} {text!r} is not a date; write 2026-01-05 or 2026-01-05T16:00+08:00") from err
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ConfigError(f"{option} {text!r}: give a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def parse_past(text: str, zone: ZoneInfo, option: str, *, now: datetime) -> datetime:
    """Parse a moment as `parse_moment` does; ConfigError for one after `now`, of which nothing can be known."""
    at = parse_moment(text, zone, option)
    if at > now:
        raise ConfigError(f"{option} {text!r} is in the future; give a date up to today, or leave it out for now")
    return at


def exit_code(report: Report) -> int:
    """Return the exit code that a run's outcome stands for."""
    if report.config_errors:
        return output.CONFIG
    return output.ATTENTION if report.needs_attention else output.OK


def document(report: Report) -> dict[str, Any]:
    """Return a run as plain data."""
    balance = report.balance
    return {
        "run": report.run,
        "state": report.state,
        "balance": {
            "read": balance.read,
            "written": balance.written,
            "unchanged": balance.unchanged,
            "skipped": balance.skipped,
            "parked": balance.parked,
            "is_even": balance.is_even,
        },
        "streams": [
            {
                "connection": progress.place.connection,
                "stream": progress.place.stream,
                "partition": progress.place.partition,
                "read": progress.balance.read,
                "written": progress.balance.written,
                "parked": progress.balance.parked,
                "vanished": progress.vanished,
                "quarantined": progress.quarantined,
                "error": str(progress.error) if progress.error else None,
            }
            for result in report.pulls
            for progress in result.streams
        ],
        "digests": [
            {
                "account": drafted.turn.account.id,
                "project": drafted.turn.project.name,
                "record": drafted.record.number,
                "verdict": drafted.verdict.value,
                "queued": drafted.queued,
                "problems": list(drafted.problems),
            }
            for drafted in report.drafts
        ],
        "pushed": [
            {
                "connection": pushed.row.connection,
                "operation": pushed.row.operation,
                "recipient": pushed.row.recipient or pushed.row.target_id,
                "state": pushed.state.value,
                "remote_id": pushed.receipt.remote_id if pushed.receipt else None,
                "error": pushed.error or None,
            }
            for pushed in report.pushed
        ],
        "errors": [str(error) for error in report.errors],
    }
