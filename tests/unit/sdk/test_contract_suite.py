"""The contract suite, tried on a connector that keeps the contract."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from syncd.sdk import Command, Connector, ConnectorContext
from syncd.sdk.testing import AT, ConnectorContract
from tests.unit.sdk.acme.connector import Acme, AcmeConfig
from tests.unit.sdk.acme.fake import Fake


class TestAcme(ConnectorContract):
    """Every case of the suite."""

    fake_class = Fake
    fixed_streams = frozenset({"users"})

    def mapping_file(self, subject: Connector) -> Path:
        return Path(__file__).parent / "acme" / "mapping.yaml"

    def connector(self, fake: Fake, context: ConnectorContext) -> Connector:
        return Acme(AcmeConfig.model_validate({"base_url": fake.url, "refresh_token": "refresh-1-secret"}), context)

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        return [fake.add(stream, at) for _ in range(count)]

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.change(stream, remote_id, at, title="touched")

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.drop(stream, remote_id, at)

    def partition(self, fake: Fake, stream: str) -> str:
        return "p1" if stream == "labels" else ""

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        match operation:
            case "comment":
                return Command(operation, key, {"body": "done"}, fake.add("tasks", AT))
            case "upsert_contact":
                return Command(operation, key, {"name": "Wang"})
            case _:
                return Command(operation, key, {"text": "hello"})

    def effects(self, fake: Fake, operation: str) -> int:
        kept = {"comment": fake.comments, "upsert_contact": fake.rows["contacts"], "send": fake.sent}
        return len(kept[operation])
