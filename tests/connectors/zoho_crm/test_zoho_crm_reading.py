"""Reading Zoho's lists: windows by time of change, deletions, users, fields that are not there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from connectors.zoho_crm import ZohoCrm
from connectors.zoho_crm.changes import changed_at
from connectors.zoho_crm.fake import Fake
from syncd.sdk import AuthError, ContractError, Page
from syncd.sdk.fake import Fault

AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Connect = Callable[..., ZohoCrm]


def ids(pages: list[Page], *, deleted: bool = False) -> list[str]:
    return [record.remote_id for page in pages for record in page.records if record.deleted is deleted]


def accounts(fake: Fake, count: int, *, step: timedelta = SECOND) -> list[str]:
    return [fake.add_account(f"客户 {number}", at=AT + number * step) for number in range(count)]


def test_each_window_begins_on_page_one_where_the_last_one_ended(fake: Fake, crm: ZohoCrm) -> None:
    accounts(fake, 450)

    list(crm.read("accounts", None))

    lists = [call for call in fake.calls if call.path.endswith("/Accounts")]
    assert [sorted(call.query) for call in lists] == [["fields", "per_page", "sort_by", "sort_order"]] * 3
    assert {call.query["sort_by"] for call in lists} == {"Modified_Time"}


def test_records_come_once_and_oldest_change_first(fake: Fake, crm: ZohoCrm) -> None:
    made = accounts(fake, 450)

    pages = list(crm.read("accounts", None))

    assert ids(pages) == made


def test_every_page_of_a_full_read_can_be_resumed(fake: Fake, crm: ZohoCrm) -> None:
    accounts(fake, 450)

    pages = list(crm.read("accounts", None))

    assert [page.cursor for page in pages] == [
        {"updated_at": "2026-03-02T07:03:19Z"},
        {"updated_at": "2026-03-02T07:06:37Z"},
        {"updated_at": "2026-03-02T07:07:29Z"},
    ]


def test_the_walls_of_deep_pages_are_not_met(fake: Fake, crm: ZohoCrm) -> None:
    fake.page_wall, fake.token_wall = 200, 200
    made = accounts(fake, 900)

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == set(made)


def test_one_second_with_more_rows_than_a_page_is_walked_by_token(fake: Fake, crm: ZohoCrm) -> None:
    made = [*accounts(fake, 30), *(fake.add_account(f"导入 {n}", at=AT + timedelta(hours=1)) for n in range(700))]

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == set(made)
    assert len(ids(pages)) == len(made)
    assert any("page_token" in call.query for call in fake.calls)


@pytest.mark.parametrize("exclusive", [False, True])
def test_rows_of_the_second_at_a_page_edge_are_not_lost(fake: Fake, crm: ZohoCrm, exclusive: bool) -> None:
    fake.since_is_exclusive = exclusive
    made = accounts(fake, 600, step=timedelta(milliseconds=100))

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == set(made)
    assert len(ids(pages)) == len(made)


def test_another_order_than_asked_for_is_walked_to_its_end_before_the_cursor_moves(fake: Fake, crm: ZohoCrm) -> None:
    fake.ignores_sort = True
    made = accounts(fake, 450)

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == set(made)
    assert [page.cursor for page in pages] == [None, None, {"updated_at": "2026-03-02T07:07:29Z"}]


def test_unordered_cursor_does_not_pass_the_start_of_the_read(fake: Fake, crm: ZohoCrm) -> None:
    fake.ignores_sort = True
    made = accounts(fake, 450)
    fake.edit("Accounts", made[0], at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC))

    pages = list(crm.read("accounts", None))

    assert pages[-1].cursor == {"updated_at": "2026-03-02T09:00:00Z"}


def test_notes_are_continued_by_page_number_and_lose_no_row_that_moves(fake: Fake, crm: ZohoCrm) -> None:
    account = fake.add_account("精密制造")
    made = [fake.add_note(("Accounts", account), f"备忘 {number}", at=AT) for number in range(650)]
    moving = iter(made[::7])
    fake.before_each(lambda _: fake.edit("Notes", next(moving, made[0]), at=AT + SECOND))

    pages = list(crm.read("notes", None))

    assert set(ids(pages)) == set(made)


def test_unchanged_module_costs_one_request_and_one_for_its_deletions(fake: Fake, crm: ZohoCrm) -> None:
    accounts(fake, 5)
    cursor = list(crm.read("accounts", None))[-1].cursor
    seen = len(fake.calls)

    pages = list(crm.read("accounts", {**(cursor or {}), "updated_at": "2026-03-02T08:30:00Z"}))

    assert [(call.path, call.status) for call in fake.calls[seen:]] == [
        ("/crm/v8/Accounts/deleted", 204),
        ("/crm/v8/Accounts", 304),
    ]
    assert pages[-1].cursor == {"updated_at": "2026-03-02T08:30:00Z"}


def test_users_cost_one_request_when_nothing_changed(fake: Fake, crm: ZohoCrm) -> None:
    cursor = {"updated_at": "2027-01-01T00:00:00Z"}

    pages = list(crm.read("users", cursor))

    assert ids(pages) == []
    assert pages[-1].cursor == cursor
    assert fake.count("/users") == 1


def test_changed_user_is_read_again(fake: Fake, crm: ZohoCrm) -> None:
    user = fake.add_user("陈 波", "bo@agency.example", at=AT - timedelta(days=9))
    fake.edit_user(user, status="inactive", at=AT + timedelta(hours=1))

    pages = list(crm.read("users", {"updated_at": "2026-03-02T07:30:00Z"}))

    assert user in ids(pages)


def test_deletion_comes_as_a_tombstone_with_its_time(fake: Fake, crm: ZohoCrm) -> None:
    made = accounts(fake, 3)
    fake.remove("Accounts", made[1], at=AT + timedelta(minutes=30))

    pages = list(crm.read("accounts", {"updated_at": "2026-03-02T07:00:02Z"}))

    [tombstone] = [record for page in pages for record in page.records if record.deleted]
    assert tombstone.remote_id == made[1]
    assert tombstone.updated_at == datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    assert pages[-1].cursor == {"updated_at": "2026-03-02T07:00:02Z", "deleted_at": "2026-03-02T07:30:00Z"}


def test_deletion_is_asked_for_from_its_own_position(fake: Fake, crm: ZohoCrm) -> None:
    made = accounts(fake, 3)
    fake.remove("Accounts", made[1], at=AT)
    cursor = {"updated_at": "2026-03-02T08:00:00Z", "deleted_at": "2026-03-02T07:20:00Z"}

    pages = list(crm.read("accounts", cursor))

    assert ids(pages, deleted=True) == []


def test_record_brought_back_ends_as_living(fake: Fake, crm: ZohoCrm) -> None:
    [account] = accounts(fake, 1)
    fake.remove("Accounts", account, at=AT + SECOND)
    list(crm.read("accounts", None))
    fake.restore("Accounts", account, at=AT + timedelta(minutes=1))

    pages = list(crm.read("accounts", {"updated_at": AT.isoformat(), "deleted_at": AT.isoformat()}))

    assert ids(pages) == [account]
    assert ids(pages, deleted=True) == []


def test_interrupted_list_of_deletions_is_read_again_from_its_start(fake: Fake, crm: ZohoCrm) -> None:
    made = accounts(fake, 300)
    for number, account in enumerate(made):
        fake.remove("Accounts", account, at=AT + number * SECOND)
    cursor = {"updated_at": AT.isoformat(), "deleted_at": "2026-03-02T06:00:00Z"}

    first = next(iter(crm.read("accounts", cursor)))

    assert first.cursor == {"updated_at": "2026-03-02T07:00:00Z", "deleted_at": "2026-03-02T06:00:00Z"}


def test_more_deletions_than_zoho_lists_ask_for_a_full_read(fake: Fake, crm: ZohoCrm) -> None:
    for account in accounts(fake, 250):
        fake.remove("Accounts", account, at=AT)
    fake.page_wall = 200

    with pytest.raises(ContractError, match="--full"):
        list(crm.read("accounts", {"updated_at": AT.isoformat()}))
    pages = list(crm.read("accounts", None))

    assert pages[-1].complete
    assert pages[-1].cursor == {"deleted_at": "2026-03-02T07:00:00Z"}


def test_field_that_the_organisation_lacks_does_not_stop_the_stream(fake: Fake, connect: Connect) -> None:
    fake.refuses_unknown_fields = True
    fake.add_field("Accounts", "Client_Code")
    account = fake.add_account("精密制造", Client_Code="JM-7")
    crm = connect(fields={"Accounts": ["Client_Code", "Gone_Field"]})

    [page] = list(crm.read("accounts", None))

    assert [record.remote_id for record in page.records] == [account]
    assert page.records[0].data["Client_Code"] == "JM-7"


def test_notes_without_the_administrators_profile_name_the_right(fake: Fake, crm: ZohoCrm) -> None:
    fake.is_admin = False

    with pytest.raises(AuthError, match=r"ZohoCRM\.modules\.notes\.READ and a user with an administrator's profile"):
        list(crm.read("notes", None))


def test_missing_scope_is_named_and_no_new_token_is_asked_for(fake: Fake, crm: ZohoCrm) -> None:
    fake.scopes = {"ZohoCRM.modules.accounts.READ"}

    with pytest.raises(AuthError, match=r"stream 'deals' needs the scope ZohoCRM\.modules\.deals\.READ"):
        list(crm.read("deals", None))

    assert fake.count("/oauth/v2/token") == 1


def test_missing_scope_for_users_is_named(fake: Fake, crm: ZohoCrm) -> None:
    fake.scopes = {"ZohoCRM.modules.ALL"}

    with pytest.raises(AuthError, match=r"ZohoCRM\.users\.READ"):
        list(crm.read("users", None))


def test_token_that_ends_in_mid_read_is_renewed_once(fake: Fake, crm: ZohoCrm) -> None:
    made = accounts(fake, 450)
    fake.misbehave(Fault.EXPIRED_TOKEN, path="/Accounts$", after=1)

    pages = list(crm.read("accounts", None))

    assert ids(pages) == made
    assert fake.count("/oauth/v2/token") == 2


def test_extra_fields_are_asked_for(fake: Fake, connect: Connect) -> None:
    crm = connect(fields={"Deals": ["Project_Key"]})

    list(crm.read("deals", None))

    [call] = [call for call in fake.calls if call.path.endswith("/Deals")]
    assert call.query["fields"].split(",")[-1] == "Project_Key"


@pytest.mark.parametrize("stamp", [None, "", "gestern", 1_772_416_526])
def test_record_without_a_time_of_change_stops_the_stream(stamp: object) -> None:
    with pytest.raises(ContractError, match="record 7: Modified_Time"):
        changed_at({"id": "7", "Modified_Time": stamp})
