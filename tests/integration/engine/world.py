"""A small agency for the engine's tests: PingCode, Zoho CRM and a mail server on loopback, two clients, one clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.email.fake import Fake as Mail
from connectors.pingcode.fake import Fake as PingCode
from connectors.zoho_crm.fake import Fake as Zoho
from syncd import settings
from syncd.engine import run
from syncd.engine.run import Order, Report
from syncd.engine.workspace import Workspace
from syncd.sdk.budget import Budget
from syncd.sdk.testing import Clock
from syncd.store import Store
from syncd.store.tables import metadata

ACME = """\
account: Acme
locale: en
timezone: Asia/Shanghai
projects:
  - name: Portal
    from:
      - {{connection: pc, project: {portal}}}
      - {{connection: crm, account: "{company}", opportunity: "{deal}"}}
audiences:
  pm: {{contacts: [li@acme.example]}}
  sales: {{users: [zhao@agency.example]}}
plan:
  - {{audience: pm, channel: mail, when: friday 16:00}}
  - {{audience: sales, channel: crm, content: brief, when: with digest}}
show:
  tasks: {{types: ["*"], fields: [title, status, due_date]}}
"""
BETA = """\
account: Beta
locale: zh-CN
timezone: Asia/Shanghai
projects:
  - name: 网店
    from:
      - {{connection: pc, project: {shop}}}
audiences:
  pm: {{contacts: [wu@beta.example]}}
plan:
  - {{audience: pm, channel: mail, when: friday 16:00}}
"""
SERVICE = """\
fresh_for: 26h
connections:
  pc:
    connector: pingcode
    title: PingCode
    timezone: Asia/Shanghai
    owns: [Project, Milestone, Task]
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{pingcode}", client_id: {pc_id}, client_secret: env:PC_SECRET}}
  crm:
    connector: zoho_crm
    timezone: Asia/Shanghai
    owns: [Account, Contact, Opportunity]
    allow_private_hosts: [127.0.0.1]
    config: {{client_id: {zoho_id}, client_secret: env:ZOHO_SECRET, refresh_token: env:ZOHO_REFRESH,
             api_url: "{zoho}", accounts_url: "{zoho}"}}
  mail:
    connector: email
    allow_private_hosts: [127.0.0.1]
    config: {{smtp: "{smtp}", from: "Reports <reports@agency.example>"}}
