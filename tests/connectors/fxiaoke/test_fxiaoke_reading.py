"""Reading objects by id and by change, what is gone, employees, and answers that cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from connectors.fxiaoke import Fxiaoke, FxiaokeConfig
from connectors.fxiaoke.fake import Fake
from syncd.sdk import AuthError, Budget, ConfigError, ContractError, Page
from syncd.sdk.fake import Answer, Request
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., Fxiaoke]
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ids(pages: list[Page], *, deleted: bool = False) -> list[str]:
    return [record.remote_id for page in pages for record in page.records if record.deleted is deleted]


def spoil(fake: Fake, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Pass the body of every query's answer through `change`."""
    original = fake.handle

    def handle(request: Request) -> Any:
        answer, fault = original(request)
        if request.path.endswith("/query"):
            answer = Answer(answer.status, change(answer.body))
        return answer, fault

    fake.handle = handle  # type: ignore[method-assign]


def test_more_than_ten_thousand_records_are_read_without_an_offset(fake: Fake, clock: Clock, crm: Fxiaoke) -> None:
    made = {fake.add_account(f"客户 {number}", at=AT) for number in range(10_120)}
    offsets: set[int] = set()
    fake.before_each(lambda r: offsets.add(r.body["data"]["search_query_info"]["offset"] if "data" in r.body else 0))

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == made
    assert len(ids(pages)) == 10_120
    assert pages[0].total == 10_120
    assert offsets == {0}
    assert sum(clock.waits) >= 20.0  # the hundred and first call within 20 seconds was refused and waited out


def test_connector_keeps_under_a_hundred_calls_in_twenty_seconds(fake: Fake, clock: Clock) -> None:
    context = context_for(clock)
    budget = Budget(Fxiaoke.spec.limits, clock=clock.monotonic, wait=clock.wait)
    limited = Fxiaoke(
        FxiaokeConfig.model_validate(fake.config()),
        context=type(context)(connection="crm", budget=budget, guard=context.guard, now=clock.now, wait=clock.wait),
    )
    starts: list[float] = []
    fake.before_each(lambda _: starts.append(clock.monotonic()))

    for _ in range(250):
        list(limited.read("users", None))

    limited.close()
    assert max(sum(1 for at in starts if start <= at < start + 20) for start in starts) <= 91  # 90 and the login
    assert clock.monotonic() >= 40.0


def test_incremental_read_asks_for_changes_within_the_overlap_by_id(fake: Fake, crm: Fxiaoke) -> None:
    seen: list[Any] = []
    fake.before_each(lambda request: seen.append(request.body.get("data")))

    list(crm.read("accounts", {"updated_at": "2026-03-02T07:00:00Z"}))

    searches = [data["search_query_info"] for data in seen if data]
    since = {"field_name": "last_modified_time", "operator": "GTE", "field_values": ["1772433900000"]}
    assert [search["filters"] for search in searches] == [
        [since, {"field_name": "life_status", "operator": "EQ", "field_values": ["invalid"]}],
        [since],
    ]
    assert {str(search["orders"]) for search in searches} == {"[{'fieldName': '_id', 'isAsc': True}]"}


def test_cursor_is_the_latest_change(fake: Fake, crm: Fxiaoke) -> None:
    fake.add_account("a", at=AT)
    fake.add_account("b", at=AT + HOUR)
    fake.add_account("c", at=AT - HOUR)

    [page] = crm.read("accounts", None)

    assert page.cursor == {"updated_at": "2026-03-02T08:00:00Z"}


def test_cursor_never_runs_ahead_of_the_start_of_the_read(fake: Fake, crm: Fxiaoke) -> None:
    fake.add_account("a", at=datetime(2026, 3, 2, 11, tzinfo=UTC))

    [page] = crm.read("accounts", None)

    assert page.cursor == {"updated_at": "2026-03-02T09:00:00Z"}


