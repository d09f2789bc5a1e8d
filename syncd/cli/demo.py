"""`syncd demo`: the whole job on loopback, with nothing configured and no network."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from syncd import log
from syncd.cli import output
from syncd.cli.output import JsonFlag

if TYPE_CHECKING:
    from syncd.engine.run import Report
    from syncd.engine.workspace import Workspace
    from syncd.lab.scenario import Scenario


def demo(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder for the digests; ./syncd-demo otherwise.")
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002
) -> None:
    """Show the whole job in under a minute: imitated PingCode, Zoho CRM and mail server, two clients, eight weeks.

    Pulls, reconciles, composes and pushes for real, week by week; then runs again and sends nothing.
    """
    log.configure(level="error")
    began = time.monotonic()
    folder = (out or Path("syncd-demo")).resolve()
    with _stage() as stage:
        weeks = stage.live(quiet=as_json)
        again = stage.run_again(quiet=as_json)
        paths = stage.write(folder)
        facts = stage.facts(weeks[-1], again, paths, seconds=time.monotonic() - began)
    if as_json:
        output.print_json(facts)
    else:
        _farewell(facts)
    raise typer.Exit(output.OK if facts["ok"] else output.ATTENTION)


@contextlib.contextmanager
def _stage() -> Iterator[_Stage]:
    """Start the fakes, write a configuration for them into a temporary folder, and clear everything away after."""
    from syncd.lab import open_fake

    with tempfile.TemporaryDirectory(prefix="syncd-demo-") as folder, contextlib.ExitStack() as stack:
        fakes: dict[str, Any] = {name: open_fake(name) for name in ("pingcode", "zoho_crm", "email")}
        for fake in fakes.values():
            stack.enter_context(fake)
        stage = _Stage(Path(folder), fakes)
        stack.callback(stage.close)
        yield stage


class _Stage:
    """The demo's machinery: fakes, history, configuration and one workspace whose clock is the story's."""

    def __init__(self, folder: Path, fakes: dict[str, Any]) -> None:
        from syncd import settings
        from syncd.engine.workspace import Workspace
        from syncd.lab.scenario import Scenario, report_time
        from syncd.store import open_store

        self._fakes = fakes
        self._scenario: Scenario = Scenario(fakes["pingcode"], fakes["zoho_crm"])
        self._now: datetime = report_time(1)
        _write_config(folder / "config", self._scenario, fakes)
        config = settings.load(folder / "config")
        self._store = open_store(config.service.database)
        self._space: Workspace = Workspace(config, self._store, now=lambda: self._now)
        self._space.validate()

    def close(self) -> None:
        self._space.close()
        self._store.close()

    def live(self, *, quiet: bool) -> list[Report]:
        """Live through the weeks with a run each Friday; the last one is shown in full."""
        from syncd.lab.scenario import WEEKS

        bar = Progress(
            TextColumn(" [dim]eight weeks at an agency[/dim]  "),
            BarColumn(bar_width=32, complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.fields[told]}"),
            console=output.console(),
            disable=quiet,
            transient=False,
        )
        reports = []
        with bar:
            task = bar.add_task("", total=WEEKS, told="")
            for week in range(1, WEEKS):
                reports.append(self._week(week))
                bar.update(task, advance=1, told=self._told(week))
            self._move(WEEKS)
            bar.update(task, advance=1, told=self._told(WEEKS))
        reports.append(self._run(quiet=quiet))
        return reports

    def _week(self, week: int) -> Report:
        from syncd.engine.run import Order, execute

        self._move(week)
        return execute(self._space, Order())

    def _move(self, week: int) -> None:
        from syncd.lab.scenario import report_time

        self._scenario.live_until(report_time(week))
        self._now = report_time(week)
        self._fakes["email"].set_clock(self._now)

    def _told(self, week: int) -> str:
        return f"week {week}, {self._now:%d %b %Y} · {len(self._fakes['email'].messages)} mails sent"

    def run_again(self, *, quiet: bool) -> Report:
        """Run once more with nothing new at the vendors."""
        if not quiet:
            output.console().print(Text("\n the same run again, nothing new at the vendors\n", style="bold"))
        return self._run(quiet=quiet)

    def _run(self, *, quiet: bool) -> Report:
        from syncd.cli.runview import RunView
        from syncd.engine.run import Order, execute

        view = RunView(self._space, quiet=quiet)
        if not quiet:
            output.console().print()
        with view:
            report = execute(self._space, Order(), listener=view.listener)
        if not quiet:
            view.summary(report, dry_run=False)
        return report

    def write(self, folder: Path) -> list[Path]:
        """Write the newest digest of each client as the mail server received it."""
        folder.mkdir(parents=True, exist_ok=True)
        newest: dict[str, Any] = {}
        for sent in self._fakes["email"].messages:
            newest[sent.message["To"]] = sent.message
        paths = []
        for message in newest.values():
            name = message["To"].addresses[0].username
            body = message.get_body(("html",))
            path = folder / f"digest-{name}.html"
            path.write_text(body.get_content(), "utf-8")
            paths.append(path)
        return paths

    def facts(self, last: Report, again: Report, paths: list[Path], *, seconds: float) -> dict[str, Any]:
        """Return what the demo showed, and whether it showed what it promises."""
        mails = len(self._fakes["email"].messages)
        notes = len(self._fakes["zoho_crm"].records("Notes"))
        texts = [drafted.digests[0] for drafted in last.drafts if drafted.digests]
        is_quiet = not again.pushed and again.queued == 0 and again.balance.written == 0
        return {
            "ok": is_quiet and last.balance.is_even and again.balance.is_even and last.state == "ok",
            "mails": mails,
            "crm_notes": notes,
            "balance": str(last.balance),
            "second_run": {"balance": str(again.balance), "queued": again.queued, "sent": len(again.pushed)},
            "digests": [{"subject": text.subject, "text": text.body_text} for text in texts],
            "files": [str(path) for path in paths],
            "seconds": round(seconds, 1),
        }


def _write_config(folder: Path, scenario: Scenario, fakes: dict[str, Any]) -> None:
    """Write the files that a person would write; secrets go where the files refer to."""
    (folder / "accounts").mkdir(parents=True)
    pingcode, zoho, mail = fakes["pingcode"], fakes["zoho_crm"], fakes["email"]
    secrets = {"DEMO_PINGCODE_SECRET": pingcode.client_secret}
    crm = dict(zoho.config())
    for name in ("client_secret", "refresh_token"):
        secrets[f"DEMO_ZOHO_{name.upper()}"] = crm[name]
        crm[name] = f"env:DEMO_ZOHO_{name.upper()}"
    os.environ.update(secrets)
    loopback = {
        "allow_private_hosts": ["127.0.0.1"],
        "timezone": "Asia/Shanghai",
        "limits": {"calls": 100_000},  # eight weeks in seconds: the vendors' pace would make it minutes
    }
    tool = {"base_url": pingcode.url, "client_id": pingcode.client_id, "client_secret": "env:DEMO_PINGCODE_SECRET"}
    service = {
        "database": f"sqlite:///{folder.parent / 'demo.db'}",
        "connections": {
            "pingcode": {
                "connector": "pingcode",
                "title": "PingCode",
                "config": tool,
                "owns": ["Project", "Milestone", "Task"],
                **loopback,
            },
            "zoho": {
                "connector": "zoho_crm",
                "title": "Zoho CRM",
                "config": crm,
                "owns": ["Account", "Contact"],
                **loopback,
            },
            "mail": {
                "connector": "email",
                "config": {"smtp": mail.url, "from": "Project reports <reports@agency.example>"},
                **loopback,
            },
        },
    }
    _dump(folder / "syncd.yaml", service)
    for engagement in scenario.engagements:
        _dump(folder / "accounts" / f"{engagement.key.lower()}.yaml", _account(engagement))


def _account(engagement: Any) -> dict[str, Any]:
    is_chinese = engagement.language == "zh"
    manager, sponsor = engagement.contacts
    return {
        "account": engagement.company,
        "locale": "zh-CN" if is_chinese else "en",
        "timezone": "Asia/Shanghai" if is_chinese else "Asia/Singapore",
        "calendars": {"ours": "CN", "theirs": "CN" if is_chinese else "SG"},
        "author": engagement.team[0]["name"],
        "projects": [
            {
                "name": engagement.project,
                "from": [
                    {"connection": "pingcode", "project": engagement.ids["project"]},
                    {"connection": "zoho", "account": engagement.ids["account"], "opportunity": engagement.ids["deal"]},
                ],
            }
        ],
        "audiences": {
            "pm": {"contacts": [manager["email"]]},
            "sponsor": {"contacts": [sponsor["email"]]},
            "sales": {"users": ["sales@agency.example"]},
        },
        "plan": [
            {
                "audience": "pm",
                "content": "digest",
                "channel": "mail",
                "when": "friday 16:00",
                "answer_in": "2 working days",
            },
            {
                "audience": "sponsor",
                "content": "brief",
                "channel": "mail",
                "when": "friday 16:00",
                "answer_in": "3 working days",
            },
            {"audience": "sales", "content": "brief", "channel": "zoho", "when": "with digest"},
        ],
        "show": {"tasks": {"types": ["*"], "fields": ["title", "status", "due_date"]}},
    }


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")  # JSON is YAML


def _farewell(facts: dict[str, Any]) -> None:
    console = output.console()
    for digest in facts["digests"][:1]:
        console.print()
        console.print(
            Panel(Text(digest["text"]), title=digest["subject"], title_align="left", border_style="dim", padding=(1, 2))
        )
    second = facts["second_run"]
    told = f"\n {facts['mails']} mails and {facts['crm_notes']} CRM notes in eight weeks · "
    told += f"second run: {second['sent']} sent, "
    mark = output.good("✔") if facts["ok"] else output.bad("✘")
    console.print(Text(told) + Text(f"{second['balance']}  ") + mark)
    for path in facts["files"]:
        console.print(Text(" digest as the client received it: ", style="dim") + Text(path))
    console.print(Text(f" {facts['seconds']:.1f} s, no network, nothing configured", style="dim"))
    sys.stdout.flush()
