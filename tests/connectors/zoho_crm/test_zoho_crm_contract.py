"""Zoho CRM against the contract suite."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from connectors.zoho_crm import ZohoCrm, ZohoCrmConfig
from connectors.zoho_crm.fake import Fake
from syncd.sdk import Command, Connector, ConnectorContext
from syncd.sdk.fake import Fault
from syncd.sdk.testing import ConnectorContract

MODULES = {"accounts": "Accounts", "contacts": "Contacts", "deals": "Deals", "tasks": "Tasks", "notes": "Notes"}


class TestZohoCrm(ConnectorContract):
    """Inherits every case."""

    fake_class: ClassVar[Any] = Fake
    fixed_streams: ClassVar[frozenset[str]] = frozenset({"users"})  # a handful per organisation
    faults_without: ClassVar[frozenset[Fault]] = frozenset()

    def connector(self, fake: Fake, context: ConnectorContext) -> Connector:
        return ZohoCrm(ZohoCrmConfig(**fake.config()), context=context)

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        makers = {
            "accounts": lambda number: fake.add_account(f"客户 {number}", at=at),
            "contacts": lambda number: fake.add_contact(f"Kraus {number}", at=at),
            "deals": lambda number: fake.add_deal(f"门户 {number}", at=at),
            "tasks": lambda number: fake.add_task(f"Call {number}", at=at),
            "notes": lambda number: fake.add_note(("Accounts", _account(fake)), f"备忘 {number}", at=at),
        }
        return [makers[stream](number) for number in range(count)]

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.edit(MODULES[stream], remote_id, at=at)

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        fake.remove(MODULES[stream], remote_id, at=at, for_good=True)

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        account = _account(fake)
        match operation:
            case "create_note":
                return Command(
                    operation, key, {"Note_Title": "周报 9", "Note_Content": "完成 6 项"}, f"Accounts/{account}"
                )
            case "create_task":
                return Command(
                    operation, key, {"Subject": "请客户确认", "Due_Date": "2026-03-05"}, f"Accounts/{account}"
                )
            case "upsert":
                record = {"Last_Name": "李", "Email": f"{key}@jingmi.example"}
                return Command(
                    operation, key, {"module": "Contacts", "record": record, "duplicate_check_fields": ["Email"]}
                )
            case _:
                return Command(operation, key, {"Phone": f"+86 {key[:6]}"}, f"Accounts/{account}")

    def effects(self, fake: Fake, operation: str) -> int:
        match operation:
            case "create_note":
                return len(fake.records("Notes"))
            case "create_task":
                return len(fake.records("Tasks"))
            case "upsert":
                return len(fake.records("Contacts"))
            case _:
                return len({(remote_id, values["Phone"]) for remote_id, values in fake.updates})


def _account(fake: Fake) -> str:
    """Return the one account that writes and notes are about."""
    known = [row["id"] for row in fake.records("Accounts") if row["Account_Name"] == "精密制造"]
    return str(known[0]) if known else fake.add_account("精密制造")
