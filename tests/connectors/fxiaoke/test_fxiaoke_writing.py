"""Follow-ups, tasks and fields: what is sent, what is refused, and how a lost answer is looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.fxiaoke import Fxiaoke
from connectors.fxiaoke.fake import Fake
from syncd.sdk import Command, ContractError, Outcome, OutcomeUnknownError, RejectedError
from syncd.sdk.fake import Fault

Connect = Callable[..., Fxiaoke]
KEY = "5f0c8e7a1b2d4c3f9e8d7c6b5a493827"
MARK = "syncd-8a82f9b6bae62502"


def follow_up(target: str | None, **payload: Any) -> Command:
    return Command("create_follow_up", KEY, {"active_record_content": "周报 9", **payload}, target)


def test_follow_up_on_an_opportunity_names_its_account_too(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    opportunity = fake.add_opportunity("二期", account=account)

    receipt = crm.write(follow_up(f"NewOpportunityObj/{opportunity}"))

    [made] = fake.records("ActiveRecordObj")
    assert (receipt.remote_id, receipt.outcome) == (made["_id"], Outcome.CREATED)
    assert made["related_api_names"] == ["NewOpportunityObj", "AccountObj"]
    assert made["related_object_data"] == [
        {"describe_api_name": "NewOpportunityObj", "id": opportunity, "name": "二期"},
        {"describe_api_name": "AccountObj", "id": account, "name": "澄远"},
    ]


def test_mark_ends_the_text(fake: Fake, crm: Fxiaoke) -> None:
    crm.write(follow_up(fake.add_account("澄远")))

    [made] = fake.records("ActiveRecordObj")
    assert made["active_record_content"] == f"周报 9\n\n[{MARK}]"


def test_mark_stands_in_its_field_where_there_is_one(fake: Fake, connect: Connect) -> None:
    fake.add_object("ActiveRecordObj", "syncd_key__c")
    crm, command = connect(key_field="syncd_key__c"), follow_up(fake.add_account("澄远"))
    crm.write(command)
    seen: list[Any] = []
    fake.before_each(lambda request: seen.append(request.body["data"]["search_query_info"]["filters"]))

    found = crm.find(command)

    [made] = fake.records("ActiveRecordObj")
    assert (made["active_record_content"], made["syncd_key__c"]) == ("周报 9", MARK)
    assert found is not None
    assert (found.remote_id, found.outcome) == (made["_id"], Outcome.UNCHANGED)
    assert seen == [[{"field_name": "syncd_key__c", "operator": "EQ", "field_values": [MARK]}]]


def test_our_writes_start_no_automation_unless_allowed(fake: Fake, connect: Connect) -> None:
    account = fake.add_account("澄远")

    connect().write(follow_up(account))
    connect(trigger_workflow=True).write(Command("update_field", KEY, {"tel": "021-1"}, account))

    assert fake.triggers == [(False, False), (False, True)]


def test_owner_is_the_payloads_the_configured_the_acting_user_or_the_targets(fake: Fake, connect: Connect) -> None:
    seller, boss = fake.add_user("陈波"), fake.add_user("李总")
    account = fake.add_account("澄远", owner=seller)

    connect().write(follow_up(account, owner=[boss]))
    connect(owner=boss).write(follow_up(account))
    connect(style="body").write(follow_up(account))
    connect().write(follow_up(account))

    assert [made["owner"] for made in fake.records("ActiveRecordObj")] == [[boss], [boss], [fake.admin], [seller]]


def test_kind_of_a_follow_up_is_the_payloads_or_the_configured(fake: Fake, connect: Connect) -> None:
    crm, account = connect(follow_up_type="2c3d4e5f60718293a4b5c6d7e8f90a1b"), fake.add_account("澄远")

    crm.write(follow_up(account))
    crm.write(follow_up(account, active_record_type="0a1b2c3d4e5f60718293a4b5c6d7e8f9"))

    assert [made["active_record_type"] for made in fake.records("ActiveRecordObj")] == [
        "2c3d4e5f60718293a4b5c6d7e8f90a1b",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ]


@pytest.mark.parametrize(
    ("parent", "name"), [("opportunity", "NewOpportunityObj"), ("account", "AccountObj"), ("ContactObj", "ContactObj")]
)
def test_bare_target_is_of_the_kind_that_the_payload_says(fake: Fake, crm: Fxiaoke, parent: str, name: str) -> None:
    target = fake.add(name, {"name": "目标"})

    crm.write(follow_up(target, parent={"account": "65f0c1d2e3a4b500", parent: target}))

    [made] = fake.records("ActiveRecordObj")
    assert made["related_object_data"] == [{"describe_api_name": name, "id": target, "name": "目标"}]


def test_task_is_a_schedule_with_the_vendors_fields(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    times = {"begin_time": 1772600400000, "end_time": 1772604000000, "participants": [fake.admin]}

    crm.write(Command("create_task", KEY, {"content": "请客户确认", **times}, f"AccountObj/{account}"))

    [made] = fake.records("ScheduleObj")
    assert {key: made[key] for key in times} == times
    assert made["content"] == f"请客户确认\n\n[{MARK}]"
    assert made["related_object_data"] == [{"describe_api_name": "AccountObj", "id": account, "name": "澄远"}]


def test_task_goes_to_the_object_that_the_tenant_uses(fake: Fake, connect: Connect) -> None:
    fake.add_object("object_task__c", "what__c", "related_object_data")
    crm = connect(task_object="object_task__c", task_text="what__c")
    command = Command("create_task", KEY, {"what__c": "回访"}, fake.add_account("澄远"))

    receipt = crm.write(command)

    found = crm.find(command)
    assert found is not None
    assert found.remote_id == receipt.remote_id
    assert fake.count("/cgi/crm/custom/v2/data/create") == 1


def test_field_of_an_own_object_is_updated_under_its_path(fake: Fake, crm: Fxiaoke) -> None:
    fake.add_object("object_project__c", "status__c")
    project = fake.add("object_project__c", {"name": "门户", "status__c": "a"})

    receipt = crm.write(Command("update_field", KEY, {"status__c": "b"}, f"object_project__c/{project}"))

    assert (receipt.remote_id, receipt.outcome) == (project, Outcome.UPDATED)
    assert fake.records("object_project__c")[0]["status__c"] == "b"
    assert fake.calls[-1].path == "/cgi/crm/custom/v2/data/update"


# -- refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["AccountObj/", "Account/65f0c1d2e3a4", "AccountObj/../65f0c1d2", "65f0 c1d2e3", ""])
def test_target_that_is_no_record_is_refused_before_anything_is_sent(fake: Fake, crm: Fxiaoke, target: str) -> None:
    with pytest.raises(RejectedError, match="is no record; write AccountObj/"):
        crm.write(follow_up(target))

    assert fake.calls == []


def test_unknown_target_is_refused_with_the_vendors_words(fake: Fake, crm: Fxiaoke) -> None:
    with pytest.raises(RejectedError, match=r"AccountObj/65f0c1d2e3a4b500: .*数据不存在"):
        crm.write(follow_up("65f0c1d2e3a4b500"))

    assert fake.records("ActiveRecordObj") == []


def test_invalid_target_gets_no_follow_up(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    fake.invalidate("AccountObj", account)

    with pytest.raises(RejectedError, match="the record is invalid"):
        crm.write(follow_up(account))

    assert fake.writes == 0


def test_owner_is_not_a_field_to_update(fake: Fake, crm: Fxiaoke) -> None:
    with pytest.raises(RejectedError, match=r"payload\.owner: Fxiaoke changes an owner by another call"):
        crm.write(Command("update_field", KEY, {"owner": ["FSUID_1"]}, fake.add_account("澄远")))


def test_broken_rule_parks_the_command_with_the_vendors_words(fake: Fake, crm: Fxiaoke) -> None:
    with pytest.raises(RejectedError, match="code 320001: 字段不存在: colour"):
        crm.write(Command("update_field", KEY, {"colour": "red"}, fake.add_account("澄远")))

    assert fake.writes == 0


def test_dead_link_parks_the_command(fake: Fake, crm: Fxiaoke) -> None:
    with pytest.raises(RejectedError, match="code 201112011"):
        crm.write(Command("update_field", KEY, {"account_id": "65f0c1d2"}, f"ContactObj/{fake.add_contact('李强')}"))


# -- lost answers ---------------------------------------------------------------------------------------------


def test_busy_gateway_leaves_a_create_unknown_and_an_update_repeated(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    fake.misbehave(Fault.ERROR_IN_200, path="/create")
    fake.misbehave(Fault.ERROR_IN_200, path="/update")

    with pytest.raises(OutcomeUnknownError, match=r"code 50009.*may have been made"):
        crm.write(follow_up(account))
    crm.write(Command("update_field", KEY, {"tel": "021-1"}, account))

    assert fake.count("/create") == 1
    assert fake.count("/update") == 2


def test_lost_token_before_a_write_is_renewed_and_written_once(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远")
    crm.check()
    fake.revoke_tokens()

    crm.write(follow_up(account))

    assert len(fake.records("ActiveRecordObj")) == 1


def test_search_that_is_too_wide_is_looked_through(fake: Fake, crm: Fxiaoke, monkeypatch: pytest.MonkeyPatch) -> None:
    account = fake.add_account("澄远")
    for number in range(350):
        fake.add_follow_up(f"别的 {number}")
    command = follow_up(account)
    receipt = crm.write(command)
    monkeypatch.setattr(
        "connectors.fxiaoke.fake_book.fits", lambda value, operator, wanted: _wide(value, operator, wanted)
    )

    found = crm.find(command)

    assert found is not None
    assert found.remote_id == receipt.remote_id
    assert crm.find(replace(command, idempotency_key="other")) is None


def test_search_that_narrows_nothing_down_asks_a_person(
    fake: Fake, crm: Fxiaoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2_001):
        fake.add_follow_up(f"别的 {number}")
    monkeypatch.setattr(
        "connectors.fxiaoke.fake_book.fits", lambda value, operator, wanted: _wide(value, operator, wanted)
    )

    with pytest.raises(OutcomeUnknownError, match=f"{MARK}; look for it by hand, and set key_field"):
        crm.find(follow_up(None))


def test_text_that_cannot_be_searched_is_told_with_the_way_out(fake: Fake, crm: Fxiaoke) -> None:
    fake.unsearchable.add("active_record_content")

    with pytest.raises(ContractError, match=r"code 32000.*; set key_field to a text field of ActiveRecordObj"):
        crm.find(follow_up(fake.add_account("澄远")))

    assert fake.writes == 0


def _wide(value: Any, operator: str, wanted: list[Any]) -> bool:
    """A search whose LIKE lets everything through."""
    return operator == "LIKE" or str(value) > str(wanted[0])