def test_change_behind_our_back_is_read_next_time(fake: Fake, clock: Clock, crm: Fxiaoke) -> None:
    made = sorted(fake.add_account(f"客户 {number}", at=AT) for number in range(150))
    pages = crm.read("accounts", None)
    next(pages)
    clock.wait(3600)
    fake.edit("AccountObj", made[0], at=clock.now() - timedelta(minutes=50), tel="021-1")
    fake.edit("AccountObj", made[-1], at=clock.now(), tel="021-2")
    rest = list(pages)

    again = list(crm.read("accounts", rest[-1].cursor))

    assert made[0] not in ids(rest)
    assert made[0] in ids(again)


def test_interrupted_read_goes_on_behind_the_last_id(fake: Fake, connect: Connect) -> None:
    made = sorted(fake.add_account(f"客户 {number}", at=AT) for number in range(250))
    first = next(iter(connect().read("accounts", None)))

    rest = list(connect().read("accounts", first.cursor))

    assert first.cursor == {
        "after": made[99],
        "seen": "2026-03-02T07:00:00Z",
        "started_at": "2026-03-02T09:00:00Z",
    }
    assert ids([first]) + ids(rest) == made
    assert rest[-1].cursor == {"updated_at": "2026-03-02T07:00:00Z"}
    assert [page.total for page in rest] == [None, None]


def test_interrupted_incremental_read_keeps_its_window(fake: Fake, connect: Connect) -> None:
    fake.add_account("old", at=AT - timedelta(days=9))
    made = {fake.add_account(f"客户 {number}", at=AT) for number in range(150)}
    pages = connect().read("accounts", {"updated_at": "2026-03-02T06:00:00Z"})
    first = next(iter(pages))

    rest = list(connect().read("accounts", first.cursor))

    assert first.cursor is not None
    assert first.cursor["updated_at"] == "2026-03-02T06:00:00Z"
    assert {*ids([first]), *ids(rest)} == made


# -- what is gone ---------------------------------------------------------------------------------------------


def test_record_made_invalid_comes_as_a_tombstone(fake: Fake, crm: Fxiaoke) -> None:
    kept, gone = fake.add_account("a", at=AT), fake.add_account("b", at=AT)
    cursor = list(crm.read("accounts", None))[-1].cursor
    fake.invalidate("AccountObj", gone, at=AT + HOUR)

    pages = list(crm.read("accounts", cursor))

    assert ids(pages, deleted=True) == [gone]
    assert ids(pages) == [kept]
    assert pages[0].cursor == cursor


