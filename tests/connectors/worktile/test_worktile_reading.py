"""What is read, by which calls, and what counts as complete."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.worktile import Worktile
from connectors.worktile.fake import Fake
from syncd.sdk import ConfigError, ContractError, Page, Record, TransientError
from syncd.sdk.fake import Answer, Request
from syncd.sdk.testing import Clock

Connect = Callable[..., Worktile]


def read(connector: Worktile, stream: str, partition: str = "") -> list[Record]:
    return [record for page in connector.read(stream, None, partition=partition) for record in page.records]


def titles(records: list[Record]) -> list[str]:
    return [record.data["title"] for record in records]


# -- lists ----------------------------------------------------------------------------------------------------


def test_short_list_is_read_once(fake: Fake, connect: Connect) -> None:
    for number in range(100):
        fake.add_member(f"成员 {number}")

    found = read(connect(), "users")

    assert len(found) == 100
    assert fake.count("/get-members-by-page") == 1


def test_list_of_several_pages_is_walked_again_until_nothing_is_new(fake: Fake, connect: Connect) -> None:
    for number in range(250):
        fake.add_member(f"成员 {number}")

    found = read(connect(), "users")

    assert len({record.remote_id for record in found}) == len(found) == 250
    assert fake.count("/get-members-by-page") == 6


@pytest.mark.parametrize("counts", [True, False], ids=["counted", "not counted"])
def test_row_that_slips_in_front_of_the_walk_is_found_by_the_next_one(
    fake: Fake, connect: Connect, counts: bool
) -> None:
    fake.counts = counts
    ids = [fake.add_project(f"P{number}") for number in range(250)]
    asked: list[str] = []

    def swap(request: Request) -> None:
        asked.append(request.path)
        if asked.count("/open-api/mission/get-projects-by-page") == 2:
            del fake.tenant.projects[ids[3]]  # row 100 moves to page one, which was read already
            fake.add_project("takes the place in the count")

    fake.before_each(swap)

    found = read(connect(), "projects")

    assert set(ids) - {record.remote_id for record in found} == set()


def test_list_that_shows_fewer_rows_than_it_counts_fails_and_is_never_complete(fake: Fake, connect: Connect) -> None:
    ids = [fake.add_member(f"成员 {number}") for number in range(3)]
    fake.tenant.members["a double"] = fake.tenant.members[ids[0]]

    with pytest.raises(TransientError, match="only 3 of 4 rows were seen; nothing is taken for deleted"):
        read(connect(), "users")


def test_list_that_never_comes_to_rest_fails(fake: Fake, connect: Connect) -> None:
    fake.counts = False
    for number in range(150):
        fake.add_project(f"P{number}")
    fake.before_each(lambda request: fake.add_project("one more") if "projects" in request.path else None)

    with pytest.raises(TransientError, match="new rows in every one of 4 walks"):
        read(connect(), "projects")


@pytest.mark.parametrize("count", [0, 99, 100, 101])
def test_list_that_does_not_say_whether_more_follows_ends_with_an_empty_page(
    fake: Fake, connect: Connect, count: int
) -> None:
    fake.says_more = fake.counts = False
    for number in range(count):
        fake.add_member(f"成员 {number}")

    assert len(read(connect(), "users")) == count


def test_row_without_an_id_is_an_error(fake: Fake, connect: Connect) -> None:
    fake.tenant.members["broken"] = {"uid": "", "name": "nobody"}

    with pytest.raises(ContractError, match=r"an entry of the list has no uid or _id"):
        read(connect(), "users")


def test_error_inside_a_200_is_no_empty_list(fake: Fake, connect: Connect) -> None:
    with pytest.raises(ContractError, match="200 code 1001: 项目不存在"):
        read(connect(), "tasks", "66aaaaaaaaaaaaaaaaaaaaaa")


# -- tasks ----------------------------------------------------------------------------------------------------


def test_properties_are_asked_for_twenty_tasks_at_a_time(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    for number in range(45):
        fake.add_task(project, f"task {number}")

    pages = list(connect().read("tasks", None, partition=project))

    asked = [len(c.query["task_ids"].split(",")) for c in fake.calls if c.path.endswith("/get-tasks-by-ids")]
    assert asked == [20, 20, 5]
    assert [(len(page.records), page.complete, page.total) for page in pages] == [
        (20, False, 45),
        (20, False, 45),
        (5, False, 45),
        (0, True, None),
    ]


def test_custom_properties_are_read_by_their_keys(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    phase = {"_id": "66c0", "text": "Phase A"}
    fake.add_task(project, "task", properties={"phase": phase, "secret_margin": 0.4})

    (plain,) = read(connect(), "tasks", project)
    (asked_for,) = read(connect(properties=["phase"]), "tasks", project)

    assert {"phase", "secret_margin"} & plain.data["properties"].keys() == set()
    assert asked_for.data["properties"]["phase"] == phase
    assert "secret_margin" not in asked_for.data["properties"]


def test_property_key_that_would_change_the_question_is_refused(connect: Connect) -> None:
    with pytest.raises(ValueError, match="properties"):
        connect(properties=["phase,secret"])


def test_zero_means_no_time(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    task = fake.add_task(project, "task")
    fake.tenant.tasks[task]["properties"]["due"] = {"date": 0, "with_time": 0}

    (record,) = read(connect(), "tasks", project)

    assert "completed_at" not in record.data
    assert "due" not in record.data["properties"]


def test_task_that_the_details_leave_out_is_kept_as_the_list_shows_it(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    task = fake.add_task(project, "without details")
    fake.add_task(project, "with details")
    fake.details_without.add(task)

    found = read(connect(), "tasks", project)

    assert titles(found) == ["without details", "with details"]
    assert found[0].data["state_type"] == 1
    assert found[0].updated_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def test_details_that_are_cut_short_are_asked_for_again(fake: Fake, connect: Connect) -> None:
    fake.most_details = 8
    project = fake.add_project("Orbit")
    for number in range(20):
        fake.add_task(project, f"task {number}")

    found = read(connect(), "tasks", project)

    asked = [len(c.query["task_ids"].split(",")) for c in fake.calls if c.path.endswith("/get-tasks-by-ids")]
    assert all("assignee" in record.data["properties"] for record in found)
    assert (len(found), asked) == (20, [20, 12, 4])


def test_details_that_show_nothing_of_many_are_an_error_and_not_many_bare_tasks(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    fake.details_without |= {fake.add_task(project, title) for title in ("one", "two")}

    with pytest.raises(ContractError, match="none of 2 tasks that the list has just shown"):
        read(connect(), "tasks", project)


def test_details_that_are_no_list_are_an_error(fake: Fake, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    project = fake.add_project("Orbit")
    fake.add_task(project, "task")
    monkeypatch.setattr("connectors.worktile.fake._with", lambda task, fields: "not a task")

    with pytest.raises(ContractError, match="get-tasks-by-ids: the answer is not a list of tasks"):
        read(connect(), "tasks", project)


def test_unchanged_task_is_equal_and_a_changed_one_is_not(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    same, moved = fake.add_task(project, "same"), fake.add_task(project, "moved")
    connector = connect()
    before = {record.remote_id: record for record in read(connector, "tasks", project)}
    fake.advance(timedelta(hours=1))
    fake.set_state(moved, "进行中")

    after = {record.remote_id: record for record in read(connector, "tasks", project)}

    assert after[same] == before[same]
    assert after[moved].data["task_state"]["name"] == "进行中"


def test_cursor_is_ignored_since_there_is_no_filter(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    fake.add_task(project, "old")

    pages: list[Page] = list(connect().read("tasks", {"updated_at": "2027-01-01T00:00:00Z"}, partition=project))

    assert [titles(list(page.records)) for page in pages] == [["old"], []]
    assert [page.cursor for page in pages] == [None, None]


# -- projects -------------------------------------------------------------------------------------------------


def test_configured_projects_are_found_by_name_or_id(fake: Fake, connect: Connect) -> None:
    ids = {name: fake.add_project(name) for name in ("客户门户", "Orbit", "Internal")}
    connector = connect(projects=["客户门户", ids["Orbit"]])

    found = [record.data["name"] for record in read(connector, "projects")]

    assert found == ["客户门户", "Orbit"]
    assert connector.partitions("tasks") == [ids["客户门户"], ids["Orbit"]]
    assert connector.partitions("comments") == [ids["客户门户"], ids["Orbit"]]


def test_unknown_project_is_named_with_those_that_there_are(fake: Fake, connect: Connect) -> None:
    fake.add_project("Orbit")

    with pytest.raises(ConfigError, match=r"config\.projects: 'Orbti' is neither .* it sees Orbit"):
        connect(projects=["Orbti"]).check()


@pytest.mark.parametrize("stream", ["tasks", "comments"])
def test_partitioned_stream_without_its_partition_is_a_config_error(connect: Connect, stream: str) -> None:
    with pytest.raises(ConfigError, match=f"{stream} are read for one project"):
        connect().read(stream, None)


# -- comments -------------------------------------------------------------------------------------------------


def test_comments_are_read_of_tasks_that_changed_lately(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit", identifier="ORB")
    fake.advance(timedelta(days=-20))
    fake.add_comment(fake.add_task(project, "old"), "long ago")
    fake.advance(timedelta(days=20))
    task = fake.add_task(project, "recent")
    fake.add_comment(task, "yes")

    (record,) = read(connect(comment_days=7), "comments", project)

    assert record.data["content"] == "yes"
    assert record.data["task"] == {"project_id": project, "_id": task, "identifier": "ORB-2", "title": "recent"}
    assert fake.count("/mission/tasks/") == 1


def test_comments_can_be_left_out(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    fake.add_comment(fake.add_task(project, "task"), "hello")

    pages = list(connect(comment_days=0).read("comments", None, partition=project))

    assert [(list(page.records), page.complete) for page in pages] == [([], True)]
    assert fake.calls == []


def test_comments_without_ids_keep_the_same_one_and_are_told_apart(fake: Fake, connect: Connect) -> None:
    fake.comments_without_ids = True
    project = fake.add_project("Orbit")
    task = fake.add_task(project, "task")
    for text in ("one", "two"):
        fake.add_comment(task, text, by="3c1f")
    connector = connect()

    first = [record.remote_id for record in read(connector, "comments", project)]
    second = [record.remote_id for record in read(connector, "comments", project)]

    assert first == second
    assert len(set(first)) == 2
    assert all(remote_id.startswith(f"{task}-") for remote_id in first)


def test_task_that_vanishes_before_its_comments_are_read_is_passed_over(fake: Fake, connect: Connect) -> None:
    project = fake.add_project("Orbit")
    gone, kept = (fake.add_task(project, title) for title in ("gone", "kept"))
    fake.add_comment(kept, "still here")
    fake.before_each(lambda r: fake.tenant.tasks.pop(gone, None) if f"/tasks/{gone}" in r.path else None)

    found = read(connect(), "comments", project)

    assert [record.data["content"] for record in found] == ["still here"]


def test_answer_without_the_task_is_an_error_and_not_a_task_without_comments(
    fake: Fake, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fake.add_project("Orbit")
    fake.add_task(project, "task")
    original = fake.handle

    def unwrapped(request: Request) -> Any:
        answer, fault = original(request)
        return (Answer(body={"data": {"value": {}}}), fault) if "/mission/tasks/" in request.path else (answer, fault)

    monkeypatch.setattr(fake, "handle", unwrapped)

    with pytest.raises(ContractError, match="the answer is not a task with comments"):
        read(connect(), "comments", project)


def test_rich_text_is_kept_and_given_as_text_too(fake: Fake, clock: Clock, connect: Connect) -> None:
    nodes = [
        {"type": "paragraph", "key": "a", "children": [{"text": "等 "}, {"type": "mention", "data": {"name": "王丽"}}]},
        {"type": "image", "key": "b", "originUrl": "https://x.test/1.png", "children": [{"text": ""}]},
    ]
    project = fake.add_project("Orbit")
    task = fake.add_task(project, "task", desc=json.dumps(nodes))
    fake.add_comment(task, json.dumps(nodes))
    connector = connect()

    (record,) = read(connector, "tasks", project)
    (comment,) = read(connector, "comments", project)

    assert record.data["desc_text"] == "等 @王丽"
    assert record.data["properties"]["desc"] == json.dumps(nodes)
    assert comment.data["content_text"] == "等 @王丽"
