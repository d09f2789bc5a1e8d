"""An agency for the service's tests: a GitHub and a mail server on loopback, one client, one clock, services on it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from connectors.email.fake import Fake as Mail
from connectors.github.fake import Fake as GitHub
from syncd import log, settings
from syncd.daemon.scheduler import Pace, Service, State
from syncd.sdk.testing import Clock
from syncd.settings import Config
from syncd.store import open_store
from syncd.store.tables import metadata

REPOSITORY: Final = "acme/portal"
_POLL_SECONDS: Final = 0.02
SERVICE = """\
database: "{database}"
web: {{listen: "127.0.0.1:{port}"}}
fresh_for: 26h
connections:
  gh:
    connector: github
    allow_private_hosts: [127.0.0.1]
    owns: [Project, Milestone, Task]
    limits: {{calls: 100000}}
    config: {{base_url: "{github}", repositories: [acme/portal], token: env:AGENCY_GITHUB}}
  mail:
    connector: email
    allow_private_hosts: [127.0.0.1]
    limits: {{calls: 100000}}
    config: {{smtp: "{smtp}", from: "Reports <reports@agency.example>"}}
"""
ACME = """\
account: Acme
timezone: UTC
projects:
  - name: Portal
    from: [{{connection: gh, project: acme/portal}}]
audiences:
  pm: {{contacts: [li@acme.example]}}
plan:
  - {{audience: pm, channel: mail, when: {when}}}
"""


def eventually(condition: Callable[[], Any], *, timeout: float = 20.0) -> Any:
    """Return the first true value of `condition`, asked again and again; AssertionError after `timeout` seconds."""
    pause = threading.Event()
    for _ in range(int(timeout / _POLL_SECONDS)):
        if found := condition():
            return found
        pause.wait(_POLL_SECONDS)
    raise AssertionError(f"it did not come about within {timeout:g} s")


def quiet(condition: Callable[[], Any], *, seconds: float = 0.5) -> bool:
    """Say whether `condition` stays false for a while, in which the service ticks many times."""
    pause = threading.Event()
    for _ in range(int(seconds / _POLL_SECONDS)):
        if condition():
            return False
        pause.wait(_POLL_SECONDS)
    return True


class Gate:
    """Holds requests that match back until it is opened, and says when one has come."""

    def __init__(self, path: str, *, after: int = 0) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._path = path
        self._left = after
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> None:
        if self._path not in request.path:
            return
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                return
        self.reached.set()
        self.open.wait(30.0)


@dataclass
class Agency:
    """The vendors, the folder of the configuration, the database's address, the clock and what was logged."""

    folder: Path
    address: str
    clock: Clock
    github: GitHub
    mail: Mail
    when: str = "every 30m"
    port: int = 0
    extra: str = ""
    services: list[Service] = field(default_factory=list)
    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.store = open_store(self.address)

    # -- configuration ----------------------------------------------------------------------------------------

    def write(self, name: str = "config") -> Path:
        """Write the configuration and return its folder."""
        folder = self.folder / name
        (folder / "accounts").mkdir(parents=True, exist_ok=True)
        text = SERVICE.format(database=self.address, port=self.port, github=self.github.url, smtp=self.mail.url)
        (folder / "syncd.yaml").write_text(text + self.extra, "utf-8")
        (folder / "accounts" / "acme.yaml").write_text(ACME.format(when=self.when), "utf-8")
        return folder

    def config(self) -> Config:
        """Write the configuration and read it."""
        return settings.load(self.write())

    # -- services ---------------------------------------------------------------------------------------------

    def service(self, **pace: Any) -> Service:
        """Return a service on the agency's clock, with a database of its own as another process has; not started."""
        store = open_store(self.address)
        quick = {"tick_seconds": 0.03, "term": timedelta(seconds=3), "standby_seconds": 0.1, "grace_seconds": 5.0}
        made = Service(self.config(), store, now=self.clock.now, pace=Pace(**{**quick, **pace}))
        self.services.append(made)
        return made

    def started(self, **pace: Any) -> Service:
        """Return a service that leads and has read everything once."""
        made = self.service(**pace)
        made.start()
        eventually(lambda: made.state is State.LEADING)
        eventually(self.has_read)
        return made

    def has_read(self) -> bool:
        """Whether a first read has come to its end."""
        return any(row["ended_at"] for row in self.rows("runs", command="pull"))

    def close(self) -> None:
        """Stop what still runs."""
        for service in self.services:
            service.stop()
            service.store.close()
        self.store.close()

    # -- what happened ----------------------------------------------------------------------------------------

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Return the rows of a table whose columns have these values."""
        table: sa.Table = metadata.tables[name]
        query = sa.select(table).order_by(*table.primary_key.columns)
        for column, value in where.items():
            query = query.where(table.c[column] == value)
        with self.store.read() as database:
            return [dict(row._mapping) for row in database.execute(query)]

    def slots(self, *states: str) -> list[str]:
        """Return the slots of the plan as hours and minutes; only those in `states` when any is named."""
        wanted = states or ("running", "done", "failed")
        rows = [row for row in self.rows("firings") if row["schedule"].startswith("plan:")]
        return [f"{row['due_at']:%H:%M}" for row in rows if row["state"] in wanted]

    def mails(self) -> int:
        """Return how many mails arrived."""
        return len(self.mail.messages)

    def message_ids(self) -> list[str]:
        """Return the ids of the mails that arrived."""
        return [str(sent.message["Message-ID"]) for sent in self.mail.messages]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of one event."""
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    def pass_time(self, **span: float) -> None:
        """Let time pass for everybody."""
        self.clock.wait(timedelta(**span).total_seconds())


@contextmanager
def opened(folder: Path, address: str, *, in_real_time: bool = False) -> Iterator[Agency]:
    """Start the vendors: Monday 2 March 2026, 09:10 UTC, a repository with two issues and a milestone."""
    clock = Clock()
    with GitHub() as github, Mail() as mail:
        if not in_real_time:
            clock.drive(github)
            clock.drive(mail)
        github.add_repository(REPOSITORY)
        github.add_milestone(REPOSITORY, "Launch")
        github.add_issue(REPOSITORY, title="Login page")
        github.add_issue(REPOSITORY, title="Order search")
        clock.wait(600)
        agency = Agency(folder, address, clock, github, mail)
        log.configure(json=True, stream=agency.stream)
        try:
            yield agency
        finally:
            agency.close()
            log.configure()
            assert github.refused == []
