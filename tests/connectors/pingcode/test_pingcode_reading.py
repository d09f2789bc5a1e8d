"""What PingCode's lists are like, and what a read makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from connectors.pingcode import PingCode
from connectors.pingcode.fake import Fake
from syncd.errors import AuthError, ConfigError, ContractError, TransientError
from syncd.sdk import Page, Record
from syncd.sdk.fake import Fault
from syncd.sdk.testing import Clock

Connect = Callable[..., PingCode]
DAY = timedelta(days=1)


def records(pages: list[Page]) -> dict[str, Record]:
    return {record.data.get("title") or record.data["name"]: record for page in pages for record in page.records}


# -- generations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoken", "found", "path"),
    [
        ("a", "A", "/v1/project/work_items"),
        ("b", "B", "/v1/pjm/work_items/search"),
        ("c", "C", "/v1/pjm/workitems/search"),
        ("abc", "B", "/v1/pjm/work_items/search"),
    ],
)
def test_generation_of_the_paths_is_found_out(fake: Fake, connect: Connect, spoken: str, found: str, path: str) -> None:
    fake.generations = spoken
    connector = connect()

    identity = connector.check()
    list(connector.read("work_items", None))

    assert f"speaks path generation {found}" in identity.notes
    assert fake.calls[-1].path == path


def test_configured_generation_is_not_probed(fake: Fake, connect: Connect) -> None:
    list(connect(generation="a").read("work_items", None))

    assert [call.path for call in fake.calls] == ["/v1/auth/token", "/v1/project/work_items"]


def test_server_that_speaks_no_generation_is_named_with_the_way_out(fake: Fake, connect: Connect) -> None:
    fake.generations = ""

    with pytest.raises(
        ContractError, match=r"neither /v1/pjm/projects nor /v1/project/projects .* https://<host>/open"
    ):
        connect().check()


# -- work items -----------------------------------------------------------------------------------------------


def test_search_starts_a_day_before_the_day_of_the_overlap(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    for title, at in (
        ("too old", datetime(2026, 1, 1, 9, 0, tzinfo=UTC)),
        ("in the team's day", datetime(2026, 1, 2, 18, 0, tzinfo=UTC)),
        ("changed", datetime(2026, 1, 4, 12, 0, tzinfo=UTC)),
    ):
        fake.set_clock(at)
        fake.add_work_item(project, title)

    pages = list(connect().read("work_items", {"updated_at": "2026-01-04T12:00:00Z"}))

    assert list(records(pages)) == ["in the team's day", "changed"]


def test_generation_a_starts_at_the_second(fake: Fake, connect: Connect) -> None:
    fake.generations = "a"
    project = fake.add_project("Orbit", identifier="ORB")
    for title, at in (
        ("too old", datetime(2026, 1, 4, 11, 44, 59, tzinfo=UTC)),
        ("within the overlap", datetime(2026, 1, 4, 11, 45, tzinfo=UTC)),
    ):
        fake.set_clock(at)
        fake.add_work_item(project, title)

    pages = list(connect().read("work_items", {"updated_at": "2026-01-04T12:00:00Z"}))

    assert list(records(pages)) == ["within the overlap"]


def test_only_the_last_page_has_a_cursor_and_it_is_the_latest_change(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    early = [fake.add_work_item(project, f"task {n}") for n in range(150)]
    fake.advance(timedelta(minutes=-5))
    fake.tenant.update(fake.tenant.work_items[early[140]], title="changed before the others")
    fake.advance(timedelta(minutes=5))

    pages = list(connect().read("work_items", None))

    assert [page.cursor for page in pages] == [None, {"updated_at": "2026-01-05T09:00:00Z"}]
    assert [page.total for page in pages] == [150, 150]


def test_cursor_never_passes_the_start_of_the_read(fake: Fake, clock: Clock, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.set_clock(clock.now() + timedelta(hours=3))
    fake.add_work_item(project, "stamped by a clock that runs ahead")

    pages = list(connect().read("work_items", None))

    assert pages[-1].cursor == {"updated_at": "2026-01-05T09:00:00Z"}


def test_quiet_team_keeps_its_cursor(connect: Connect) -> None:
    pages = list(connect().read("work_items", {"updated_at": "2026-01-01T00:00:00Z"}))

    assert pages[-1].cursor == {"updated_at": "2026-01-01T00:00:00Z"}
    assert [page.records for page in pages] == [[]]


def test_item_that_moves_to_the_front_while_the_list_is_read_is_not_missed(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    ids = [fake.add_work_item(project, f"task {n}") for n in range(250)]
    stock, requests = fake.tenant.work_items, count()

    def move_to_front(_: object) -> None:
        if next(requests) == 5:  # token, two probes, pages 0 and 1 are through
            rest = {key: value for key, value in stock.items() if key != ids[220]}
            fake.tenant.work_items = {ids[220]: stock[ids[220]], **rest}

    fake.before_each(move_to_front)

    pages = list(connect().read("work_items", None))

    seen = [record.remote_id for page in pages for record in page.records]
    assert sorted(seen) == sorted(ids)
    assert [page.complete for page in pages] == [False] * 5 + [True]


def test_list_that_shows_fewer_rows_than_it_counts_is_never_complete(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    ids = [fake.add_work_item(project, f"task {n}") for n in range(3)]
    fake.tenant.work_items["a double"] = fake.tenant.work_items[ids[0]]

    with pytest.raises(TransientError, match="only 3 of 4 rows"):
        list(connect().read("work_items", None))


def test_deleted_item_comes_as_a_tombstone_with_its_data(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    item = fake.add_work_item(project, "Dropped")
    fake.tenant.delete(fake.tenant.work_items[item])

    (record,) = records(list(connect().read("work_items", None))).values()

    assert record.deleted is True
    assert record.data["identifier"] == "ORB-1"


def test_image_token_that_changes_with_every_answer_is_left_out(fake: Fake, connect: Connect) -> None:
    fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "Same")
    connector = connect()

    first, second = (records(list(connector.read("work_items", None)))["Same"] for _ in range(2))

    assert first == second
    assert "public_image_token" not in first.data


def test_type_with_an_id_gets_its_name_and_group(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.add_milestone(project, "UAT", date(2026, 3, 10))
    fake.add_work_item(project, "Build", type="story")

    found = records(list(connect().read("work_items", None)))

    assert found["UAT"].data["work_item_type"] == {
        "id": found["UAT"].data["type"],
        "name": "里程碑",
        "group": "plan",
    }
    assert "work_item_type" not in found["Build"].data


def test_types_are_asked_once_for_a_project_and_not_for_known_words(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    for number in range(3):
        fake.add_milestone(project, f"M{number}", date(2026, 3, 10))
    fake.add_work_item(fake.add_project("Plain", identifier="PLN"), "Build", type="story")

    list(connect().read("work_items", None))

    assert fake.count("/types") == 1


@pytest.mark.parametrize("generation", ["a", "b", "c"])
def test_item_without_a_type_gets_the_one_under_which_it_is_listed(
    fake: Fake, connect: Connect, generation: str
) -> None:
    fake.generations = generation
    fake.drops_types = True
    project = fake.add_project("Orbit", identifier="ORB")
    fake.add_milestone(project, "UAT", date(2026, 3, 10))
    fake.add_work_item(project, "Crash", type="bug")

    found = records(list(connect().read("work_items", None)))

    assert found["Crash"].data["type"] == "bug"
    assert found["UAT"].data["work_item_type"]["group"] == "plan"


def test_types_that_may_not_be_read_cost_only_the_type(fake: Fake, connect: Connect) -> None:
    fake.add_milestone(fake.add_project("Orbit", identifier="ORB"), "UAT", date(2026, 3, 10))
    fake.misbehave(Fault.FORBIDDEN, path="/types$")

    found = records(list(connect().read("work_items", None)))

    assert "work_item_type" not in found["UAT"].data


def test_answer_without_a_total_is_a_contract_error(
    fake: Fake, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "_page", lambda *_: fake.team(None))  # type: ignore[arg-type]

    with pytest.raises(ContractError, match=r"/v1/directory/users: page 0 lacks 'values' or 'total'"):
        list(connect(generation="b").read("users", None))


# -- restricted to some projects ------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["a", "b", "c"])
def test_only_the_configured_projects_are_read(fake: Fake, connect: Connect, generation: str) -> None:
    fake.generations = generation
    ours = fake.add_project("Ours", identifier="OUR")
    other = fake.add_project("Other", identifier="OTH")
    fake.add_work_item(ours, "our task")
    fake.add_work_item(other, "their task")
    connector = connect(projects=["OUR"])

    assert list(records(list(connector.read("projects", None)))) == ["Ours"]
    assert list(records(list(connector.read("work_items", None)))) == ["our task"]
    assert connector.partitions("versions") == [ours]


def test_project_added_to_the_configuration_is_read_from_its_beginning(fake: Fake, connect: Connect) -> None:
    first, second = (fake.add_project(name, identifier=name) for name in ("ONE", "TWO"))
    fake.set_clock(datetime(2025, 6, 1, tzinfo=UTC))
    fake.add_work_item(second, "old task of TWO")
    fake.set_clock(datetime(2026, 1, 5, tzinfo=UTC))
    fake.add_work_item(first, "task of ONE")
    cursor = list(connect(projects=["ONE"]).read("work_items", None))[-1].cursor

    same = list(connect(projects=[first]).read("work_items", cursor))
    grown = list(connect(projects=["ONE", "TWO"]).read("work_items", cursor))

    assert cursor == {"updated_at": "2026-01-05T00:00:00Z", "projects": first}
    assert list(records(same)) == ["task of ONE"]
    assert sorted(records(grown)) == ["old task of TWO", "task of ONE"]


def test_generation_a_asks_for_twenty_projects_at_a_time(fake: Fake, connect: Connect) -> None:
    fake.generations = "a"
    ids = [fake.add_project(f"P{n}", identifier=f"P{n}") for n in range(45)]
    for project in ids:
        fake.add_work_item(project, f"task of {project}")

    pages = list(connect(projects=ids).read("work_items", None))

    assert len(records(pages)) == 45
    assert [page.complete for page in pages] == [False, False, True]


def test_unknown_project_is_named_with_those_that_there_are(fake: Fake, connect: Connect) -> None:
    fake.add_project("Orbit", identifier="ORB")

    with pytest.raises(ConfigError, match=r"config\.projects: 'ORBIT' is neither .* they see ORB"):
        connect(projects=["ORBIT"]).check()


# -- sprints, versions, users ---------------------------------------------------------------------------------


def test_only_projects_with_sprints_are_asked_for_sprints(fake: Fake, connect: Connect) -> None:
    kinds = ("scrum", "kanban", "waterfall", "hybrid")
    ids = {kind: fake.add_project(kind, identifier=kind.upper(), type=kind) for kind in kinds}
    gone = fake.add_project("gone", identifier="GON")
    fake.tenant.delete(fake.tenant.projects[gone])
    connector = connect()

    assert connector.partitions("sprints") == [ids["scrum"], ids["hybrid"]]
    assert connector.partitions("versions") == list(ids.values())


def test_partitioned_stream_without_its_partition_is_a_config_error(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="sprints are read for one project"):
        connect().read("sprints", None)


# -- comments -------------------------------------------------------------------------------------------------


def comments(pages: list[Page]) -> list[str]:
    return [record.data["content"] for page in pages for record in page.records]


def test_comments_are_looked_for_on_recently_changed_items_only(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.advance(-60 * DAY)
    fake.add_comment(fake.add_work_item(project, "old"), "long ago")
    fake.advance(50 * DAY)
    item = fake.add_work_item(project, "recent")
    fake.add_comment(item, "recently")
    fake.advance(10 * DAY)

    (record,) = (r for page in connect(comment_days=30).read("comments", None) for r in page.records)

    assert record.data["content"] == "recently"
    assert record.data["work_item"]["identifier"] == "ORB-2"
    assert record.data["work_item"]["project"]["id"] == project


def test_comment_that_does_not_change_its_item_is_seen_within_a_day(fake: Fake, clock: Clock, connect: Connect) -> None:
    item = fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "recent")
    clock.wait(10 * 24 * 3600.0)
    fake.add_work_item(next(iter(fake.tenant.projects)), "moves the cursor")
    connector = connect()
    cursor = list(connector.read("comments", None))[-1].cursor
    fake.add_comment(item, "quiet comment")

    same_day = list(connector.read("comments", cursor))
    clock.wait(24 * 3600.0)
    next_day = list(connector.read("comments", same_day[-1].cursor))

    assert comments(same_day) == []
    assert comments(next_day) == ["quiet comment"]


def test_comments_can_be_left_out(fake: Fake, connect: Connect) -> None:
    fake.add_comment(fake.add_work_item(fake.add_project("Orbit", identifier="ORB"), "task"), "hello")

    pages = list(connect(comment_days=0).read("comments", None))

    assert comments(pages) == []
    assert fake.count("/comments|search") == 0


def test_item_that_vanishes_before_its_comments_are_read_is_passed_over(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    gone, kept = (fake.add_work_item(project, title) for title in ("gone", "kept"))
    fake.add_comment(kept, "still here")
    asked = iter([False] * 4 + [True])

    fake.before_each(lambda _: next(asked, False) and fake.tenant.work_items.pop(gone))

    assert comments(list(connect().read("comments", None))) == ["still here"]


# -- sign-in and limits ---------------------------------------------------------------------------------------


def test_check_names_the_team_and_its_clock(connect: Connect) -> None:
    identity = connect().check()

    assert identity.tenant == "示例科技"
    assert identity.name == "application pc-client-7c1b4f"
    assert identity.clock_skew_seconds is not None


def test_check_names_the_scopes_that_are_missing(fake: Fake, connect: Connect) -> None:
    fake.misbehave(Fault.FORBIDDEN, path="/work_items$", times=9)
    fake.misbehave(Fault.FORBIDDEN, path="/team$", times=9)

    identity = connect().check()

    assert identity.missing == ("pcp:read:global:team", "pcp:read:pjm:workitem")


@pytest.mark.parametrize("as_duration", [False, True])
def test_token_is_used_until_its_end_however_that_is_told(fake: Fake, connect: Connect, as_duration: bool) -> None:
    fake.duration_tokens = as_duration
    connector = connect()

    for _ in range(3):
        list(connector.read("users", None))

    assert fake.count("/auth/token") == 1


def test_revoked_token_is_replaced(fake: Fake, connect: Connect) -> None:
    connector = connect()
    list(connector.read("users", None))
    fake.revoke_tokens()

    list(connector.read("users", None))

    assert fake.count("/auth/token") == 2


@pytest.mark.parametrize("dialect", ["pc", "cloud"])
def test_wait_is_read_from_both_headers(fake: Fake, clock: Clock, connect: Connect, dialect: str) -> None:
    fake.rate_headers = dialect
    fake.misbehave(Fault.RATE_LIMITED, path="/users$", retry_after=17.0)

    list(connect().read("users", None))

    assert 17.0 <= sum(clock.waits) < 25.0


def test_wrong_secret_is_an_auth_error_that_does_not_show_it(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    with pytest.raises(AuthError, match="100024") as caught:
        connect(client_secret="canary-9f8e7d6c").check()

    told = [str(caught.value), repr(caught.value), caplog.text, *(str(e) for e in [caught.value.__cause__])]
    assert [text for text in told if "canary-9f8e7d6c" in text] == []


def test_right_secret_is_in_no_log(fake: Fake, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    connect().check()

    assert fake.client_secret not in caplog.text
