"""Zoho's records as entities, and a digest as a note."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.zoho_crm import ZohoCrm
from connectors.zoho_crm.fake import Fake
from syncd.errors import MappingError
from syncd.mapping import loader
from syncd.mapping.apply import Mapping
from syncd.model.entities import Account, Activity, ActivityKind, Contact, Entity, Opportunity, User, entity_id
from syncd.sdk import Command, Record

AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


@pytest.fixture
def mapping() -> Mapping:
    return loader.load("zoho_crm", user_dir=None)


def mapped(mapping: Mapping, crm: ZohoCrm, stream: str) -> list[Any]:
    records = [record for page in crm.read(stream, None) for record in page.records]
    return [made for record in records if (made := entity(mapping, record)) is not None]


def entity(mapping: Mapping, record: Record) -> Entity | None:
    return mapping.entity(record, connection="crm", timezone=ZoneInfo("Asia/Shanghai"))


def test_every_stream_is_mapped(mapping: Mapping, crm: ZohoCrm) -> None:
    assert mapping.streams == {stream.name for stream in crm.spec.streams}


def test_account_has_the_domain_of_its_website(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    fake.seed_clients(at=AT)

    accounts: list[Account] = mapped(mapping, crm, "accounts")

    assert {a.name: a.domain for a in accounts} == {
        "精密制造有限公司": "jingmi.example",
        "Northwind GmbH": "northwind.example",
        "海川物流集团": "haichuan.example",
        "Contoso AB": "contoso.example",
    }
    assert {a.lifecycle_stage for a in accounts} == {"Customer"}
    assert {a.created_at for a in accounts} == {AT}


def test_account_knows_owner_and_parent(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    owner = fake.add_user("陈 波", "bo@agency.example")
    parent = fake.add_account("海川集团", at=AT)
    fake.add_account("海川物流", owner=owner, Parent_Account={"id": parent})

    account = mapped(mapping, crm, "accounts")[-1]

    assert account.owner == entity_id("crm", "users", owner)
    assert account.parent == entity_id("crm", "accounts", parent)


def test_contact_is_mapped_with_its_wish_not_to_be_written_to(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造", at=AT)
    fake.add_contact(
        "芳",
        first_name="王",
        email="Wang.Fang@Jingmi.example",
        account=account,
        Title="IT 总监",
        Phone="+86 21 1",
        Email_Opt_Out=True,
    )

    [contact] = mapped(mapping, crm, "contacts")

    assert isinstance(contact, Contact)
    assert (contact.full_name, contact.email, contact.job_title) == ("王 芳", "wang.fang@jingmi.example", "IT 总监")
    assert contact.account == entity_id("crm", "accounts", account)
    assert contact.phone == "+86 21 1"
    assert contact.do_not_contact is True


def test_contact_without_a_word_on_mail_may_be_written_to(mapping: Mapping) -> None:
    contact = entity(mapping, Record("contacts", "7", {"id": "7", "Last_Name": "Kraus", "Email_Opt_Out": None}))

    assert isinstance(contact, Contact)
    assert contact.do_not_contact is False


@pytest.mark.parametrize("stage", ["Proposal/Price Quote", "报价"])
def test_deal_keeps_its_stage_as_text_in_any_language(mapping: Mapping, fake: Fake, crm: ZohoCrm, stage: str) -> None:
    fake.add_deal("客户门户", stage=stage, amount=350000.5, probability=60, closing_date=date(2026, 6, 30))

    [deal] = mapped(mapping, crm, "deals")

    assert isinstance(deal, Opportunity)
    assert (deal.stage, deal.remote_status) == (stage, stage)
    assert (deal.amount, deal.currency) == (Decimal("350000.5"), "CNY")
    assert deal.probability == 0.6
    assert deal.close_date == date(2026, 6, 30)


@pytest.mark.parametrize(("status", "active"), [("active", True), ("inactive", False), ("deleted", False)])
def test_user_is_active_by_status(mapping: Mapping, fake: Fake, crm: ZohoCrm, status: str, active: bool) -> None:
    fake.add_user("陈 波", "Bo@Agency.example", status=status)

    user = mapped(mapping, crm, "users")[-1]

    assert isinstance(user, User)
    assert (user.full_name, user.email, user.active) == ("陈 波", "bo@agency.example", active)


def test_unknown_user_status_is_named(mapping: Mapping) -> None:
    with pytest.raises(MappingError, match=r'"asleep".*zoho_crm\.yaml → users\.active\.values'):
        entity(mapping, Record("users", "7", {"id": "7", "full_name": "Bo", "status": "asleep"}))


def test_task_of_an_account_is_a_follow_up_of_it(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    contact = fake.add_contact("李")
    fake.add_task("回访", about=("Accounts", account), contact=contact, due_date=date(2026, 3, 5), status="未开始")

    [task] = mapped(mapping, crm, "tasks")

    assert isinstance(task, Activity)
    assert (task.kind, task.subject, task.remote_status) == (ActivityKind.FOLLOW_UP, "回访", "未开始")
    assert task.account == entity_id("crm", "accounts", account)
    assert task.contacts == [entity_id("crm", "contacts", contact)]
    assert task.due_at == datetime(2026, 3, 4, 16, 0, tzinfo=UTC)
    assert task.completed_at is None


def test_done_task_of_a_deal_keeps_its_link(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    deal = fake.add_deal("客户门户")
    fake.add_task("Send quote", about=("Deals", deal), at=AT - timedelta(days=3))
    fake.edit("Tasks", fake.records("Tasks")[0]["id"], Status="Completed", at=AT)

    [task] = mapped(mapping, crm, "tasks")

    assert task.account is None
    assert task.custom_fields == {"name": "客户门户", "id": deal}
    assert task.completed_at == AT


def test_notes_belong_to_account_or_contact_or_keep_their_link(mapping: Mapping, fake: Fake, crm: ZohoCrm) -> None:
    account, contact, deal = fake.add_account("精密制造"), fake.add_contact("李"), fake.add_deal("客户门户")
    fake.add_note(("Accounts", account), "一", title="拜访", at=AT)
    fake.add_note(("Contacts", contact), "二", at=AT.replace(minute=1))
    fake.add_note(("Deals", deal), "三", at=AT.replace(minute=2))

    first, second, third = mapped(mapping, crm, "notes")

    assert (first.account, first.subject, first.body) == (entity_id("crm", "accounts", account), "拜访", "一")
    assert (first.kind, first.occurred_at) == (ActivityKind.NOTE, AT)
    assert second.contacts == [entity_id("crm", "contacts", contact)]
    assert third.custom_fields["id"] == deal


@pytest.mark.parametrize("module", ["Deals", "Accounts"])
def test_digest_becomes_a_note_where_the_account_file_says(
    mapping: Mapping, fake: Fake, crm: ZohoCrm, module: str
) -> None:
    ids = {"opportunity": fake.add_deal("客户门户")} if module == "Deals" else {"account": fake.add_account("精密制造")}
    rule = mapping.push_rule("Digest")
    assert rule is not None
    payload = rule.payload({"subject": "周报 9", "body_text": "完成 6 项", "target": ids})

    crm.write(Command(rule.operation, "key", payload, next(iter(ids.values()))))

    [note] = fake.records("Notes")
    assert rule.target == "opportunity | account"
    assert note["Parent_Id"]["module"]["api_name"] == module
    assert note["Note_Content"] == "完成 6 项"
