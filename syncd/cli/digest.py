"""`syncd digest` renders without sending; `syncd approve` releases a digest that waits for it."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.text import Text

from syncd.cli import output
from syncd.cli.output import DEFAULT_CONFIG, ConfigFolder, JsonFlag
from syncd.cli.run import parse_past
from syncd.errors import ConfigError
from syncd.yamlfile import hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncd.engine.compose import Drafted
    from syncd.engine.workspace import Workspace
    from syncd.model.communication import Digest
    from syncd.settings import AccountSettings, PlanRow
    from syncd.store.outbox import Row

MOST_NUMBER: Final = 2**31 - 1  # a database's integer
Format = Literal["text", "md", "html"]


def digest(
    account: Annotated[str, typer.Argument(help="The client.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="As things stood at this date or time.")] = None,
    audience: Annotated[
        str | None, typer.Option(help="For this audience of the plan; the first one otherwise.")
    ] = None,
    lang: Annotated[str | None, typer.Option(help="zh-CN or en; the plan's language otherwise.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="text, md or html.")] = "text",  # noqa: A002  # the option's name
    project: Annotated[str | None, typer.Option(help="One project of the client; all otherwise.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Render the digest from the data at hand, also for a past date; sends nothing."""
    from syncd.cli.app import workspace

    with workspace(config, read_only=True) as space:
        settings = space.config.account(account)
        row = _row(settings, audience, lang)
        at = parse_past(as_of, settings.zone, "--as-of", now=space.now()) if as_of else space.now()
        drafts = [_draft(space, settings, name, row, at) for name in _projects(settings, project)]
        rendered = [(drafted, _render(settings, row, drafted, at)) for drafted in drafts]
    if as_json:
        output.print_json(
            [{"record": d.record.model_dump(mode="json"), "digest": r.model_dump(mode="json")} for d, r in rendered]
        )
        return
    text = "\n".join(_body(made, format) for _, made in rendered)
    if out is not None:
        output.write_file(out, text)
        output.console().print(f"written to {out}")
    else:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    for drafted, _ in rendered:
        for problem in drafted.problems:
            output.console(to_stderr=True).print(f"would be {drafted.verdict.value}: {problem}", style="yellow")


def _row(account: AccountSettings, audience: str | None, lang: str | None) -> PlanRow:
    from syncd.settings import LOCALES, PlanRow

    if lang is not None and lang not in LOCALES:
        raise ConfigError(f"--lang {lang}: choose one of {', '.join(LOCALES)}")
    rows = [row for row in account.plan if audience in (None, row.audience)]
    if audience is not None and audience not in account.audiences:
        raise ConfigError(
            f"--audience {audience!r} is not an audience of {account.id!r}; {hint(audience, account.audiences)}"
        )
    if not rows and audience is None:
        raise ConfigError(f"accounts/{account.id}.yaml has no plan, so there is no audience to render for")
    row = rows[0] if rows else PlanRow.model_validate({"audience": audience, "channel": "-", "when": "with digest"})
    return row.model_copy(update={"lang": lang}) if lang else row


def _projects(account: AccountSettings, wanted: str | None) -> list[str]:
    names = [project.name for project in account.projects]
    if wanted is None:
        return names
    if wanted not in names:
        raise ConfigError(f"--project {wanted!r} is not a project of {account.id!r}; {hint(wanted, names)}")
    return [wanted]


def _draft(space: Workspace, account: AccountSettings, project: str, row: PlanRow, at: datetime) -> Drafted:
    from syncd.engine import compose

    found = next(p for p in account.projects if p.name == project)
    schedule = next(iter(compose.rhythms(account)), "") if row.when.with_digest else row.when.text
    turn = compose.Turn(account, found, schedule, (row,), at)
    return compose.draft(space, turn, now=at, for_show=True)


def _render(account: AccountSettings, row: PlanRow, drafted: Drafted, at: datetime) -> Digest:
    from syncd.engine import compose

    return compose.digest_for(account, row, drafted.record, now=at)


def _body(made: Digest, form: Format) -> str:
    match form:
        case "html":
            return made.body_html
        case "md":
            return f"# {made.subject}\n\n{made.body_markdown}"
        case _:
            return f"{made.subject}\n\n{made.body_text}"


def approve(
    account: Annotated[str, typer.Argument(help="The client.")],
    number: Annotated[int, typer.Argument(help="The record's number.", max=MOST_NUMBER)],
    project: Annotated[str | None, typer.Option(help="Whose record; needed when several projects wait.")] = None,
    reject: Annotated[
        str | None, typer.Option(help="Say no instead, for this reason: what waits is never sent.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Release the digests of a record that wait for approval (the next push sends them), or reject them."""
    from syncd.cli.app import workspace
    from syncd.engine import approval

    if reject is not None and not reject.strip():
        raise ConfigError("--reject: say why, for those who ask later")
    with workspace(config) as space:
        settings = space.config.account(account)
        if project is not None:
            _projects(settings, project)
        actor = getpass.getuser()
        if reject is None:
            rows = approval.approve(space, settings, number, project=project, actor=actor)
        else:
            rows = approval.reject(space, settings, number, why=reject.strip(), project=project, actor=actor)
    _tell_decided(settings.id, rows, is_release=reject is None, as_json=as_json)


def _tell_decided(account: str, rows: Sequence[Row], *, is_release: bool, as_json: bool) -> None:
    word = "released" if is_release else "rejected"
    if as_json:
        recipients = [{"connection": row.connection, "recipient": row.recipient} for row in rows]
        output.print_json({word: len(rows), "recipients": recipients})
        return
    console = output.console()
    if not rows:
        console.print("nothing of this record waits for approval")
        return
    count = "1 message" if len(rows) == 1 else f"{len(rows)} messages"
    console.print(f"{count} {word}:")
    for row in rows:
        console.print(Text(f"  {row.recipient or row.target_id or row.audience} over {row.connection}"))
    if is_release:
        console.print(f"send {'it' if len(rows) == 1 else 'them'} now with: syncd run {account} --only push")