def test_recovered_record_comes_back(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("a", at=AT)
    fake.invalidate("AccountObj", account, at=AT + HOUR)
    fake.recover("AccountObj", account, at=AT + HOUR + HOUR / 2)

    pages = list(crm.read("accounts", {"updated_at": "2026-03-02T08:00:00Z"}))

    assert (ids(pages), ids(pages, deleted=True)) == ([account], [])


def test_invalid_record_is_a_tombstone_where_plain_queries_show_it(fake: Fake, connect: Connect) -> None:
    fake.book.shows_invalid = True
    account = fake.add_account("a", at=AT)
    fake.invalidate("AccountObj", account, at=AT)

    pages = list(connect(watch_invalid=False).read("accounts", None))

    assert (ids(pages), ids(pages, deleted=True)) == ([], [account])


def test_watching_for_invalid_records_can_be_switched_off(fake: Fake, connect: Connect) -> None:
    account = fake.add_account("a", at=AT)
    fake.invalidate("AccountObj", account, at=AT)

    pages = list(connect(watch_invalid=False).read("accounts", {"updated_at": "2026-03-02T06:00:00Z"}))

    assert ids(pages, deleted=True) == []
    assert fake.count("/query") == 1


# -- other objects --------------------------------------------------------------------------------------------


def test_own_and_preset_objects_are_read_under_their_paths(fake: Fake, connect: Connect) -> None:
    fake.add_object("object_project__c", "due_date__c")
    fake.add_object("CasesObj")
    own = fake.add("object_project__c", {"name": "门户", "due_date__c": 1782748800000}, at=AT)
    case = fake.add("CasesObj", {"name": "工单 1"}, at=AT)
    crm = connect(objects=["object_project__c", "CasesObj"])

    read = {name: ids(list(crm.read("objects", None, partition=name))) for name in crm.partitions("objects")}

    assert read == {"object_project__c": [own], "CasesObj": [case]}
    assert [call.path for call in fake.calls][1:] == ["/cgi/crm/custom/v2/data/query", "/cgi/crm/v2/data/query"]


def test_rows_of_own_objects_one_level_higher_are_found(fake: Fake, connect: Connect) -> None:
    fake.list_on_top = True
    fake.add_object("object_project__c")
    made = {fake.add("object_project__c", {"name": f"项目 {number}"}, at=AT) for number in range(130)}

    pages = list(connect(objects=["object_project__c"]).read("objects", None, partition="object_project__c"))

    assert set(ids(pages)) == made


def test_object_that_is_not_configured_is_refused(crm: Fxiaoke) -> None:
    with pytest.raises(ConfigError, match="'CasesObj' is not listed under `objects`"):
        list(crm.read("objects", None, partition="CasesObj"))


def test_old_opportunity_object_is_read_where_configured(fake: Fake, connect: Connect) -> None:
    fake.add_object("OpportunityObj", "account_id")
    old = fake.add("OpportunityObj", {"name": "澄远"}, at=AT)

    pages = list(connect(opportunity_object="OpportunityObj").read("opportunities", None))

    assert ids(pages) == [old]


def test_follow_up_tells_its_links_by_object(fake: Fake, crm: Fxiaoke) -> None:
    account = fake.add_account("澄远", at=AT)
    opportunity = fake.add_opportunity("二期", account=account, at=AT)
    fake.add_follow_up("演示", about=[("AccountObj", account), ("NewOpportunityObj", opportunity)], at=AT)

    [page] = crm.read("activities", None)

    [record] = page.records
    assert record.data["related_ids"] == {"AccountObj": [account], "NewOpportunityObj": [opportunity]}
    assert len(record.data["related_object_data"]) == 2


def test_employees_have_the_same_id_in_both_styles(fake: Fake, connect: Connect) -> None:
    owner = fake.add_user("陈波")
    fake.add_account("澄远", owner=owner, at=AT)

    owners = [
        record.data["owner"]
        for style in ("header", "body")
        for page in connect(style=style).read("accounts", None)
        for record in page.records
    ]
    people = [record.remote_id for page in connect().read("users", None) for record in page.records]

    assert owners == [[owner], [owner]]
    assert owner in people


def test_employees_come_in_one_call_and_each_once(fake: Fake, crm: Fxiaoke) -> None:
    for number in range(450):
        fake.add_user(f"员工 {number}")
    fake.users["again"] = fake.users[fake.admin]

    pages = list(crm.read("users", None))

    assert [len(page.records) for page in pages] == [200, 200, 51]
    assert [page.complete for page in pages] == [False, False, True]
    assert fake.count("/cgi/user/list") == 1


# -- answers that cannot be trusted ---------------------------------------------------------------------------


def test_gateway_that_gives_smaller_pages_ends_no_read_early(fake: Fake, crm: Fxiaoke) -> None:
    fake.largest_page = 40
    made = {fake.add_account(f"客户 {number}", at=AT) for number in range(130)}

    pages = list(crm.read("accounts", None))

    assert set(ids(pages)) == made
    assert [len(page.records) for page in pages] == [40, 40, 40, 10]


def test_rows_out_of_order_stop_the_stream(fake: Fake, crm: Fxiaoke) -> None:
    for number in range(3):
        fake.add_account(f"客户 {number}", at=AT)
    spoil(fake, lambda body: body | {"data": body["data"] | {"dataList": body["data"]["dataList"][::-1]}})

    with pytest.raises(ContractError, match="AccountObj: the records do not come by ascending _id"):
        list(crm.read("accounts", None))


def test_filter_that_is_ignored_stops_the_stream(fake: Fake, crm: Fxiaoke) -> None:
    rows = [{"_id": f"{number:024x}", "last_modified_time": 1772434800000} for number in range(100)]
    spoil(fake, lambda body: body | {"data": {"total": 0, "offset": 0, "limit": 100, "dataList": rows}})

    with pytest.raises(ContractError, match="do not come by ascending _id"):
        list(crm.read("accounts", None))


@pytest.mark.parametrize("stamp", [None, "soon", [1]])
def test_record_without_a_time_of_change_stops_the_stream(fake: Fake, crm: Fxiaoke, stamp: Any) -> None:
    fake.add_account("澄远", at=AT)
    spoil(fake, lambda body: body | {"data": {"dataList": [{"_id": "65f0c1d2", "last_modified_time": stamp}]}})

    with pytest.raises(ContractError, match="record 65f0c1d2: last_modified_time is missing or no time"):
        list(crm.read("accounts", None))


def test_time_of_change_may_be_a_text(fake: Fake, crm: Fxiaoke) -> None:
    spoil(fake, lambda body: body | {"data": {"dataList": [{"_id": "65f0", "last_modified_time": "1772434800123"}]}})

    [page] = crm.read("accounts", None)

    assert page.records[0].updated_at == datetime(2026, 3, 2, 7, 0, 0, 123000, tzinfo=UTC)


def test_count_without_rows_is_no_empty_list(fake: Fake, crm: Fxiaoke) -> None:
    spoil(fake, lambda body: body | {"data": {"total": 7, "offset": 0, "limit": 100, "dataList": []}})

    with pytest.raises(ContractError, match="counts 7 records and gives none"):
        list(crm.read("accounts", None))


def test_unknown_code_stops_the_stream_with_the_vendors_words(fake: Fake, crm: Fxiaoke) -> None:
    fake.hidden.add("AccountObj")

    with pytest.raises(ContractError, match="code 320001: 无此操作的数据权限"):
        list(crm.read("accounts", None))


@pytest.mark.parametrize(
    ("code", "kind"),
    [(20005, AuthError), (20016, AuthError), (20017, AuthError), (15003, AuthError), (20021, AuthError),
     (30003, AuthError), (10006, ContractError), (10013, ContractError), (32000, ContractError),
     (777, ContractError)],
)  # fmt: skip
def test_code_inside_a_200_says_what_happens_next(fake: Fake, crm: Fxiaoke, code: int, kind: type[Exception]) -> None:
    spoil(fake, lambda body: {"errorCode": code, "errorMessage": "…", "traceId": "E-O.1"})

    with pytest.raises(kind, match=f"code {code}"):
        list(crm.read("accounts", None))


@pytest.mark.parametrize(("code", "waited"), [(14001, 20.0), (30004, 20.0), (-1, 0.0), (-2, 0.0), (50009, 0.0)])
def test_passing_code_inside_a_200_is_waited_out(
    fake: Fake, clock: Clock, crm: Fxiaoke, code: int, waited: float
) -> None:
    fake.add_account("澄远", at=AT)
    left = iter([True])
    spoil(fake, lambda body: {"errorCode": code, "errorMessage": "busy"} if next(left, False) else body)

    [page] = crm.read("accounts", None)

    assert len(page.records) == 1
    assert waited <= sum(clock.waits) < waited + 5


def test_fake_gives_ids_in_no_order_of_time(fake: Fake) -> None:
    made = [fake.add_account(f"客户 {number}", at=AT) for number in range(20)]

    assert any(here > there for here, there in pairwise(made))
    assert {len(one) for one in made} == {24, 32}
