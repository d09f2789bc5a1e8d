"""Fxiaoke's records as entities, and a digest as a follow-up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.fxiaoke import Fxiaoke
from connectors.fxiaoke.fake import Fake
from syncd.mapping import loader
from syncd.mapping.apply import Mapping
from syncd.model.entities import Account, Activity, ActivityKind, Contact, Entity, Opportunity, Project, User, entity_id
from syncd.sdk import Command, Record

Connect = Callable[..., Fxiaoke]
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
CALL = "1b2c3d4e5f60718293a4b5c6d7e8f90a"


@pytest.fixture
def mapping() -> Mapping:
    return loader.load("fxiaoke", user_dir=None)


def mapped(mapping: Mapping, crm: Fxiaoke, stream: str, *, partition: str = "") -> list[Any]:
    records = [record for page in crm.read(stream, None, partition=partition) for record in page.records]
    return [made for record in records if (made := entity(mapping, record)) is not None]


def entity(mapping: Mapping, record: Record) -> Entity | None:
    return mapping.entity(record, connection="crm", timezone=ZoneInfo("Asia/Shanghai"))


def test_every_stream_is_mapped(mapping: Mapping, crm: Fxiaoke) -> None:
    assert mapping.streams == {stream.name for stream in crm.spec.streams}


def test_account_is_mapped_with_domain_and_owner(mapping: Mapping, fake: Fake, crm: Fxiaoke) -> None:
    owner = fake.add_user("陈波")
    website = "https://www.chengyuan.example"
    fake.add_account("上海澄远", owner=owner, website=website, industry="5", deal_status="2", tel="021-1", at=AT)

    [account] = mapped(mapping, crm, "accounts")

    assert isinstance(account, Account)
    assert (account.name, account.domain, account.phone) == ("上海澄远", "chengyuan.example", "021-1")
    assert (account.industry, account.lifecycle_stage, account.remote_status) == ("5", "2", "normal")
    assert account.owner == entity_id("crm", "users", owner)
    assert account.created_at == AT


def test_label_is_taken_before_the_code(mapping: Mapping) -> None:
    row = {"_id": "1", "name": "澄远", "industry": "5", "industry__r": "制造业", "deal_status__r": "已成交"}

    account = entity(mapping, Record("accounts", "1", row))

    assert isinstance(account, Account)
    assert (account.industry, account.lifecycle_stage) == ("制造业", "已成交")


def test_contact_belongs_to_its_account(mapping: Mapping, fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    fake.add_contact("李强", account=account, job_title="IT 总监", mobile1="13800000000", email="Li@Example.com ")

    [contact] = mapped(mapping, crm, "contacts")

    assert isinstance(contact, Contact)
    assert (contact.full_name, contact.job_title, contact.phone) == ("李强", "IT 总监", "13800000000")
    assert contact.email == "li@example.com"
    assert contact.account == entity_id("crm", "accounts", account)


def test_opportunity_is_mapped_with_money_and_day(mapping: Mapping, fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    close = date(2026, 6, 30)
    fake.add_opportunity(
        "二期", account=account, amount="350000.00", probability="60", close_date=close, sales_stage="3"
    )

    [opportunity] = mapped(mapping, crm, "opportunities")

    assert isinstance(opportunity, Opportunity)
    assert (opportunity.name, opportunity.stage, opportunity.remote_status) == ("二期", "方案报价", "进行中")
    assert (opportunity.amount, opportunity.currency, opportunity.probability) == (Decimal("350000.00"), "CNY", 0.6)
    assert opportunity.close_date == date(2026, 6, 30)
    assert opportunity.account == entity_id("crm", "accounts", account)
    assert opportunity.owner == entity_id("crm", "users", fake.admin)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("电话", ActivityKind.CALL),
        ("Call", ActivityKind.CALL),
        ("拜访", ActivityKind.MEETING),
        ("Visit", ActivityKind.MEETING),
        ("邮件", ActivityKind.EMAIL),
        ("Email", ActivityKind.EMAIL),
        ("周报", ActivityKind.NOTE),
    ],
)
def test_kind_of_an_activity_is_told_by_its_label(mapping: Mapping, label: str, kind: ActivityKind) -> None:
    activity = entity(mapping, Record("activities", "1", {"_id": "1", "active_record_type__r": label}))

    assert isinstance(activity, Activity)
    assert (activity.kind, activity.remote_status) == (kind, label)


def test_activity_knows_account_and_contacts_by_its_links(mapping: Mapping, fake: Fake, crm: Fxiaoke) -> None:
    account, contact = fake.add_account("澄远"), fake.add_contact("李强")
    deal = fake.add_opportunity("二期")
    about = [("NewOpportunityObj", deal), ("AccountObj", account), ("ContactObj", contact)]
    fake.add_follow_up("已确认", about=about, active_record_type=CALL, at=AT)

    [activity] = mapped(mapping, crm, "activities")

    assert (activity.kind, activity.subject, activity.body) == (ActivityKind.CALL, "电话", "已确认")
    assert activity.account == entity_id("crm", "accounts", account)
    assert activity.contacts == [entity_id("crm", "contacts", contact)]
    assert activity.occurred_at == AT
    assert activity.custom_fields == {"NewOpportunityObj": [deal], "AccountObj": [account], "ContactObj": [contact]}


def test_activity_without_links_is_kept(mapping: Mapping) -> None:
    activity = entity(mapping, Record("activities", "1", {"_id": "1", "name": "2026-10-12-001"}))

    assert isinstance(activity, Activity)
    assert (activity.account, activity.contacts, activity.subject) == (None, [], "2026-10-12-001")


@pytest.mark.parametrize("stopped", [True, False])
def test_employee_who_left_is_inactive(mapping: Mapping, fake: Fake, crm: Fxiaoke, stopped: bool) -> None:
    fake.add_user("陈波", email="Bo@Agency.example", stopped=stopped, position="客户经理")

    user = mapped(mapping, crm, "users")[-1]

    assert isinstance(user, User)
    assert (user.full_name, user.email, user.job_title) == ("陈波", "bo@agency.example", "客户经理")
    assert user.active is not stopped


def test_own_object_is_what_a_rule_says_and_others_are_skipped(mapping: Mapping, fake: Fake, connect: Connect) -> None:
    names = ["object_project__c", "object_other__c"]
    account = fake.add_account("澄远")
    for name in names:
        fake.add_object(name, "account_id__c", "due_date__c")
        fake.add(name, {"name": "门户", "account_id__c": account, "due_date__c": 1782748800000})
    crm = connect(objects=names)

    projects = [mapped(mapping, crm, "objects", partition=name) for name in names]

    [[project], others] = projects
    assert isinstance(project, Project)
    assert (project.name, project.due_date) == ("门户", date(2026, 6, 30))
    assert project.account == entity_id("crm", "accounts", account)
    assert others == []


@pytest.mark.parametrize(("target", "name"), [("opportunity", "NewOpportunityObj"), ("account", "AccountObj")])
def test_digest_becomes_a_follow_up_where_the_account_file_says(
    mapping: Mapping, fake: Fake, crm: Fxiaoke, target: str, name: str
) -> None:
    ids = {target: fake.add(name, {"name": "目标"})}
    rule = mapping.push_rule("Digest")
    assert rule is not None
    payload = rule.payload({"subject": "周报 9", "body_text": "完成 6 项", "target": ids})

    crm.write(Command(rule.operation, "key", payload, ids[target]))

    [made] = fake.records("ActiveRecordObj")
    assert rule.target == "opportunity | account"
    assert made["related_api_names"] == [name]
    assert made["active_record_content"].startswith("周报 9\n\n完成 6 项\n\n[syncd-")