"""


@dataclass
class World:
    """The vendors, the two clients' ids, the configuration's folder, the database and the clock.

    `texts` are the account files by id, with `{name}` for an id of `ids`; `write` puts all files down again.
    """

    folder: Path
    store: Store
    clock: Clock
    pingcode: PingCode
    zoho: Zoho
    mail: Mail
    ids: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=lambda: {"acme": ACME})
    service: str = SERVICE
    extra: str = ""

    @property
    def config(self) -> Path:
        """The folder with syncd.yaml."""
        return self.folder / "config"

    def write(self) -> None:
        """Write syncd.yaml and the accounts' files."""
        (self.config / "accounts").mkdir(parents=True, exist_ok=True)
        for old in (self.config / "accounts").glob("*.yaml"):
            old.unlink()
        zoho = self.zoho.config()
        text = self.service.format(
            pingcode=self.pingcode.url,
            pc_id=self.pingcode.client_id,
            zoho=self.zoho.url,
            zoho_id=zoho["client_id"],
            smtp=self.mail.url,
        )
        (self.config / "syncd.yaml").write_text(text + self.extra, "utf-8")
        for name, account in self.texts.items():
            (self.config / "accounts" / f"{name}.yaml").write_text(account.format(**self.ids), "utf-8")

    @contextmanager
    def open(self, **options: Any) -> Iterator[Workspace]:
        """Open the configuration at work on the database; waiting moves the clock."""
        self.write()
        space = Workspace(settings.load(self.config), self.store, now=self.clock.now, **options)
        space.wait = self._wait_in(space)  # type: ignore[method-assign]
        try:
            space.validate()
            yield space
        finally:
            space.close()

    def _wait_in(self, space: Workspace) -> Any:
        def wait(seconds: float) -> None:
            space.check_stop()
            self.clock.wait(seconds)

        return wait

    def run(self, **wishes: Any) -> Report:
        """Do one run."""
        with self.open(read_only=wishes.get("dry_run", False)) as space:
            return run.execute(space, Order(**wishes))

    def tables(self, *but: str) -> dict[str, list[tuple[Any, ...]]]:
        """Return the content of all tables except `but`."""
        with self.store.read() as connection:
            return {
                table.name: [
                    tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
                ]
                for table in metadata.sorted_tables
                if table.name not in but
            }

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Return the rows of one table whose columns have these values."""
        table = metadata.tables[name]
        query = sa.select(table).order_by(*table.primary_key.columns)
        for column, value in where.items():
            query = query.where(table.c[column] == value)
        with self.store.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def set_rows(self, name: str, **values: Any) -> None:
        """Change a column of all rows of one table, as an administrator could."""
        with self.store.begin() as connection:
            connection.execute(sa.update(metadata.tables[name]).values(**values))

    @property
    def vendor_calls(self) -> int:
        """How many requests the two HTTP vendors have seen."""
        return len(self.pingcode.calls) + len(self.zoho.calls)

    @property
    def effects(self) -> tuple[int, int]:
        """Mails that arrived and notes in the CRM."""
        return len(self.mail.messages), len(self.zoho.records("Notes"))

    def task(self, title: str, **values: Any) -> str:
        """Add a task to the portal."""
        return self.pingcode.add_work_item(self.ids["portal"], title, **values)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass for everybody."""
        self.clock.wait(by.total_seconds())


def seed(world: World) -> None:
    """Fill the vendors: Acme's portal with three tasks and a milestone, Beta's shop with one task, Acme in the CRM."""
    pingcode, zoho = world.pingcode, world.zoho
    zhao = pingcode.add_user("赵敏", email="zhao@agency.example", job="Delivery manager")
    portal = pingcode.add_project("客户门户", identifier="CP")
    shop = pingcode.add_project("网店", identifier="WD")
    world.ids |= {"portal": portal, "shop": shop, "zhao": zhao}
    world.ids["launch"] = pingcode.add_milestone(portal, "Launch", date(2026, 4, 30))
    world.ids["login"] = pingcode.add_work_item(portal, "Login page", state="已完成", assignee=zhao)
    world.ids["search"] = pingcode.add_work_item(portal, "Order search", state="进行中", end=date(2026, 3, 6))
    world.ids["export"] = pingcode.add_work_item(portal, "CSV export", end=date(2026, 3, 20))
    world.ids["cart"] = pingcode.add_work_item(shop, "Basket", state="进行中")
    world.ids["company"] = zoho.add_account("Acme Ltd", website="https://acme.example")
    world.ids["contact"] = zoho.add_contact(
        "Li", first_name="Na", email="li@acme.example", account=world.ids["company"], Title="IT lead"
    )
    world.ids["deal"] = zoho.add_deal("Portal", account=world.ids["company"])


@contextmanager
def opened(folder: Path, store: Store, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """Start the vendors on one clock, Monday 2 March 2026, 09:00 UTC, an hour after what they hold was made."""
    clock = Clock()
    patch.setattr("syncd.engine.workspace.Budget", partial(Budget, clock=clock.monotonic))
    with PingCode() as pingcode, Zoho() as zoho, Mail() as mail:
        config = zoho.config()
        patch.setenv("PC_SECRET", pingcode.client_secret)
        patch.setenv("ZOHO_SECRET", config["client_secret"])
        patch.setenv("ZOHO_REFRESH", config["refresh_token"])
        for fake in (pingcode, zoho, mail):
            clock.drive(fake)
        world = World(folder, store, clock, pingcode, zoho, mail)
        seed(world)
        world.pass_time(timedelta(hours=1))
        world.write()
        yield world
        assert [*pingcode.refused, *zoho.refused, *mail.refused] == []
