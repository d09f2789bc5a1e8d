"""Fxiaoke against the contract suite, in both styles."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from connectors.fxiaoke import Fxiaoke, FxiaokeConfig
from connectors.fxiaoke.fake import Fake
from syncd.sdk import Command, Connector, ConnectorContext
from syncd.sdk.testing import ConnectorContract, ContractHarness

OBJECT = "object_project__c"
OBJECTS = {
    "accounts": "AccountObj",
    "contacts": "ContactObj",
    "opportunities": "NewOpportunityObj",
    "activities": "ActiveRecordObj",
    "objects": OBJECT,
}


class Tenant(Fake):
    """A tenant with an object of its own, and a field for our mark."""

    def __init__(self) -> None:
        super().__init__()
        self.add_object(OBJECT, "account_id__c")
        self.add_object("ActiveRecordObj", "syncd_key__c")
        self.add_object("ScheduleObj", "syncd_key__c")


class FxiaokeHarness(ContractHarness):
    """What the cases need to know of Fxiaoke."""

    fake_class: ClassVar[Any] = Tenant
    style: ClassVar[str] = "header"
    options: ClassVar[dict[str, Any]] = {}

    def connector(self, fake: Fake, context: ConnectorContext) -> Connector:
        config = {**fake.config(style=self.style), "objects": [OBJECT], **self.options}
        return Fxiaoke(FxiaokeConfig.model_validate(config), context=context)

    def partition(self, fake: Fake, stream: str) -> str:
        return OBJECT if stream == "objects" else ""

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        if stream == "users":
            return [fake.add_user(f"员工 {number}") for number in range(count)]
        return [fake.add(OBJECTS[stream], {"name": f"记录 {number}"}, at=at) for number in range(count)]

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.edit(OBJECTS[stream], remote_id, at=at)

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        if stream == "users":
            del fake.users[remote_id]
        else:
            fake.remove(OBJECTS[stream], remote_id)

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        target = f"AccountObj/{_account(fake)}"
        match operation:
            case "create_follow_up":
                return Command(operation, key, {"active_record_content": "周报第 9 期"}, target)
            case "create_task":
                times = {"begin_time": 1772600400000, "end_time": 1772604000000}
                return Command(operation, key, {"content": "请客户确认", **times}, target)
            case _:
                return Command(operation, key, {"remark": key[:6]}, target)

    def effects(self, fake: Fake, operation: str) -> int:
        match operation:
            case "create_follow_up":
                return len(fake.records("ActiveRecordObj"))
            case "create_task":
                return len(fake.records("ScheduleObj"))
            case _:
                return len({(remote_id, values["remark"]) for remote_id, values in fake.updates})


class TestFxiaoke(FxiaokeHarness, ConnectorContract):
    """The token in headers, our mark in the text."""


class TestFxiaokeInBody(FxiaokeHarness, ConnectorContract):
    """The token in the body, our mark in a field of its own."""

    style = "body"
    options: ClassVar[dict[str, Any]] = {"key_field": "syncd_key__c"}


def _account(fake: Fake) -> str:
    """Return the one account that writes are about."""
    known = [row["_id"] for row in fake.records("AccountObj") if row["name"] == "澄远"]
    return str(known[0]) if known else fake.add_account("澄远")
