"""The contract suite on PingCode, for each generation of its paths."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.pingcode import PingCode, PingCodeConfig
from connectors.pingcode.fake import Fake
from connectors.pingcode.tenant import Item
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.fake import Fault
from syncd.sdk.testing import ConnectorContract, ContractHarness, WritingContract


class FakeA(Fake):
    """A private deployment of early 2026."""

    def __init__(self) -> None:
        super().__init__(generations="a")


class FakeC(Fake):
    """The public cloud of late 2026."""

    def __init__(self) -> None:
        super().__init__(generations="c")
        self.rate_headers = "cloud"


class PingCodeHarness(ContractHarness):
    """What the cases need to know of PingCode."""

    faults_without = frozenset({Fault.ERROR_IN_200})
    external_id_property: ClassVar[str | None] = None

    def connector(self, fake: Fake, context: ConnectorContext) -> PingCode:
        config = PingCodeConfig(
            base_url=fake.url,
            client_id=fake.client_id,
            client_secret=SecretStr(fake.client_secret),
            external_id_property=self.external_id_property,
        )
        return PingCode(config, context=context)

    def partition(self, fake: Fake, stream: str) -> str:
        return _project(fake) if stream in ("sprints", "versions") else ""

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        before, day = fake.now(), at.date()
        project = _project(fake)
        fake.set_clock(at)
        item = fake.add_work_item(project, "commented") if stream == "comments" and count else ""
        makers: dict[str, Any] = {
            "projects": lambda n: fake.add_project(f"项目 {n}", identifier=f"P{len(fake.tenant.projects)}"),
            "users": lambda n: fake.add_user(f"成员 {n}"),
            "work_items": lambda n: fake.add_work_item(project, f"task {n}"),
            "sprints": lambda n: fake.add_sprint(project, f"Sprint {n}", day, day),
            "versions": lambda n: fake.add_version(project, f"2026.{n}", day, day),
            "comments": lambda n: fake.add_comment(item, f"comment {n}"),
        }
        ids = [makers[stream](n) for n in range(count)]
        fake.set_clock(before)
        return ids

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        before = fake.now()
        fake.set_clock(at)
        if stream == "comments":
            fake.tenant.update(_commented(fake, remote_id))
        else:
            fake.tenant.update(getattr(fake.tenant, stream)[remote_id], name="touched", title="touched")
        fake.set_clock(before)

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        before, stock = fake.now(), getattr(fake.tenant, stream)
        fake.set_clock(at)
        if stream in ("projects", "work_items"):
            fake.tenant.delete(stock[remote_id])
        else:
            del stock[remote_id]
        fake.set_clock(before)

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        project = _project(fake)
        if operation == "create_work_item":
            return Command(operation, key, {"title": "Agree the date", "type_id": "task"}, target_id=project)
        item = next(iter(fake.tenant.work_items), None) or fake.add_work_item(project, "Weekly report")
        return Command(operation, key, {"content": "周报第 9 期"}, target_id=item)

    def effects(self, fake: Fake, operation: str) -> int:
        stock = fake.tenant.comments if operation == "create_comment" else fake.tenant.work_items
        return len(stock)


class TestPingCode(PingCodeHarness, ConnectorContract):
    """Generation B, beside which A still answers."""

    fake_class = Fake


class TestPingCodeGenerationA(PingCodeHarness, ConnectorContract):
    """Comma lists, changes by the second, no search; the streams without changes are read as in B."""

    fake_class = FakeA
    fixed_streams = frozenset({"projects", "users", "sprints", "versions"})
    external_id_property = "external_id"


class TestPingCodeGenerationC(PingCodeHarness, WritingContract):
    """Other names than B, and our key in a custom property; its reads are in the tests of reading and mapping."""

    fake_class = FakeC
    external_id_property = "external_id"


def _project(fake: Fake) -> str:
    return next(iter(fake.tenant.projects), None) or fake.add_project("Orbit rollout", identifier="ORB")


def _commented(fake: Fake, comment: str) -> Item:
    url = fake.tenant.comments[comment]["url"]
    return fake.tenant.work_items[url.rpartition("=")[2]]
