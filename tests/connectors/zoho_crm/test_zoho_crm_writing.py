"""Writing to Zoho: marks, targets, and answers judged by their element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connectors.zoho_crm import ZohoCrm
from connectors.zoho_crm.fake import Fake
from syncd.sdk import AuthError, Command, Outcome, OutcomeUnknownError, RejectedError
from syncd.sdk.fake import Answer, Fault

Connect = Callable[..., ZohoCrm]
KEY = "acme/portal/2026-W10"
MARK = "[syncd-31d2a7c06b7f]"


def note(target: str, **payload: Any) -> Command:
    return Command("create_note", KEY, {"Note_Title": "周报 9", "Note_Content": "完成 6 项", **payload}, target)


def test_note_stands_on_its_deal_and_carries_the_mark_in_its_title(fake: Fake, crm: ZohoCrm) -> None:
    deal = fake.add_deal("客户门户")

    receipt = crm.write(note(f"Deals/{deal}"))

    [made] = fake.records("Notes")
    assert receipt.outcome is Outcome.CREATED
    assert receipt.remote_id == made["id"]
    assert made["Note_Title"] == f"周报 9 {MARK}"
    assert made["Note_Content"] == "完成 6 项"
    assert made["Parent_Id"]["module"]["api_name"] == "Deals"


@pytest.mark.parametrize("aimed_at", ["Deals", "Accounts"])
def test_bare_target_takes_its_module_from_the_payload(fake: Fake, crm: ZohoCrm, aimed_at: str) -> None:
    ids = {"Deals": fake.add_deal("客户门户"), "Accounts": fake.add_account("精密制造")}

    crm.write(note(ids[aimed_at], parent=ids))

    [made] = fake.records("Notes")
    assert made["Parent_Id"]["module"]["api_name"] == aimed_at


def test_bare_target_alone_is_an_account(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")

    crm.write(note(account))

    [made] = fake.records("Notes")
    assert made["Parent_Id"]["id"] == account


def test_long_title_is_cut_before_the_mark(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")

    crm.write(note(account, Note_Title="门" * 300))

    [made] = fake.records("Notes")
    assert len(made["Note_Title"]) == 120
    assert made["Note_Title"].endswith(f"… {MARK}")


def test_note_is_found_behind_many_others(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    for number in range(450):
        fake.add_note(("Accounts", account), f"备忘 {number}")
    receipt = crm.write(note(account))

    found = crm.find(note(account))

    assert found is not None
    assert (found.remote_id, found.outcome) == (receipt.remote_id, Outcome.UNCHANGED)


def test_more_notes_than_zoho_lists_are_an_unknown_outcome_and_not_an_absence(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    for number in range(250):
        fake.add_note(("Accounts", account), f"备忘 {number}")
    fake.page_wall = 200

    with pytest.raises(OutcomeUnknownError, match="more notes than Zoho lists"):
        crm.find(note(account))


def test_note_on_an_unknown_record_is_rejected(crm: ZohoCrm) -> None:
    with pytest.raises(RejectedError, match=r"INVALID_DATA.*Parent_Id"):
        crm.write(note("Deals/554023000009999999"))
    with pytest.raises(RejectedError, match="does not know this record"):
        crm.find(note("Deals/554023000009999999"))


@pytest.mark.parametrize("target", ["Deals/abc", "Deals/1/2", "../users/7", "", "De als/7"])
def test_target_that_is_no_record_is_rejected_before_anything_is_sent(fake: Fake, crm: ZohoCrm, target: str) -> None:
    with pytest.raises(RejectedError, match="is not a record; write Deals/"):
        crm.write(note(target))

    assert fake.calls == []


def test_task_hangs_on_its_record_and_carries_the_mark(fake: Fake, crm: ZohoCrm) -> None:
    deal = fake.add_deal("客户门户")

    crm.write(Command("create_task", KEY, {"Subject": "请客户确认", "Due_Date": "2026-03-05"}, f"Deals/{deal}"))

    [made] = fake.records("Tasks")
    assert made["Subject"] == f"请客户确认 {MARK}"
    assert (made["What_Id"]["id"], made["$se_module"], made["Due_Date"]) == (deal, "Deals", "2026-03-05")


def test_task_of_a_contact_is_linked_as_its_person(fake: Fake, crm: ZohoCrm) -> None:
    contact = fake.add_contact("李")

    crm.write(Command("create_task", KEY, {"Subject": "回电"}, f"Contacts/{contact}"))

    [made] = fake.records("Tasks")
    assert (made["Who_Id"]["id"], made["What_Id"], made["$se_module"]) == (contact, None, "Contacts")


def test_task_is_found_after_somebody_moved_and_renamed_it(fake: Fake, crm: ZohoCrm) -> None:
    command = Command("create_task", KEY, {"Subject": "请客户确认"}, f"Accounts/{fake.add_account('精密制造')}")
    receipt = crm.write(command)
    other = fake.add_deal("客户门户")
    fake.edit("Tasks", receipt.remote_id, Subject=f"改名 {MARK} !", What_Id={"id": other})

    found = crm.find(command)

    assert found is not None
    assert found.remote_id == receipt.remote_id


def test_task_without_the_query_scope_says_so_when_it_is_looked_up(fake: Fake, crm: ZohoCrm) -> None:
    fake.scopes = {"ZohoCRM.modules.ALL"}

    with pytest.raises(AuthError, match=r"scope ZohoCRM\.coql\.READ"):
        crm.find(Command("create_task", KEY, {"Subject": "x"}, "Accounts/7"))


def test_upsert_creates_and_then_updates_the_same_record(fake: Fake, crm: ZohoCrm) -> None:
    record = {"Last_Name": "Kraus", "Email": "lena@northwind.example"}
    payload = {"module": "Contacts", "record": record, "duplicate_check_fields": ["Email"]}

    first = crm.write(Command("upsert", KEY, payload))
    second = crm.write(Command("upsert", "another key", {**payload, "record": {**record, "Title": "CIO"}}))

    assert (first.outcome, second.outcome) == (Outcome.CREATED, Outcome.UPDATED)
    assert first.remote_id == second.remote_id
    assert [row["Title"] for row in fake.records("Contacts")] == ["CIO"]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"record": {"Last_Name": "K"}, "duplicate_check_fields": ["Email"]}, "'' is not a module"),
        ({"module": "Notes", "record": {"a": 1}, "duplicate_check_fields": ["a"]}, "'Notes' is not a module"),
        ({"module": "Contacts", "record": {}, "duplicate_check_fields": ["Email"]}, "record is missing or empty"),
        ({"module": "Contacts", "record": {"Last_Name": "K"}}, "duplicate_check_fields must list"),
        ({"module": "Contacts", "record": {"Email": ""}, "duplicate_check_fields": ["Email"]}, "has values for"),
        ({"module": "Contacts", "records": []}, "payload.records is unknown"),
    ],
)
def test_upsert_that_could_insert_twice_is_rejected(
    fake: Fake, crm: ZohoCrm, payload: Mapping[str, Any], expected: str
) -> None:
    with pytest.raises(RejectedError, match=expected):
        crm.write(Command("upsert", KEY, payload))

    assert fake.calls == []


def test_clash_on_another_unique_field_names_the_record_in_the_way(fake: Fake, crm: ZohoCrm) -> None:
    fake.unique["Contacts"] = {"Phone"}
    other = fake.add_contact("Lind", Phone="+46 8 1")
    record = {"Last_Name": "Kraus", "Email": "lena@northwind.example", "Phone": "+46 8 1"}

    with pytest.raises(RejectedError, match=f"DUPLICATE_DATA.*api_name Phone.*{other}"):
        crm.write(Command("upsert", KEY, {"module": "Contacts", "record": record, "duplicate_check_fields": ["Email"]}))


@pytest.mark.parametrize("status", [400, 202, 200])
def test_failed_element_is_rejected_under_any_status(fake: Fake, crm: ZohoCrm, status: int) -> None:
    fake.all_failed_status = status
    deal = fake.add_deal("客户门户")

    with pytest.raises(RejectedError, match=r"INVALID_DATA.*api_name Closing_Date.*expected_data_type date") as caught:
        crm.write(Command("update", KEY, {"Closing_Date": "30 June"}, f"Deals/{deal}"))

    assert caught.value.code == "INVALID_DATA"


def test_locked_record_is_rejected(fake: Fake, crm: ZohoCrm) -> None:
    deal = fake.add_deal("客户门户")
    fake.locked.add(deal)

    with pytest.raises(RejectedError, match="RECORD_LOCKED"):
        crm.write(Command("update", KEY, {"Stage": "Closed Won"}, f"Deals/{deal}"))


def test_update_changes_the_named_fields_alone(fake: Fake, crm: ZohoCrm) -> None:
    deal = fake.add_deal("客户门户", stage="Qualification", amount=1000.0)

    receipt = crm.write(Command("update", KEY, {"Stage": "Closed Won"}, f"Deals/{deal}"))

    [row] = fake.records("Deals")
    assert (receipt.remote_id, receipt.outcome) == (deal, Outcome.UPDATED)
    assert (row["Stage"], row["Amount"]) == ("Closed Won", 1000.0)


@pytest.mark.parametrize(
    ("config", "sent"), [({}, []), ({"trigger": ["workflow"]}, ["workflow"]), ({"trigger": None}, None)]
)
def test_automations_start_only_when_the_configuration_says_so(
    fake: Fake, connect: Connect, config: dict[str, Any], sent: list[str] | None
) -> None:
    deal = fake.add_deal("客户门户")

    connect(**config).write(Command("update", KEY, {"Stage": "Closed Won"}, f"Deals/{deal}"))

    assert fake.triggers == [sent]


def test_answer_of_a_create_that_cannot_be_read_is_an_unknown_outcome(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    fake.misbehave(Fault.TRUNCATED, method="POST", path="/Notes$")

    with pytest.raises(OutcomeUnknownError):
        crm.write(note(account))

    assert len(fake.records("Notes")) == 1
    assert crm.find(note(account)) is not None


@pytest.mark.parametrize("body", [{"data": []}, {"data": [{"status": "success"}]}, {"data": [{}, {}]}, {}])
def test_answer_that_does_not_tell_the_record_is_an_unknown_outcome(
    fake: Fake, crm: ZohoCrm, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = fake.add_account("精密制造")
    monkeypatch.setattr(fake, "_each", lambda *_: Answer(201, body))

    with pytest.raises(OutcomeUnknownError):
        crm.write(note(account))


def test_missing_scope_of_a_write_is_named(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    fake.scopes = {"ZohoCRM.modules.accounts.READ"}

    with pytest.raises(AuthError, match=r"create_note needs the scope ZohoCRM\.modules\.notes\.CREATE"):
        crm.write(note(account))


def test_looking_up_what_cannot_be_marked_is_refused(crm: ZohoCrm) -> None:
    with pytest.raises(RejectedError, match="'update' is none of create_note, create_task"):
        crm.find(Command("update", KEY, {}, "Deals/7"))
