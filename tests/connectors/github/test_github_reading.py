"""Reading: windows instead of pages, what a cursor holds, and what a quiet read costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from connectors.github import GitHub, GitHubConfig
from connectors.github.fake import Fake
from syncd.sdk import ConfigError, ConnectorContext, ContractError, Page

REPOSITORY = "acme/portal"
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def read(github: GitHub, stream: str, cursor: Any = None, *, partition: str = REPOSITORY) -> list[Page]:
    return list(github.read(stream, cursor, partition=partition))


def ids(pages: list[Page]) -> list[str]:
    return [record.remote_id for page in pages for record in page.records]


def asked(fake: Fake, since: int = 0) -> list[dict[str, str]]:
    return [dict(call.query) for call in fake.calls[since:]]


def test_issues_are_asked_for_with_closed_ones_oldest_change_first(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Login", at=AT, state="closed")

    pages = read(github, "issues")

    assert ids(pages) == ["acme/portal/issues/1"]
    assert asked(fake) == [{"state": "all", "sort": "updated", "direction": "asc", "per_page": "100"}]


def test_pull_requests_are_among_the_issues(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Login", at=AT)
    fake.add_issue(REPOSITORY, "Add login", at=AT, is_pull_request=True)

    records = read(github, "issues")[0].records

    assert [(record.remote_id, "pull_request" in record.data) for record in records] == [
        ("acme/portal/issues/1", False),
        ("acme/portal/issues/2", True),
    ]


def test_cursor_names_the_last_row(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Login", at=AT)
    last = fake.add_issue(REPOSITORY, "Logout", at=AT + MINUTE)

    pages = read(github, "issues")

    assert [page.cursor for page in pages] == [{"updated_at": "2026-03-02T07:01:00Z", "id": last["id"]}]


def test_each_window_starts_a_second_before_the_last_row(fake: Fake, github: GitHub) -> None:
    for number in range(250):
        fake.add_issue(REPOSITORY, "Task", at=AT + number * MINUTE)

    pages = read(github, "issues")

    assert [query.get("since") for query in asked(fake)] == [None, "2026-03-02T08:38:59Z", "2026-03-02T10:17:59Z"]
    assert [query.get("page") for query in asked(fake)] == [None, None, None]
    assert [len(page.records) for page in pages] == [100, 99, 51]
    assert len(set(ids(pages))) == 250


def test_row_that_moves_while_being_read_hides_no_other(fake: Fake, github: GitHub) -> None:
    for number in range(250):
        fake.add_issue(REPOSITORY, "Task", at=AT + number * MINUTE)
    later = iter(range(1, 100))
    fake.before_each(lambda _: fake.change_issue(REPOSITORY, next(later), at=AT + timedelta(days=1)))

    pages = read(github, "issues")

    assert {f"acme/portal/issues/{number}" for number in range(1, 251)} - set(ids(pages)) == set()


def test_second_that_fills_pages_is_read_twice(fake: Fake, github: GitHub) -> None:
    for _ in range(220):
        fake.add_issue(REPOSITORY, "Imported", at=AT)
    fake.add_issue(REPOSITORY, "Later", at=AT + MINUTE)

    pages = read(github, "issues")

    assert len(ids(pages)) == len(set(ids(pages))) == 221
    assert [query.get("page") for query in asked(fake)] == [None, "2", "3", None, "2", "3", None]
    assert {page.cursor["updated_at"] for page in pages[:-1] if page.cursor} == {"2026-03-02T07:00:00Z"}
    assert pages[-1].cursor is not None
    assert pages[-1].cursor["updated_at"] == "2026-03-02T07:01:00Z"


def test_quiet_read_costs_the_overlap_page_once_and_then_a_304(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Old", at=AT - timedelta(days=1))
    fake.add_issue(REPOSITORY, "New", at=AT)
    cursor = read(github, "issues")[-1].cursor
    seen = len(fake.calls)

    overlap = read(github, "issues", cursor)
    nothing = read(github, "issues", overlap[-1].cursor)

    assert ids(overlap) == ["acme/portal/issues/2"]
    assert nothing == [Page((), overlap[-1].cursor, complete=True)]
    assert [(call.query["since"], call.status) for call in fake.calls[seen:]] == [
        ("2026-03-02T06:45:00Z", 200),
        ("2026-03-02T06:45:00Z", 304),
    ]


def test_change_after_a_304_is_seen(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Login", at=AT)
    cursor = None
    for _ in range(3):
        cursor = read(github, "issues", cursor)[-1].cursor
    fake.change_issue(REPOSITORY, 1, at=AT + MINUTE, title="Login page")

    pages = read(github, "issues", cursor)

    assert [record.data["title"] for record in pages[0].records] == ["Login page"]
    assert "etag" not in (pages[-1].cursor or {})


def test_tag_of_a_full_page_is_not_trusted(fake: Fake, github: GitHub) -> None:
    for number in range(100):
        fake.add_issue(REPOSITORY, "Task", at=AT + number * timedelta(seconds=1))
    cursor = read(github, "issues")[-1].cursor
    cursor = read(github, "issues", cursor)[-1].cursor
    fake.add_issue(REPOSITORY, "Behind the page", at=AT + 2 * MINUTE)

    pages = read(github, "issues", cursor)

    assert "acme/portal/issues/101" in ids(pages)


def test_overlap_page_does_not_move_the_cursor_back(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Stays", at=AT)
    fake.add_issue(REPOSITORY, "Deleted", at=AT + MINUTE)
    cursor = read(github, "issues")[-1].cursor
    fake.repository(REPOSITORY).issues.remove(2)

    again = read(github, "issues", cursor)[-1].cursor

    assert cursor is not None
    assert again is not None
    assert again["updated_at"] == cursor["updated_at"] == "2026-03-02T07:01:00Z"


def test_comments_of_the_whole_repository_are_one_list(fake: Fake, github: GitHub) -> None:
    for title in ("Login", "Logout"):
        fake.add_issue(REPOSITORY, title, at=AT)
    first = fake.add_comment(REPOSITORY, 1, "Done?", at=AT)
    second = fake.add_comment(REPOSITORY, 2, "Done.", at=AT)

    pages = read(github, "comments")

    assert ids(pages) == [f"acme/portal/issues/comments/{first['id']}", f"acme/portal/issues/comments/{second['id']}"]
    assert [call.path for call in fake.calls] == ["/repos/acme/portal/issues/comments"]


def test_milestones_unchanged_cost_a_304(fake: Fake, github: GitHub) -> None:
    fake.add_milestone(REPOSITORY, "Beta", at=AT, state="closed")
    cursor = read(github, "milestones")[-1].cursor

    again = read(github, "milestones", cursor)

    assert again == [Page((), cursor, complete=True)]
    assert [call.status for call in fake.calls] == [200, 304]


def test_milestone_whose_due_date_moved_is_seen(fake: Fake, github: GitHub) -> None:
    fake.add_milestone(REPOSITORY, "Beta", at=AT, due_on="2026-04-01T07:00:00Z")
    cursor = read(github, "milestones")[-1].cursor
    fake.repository(REPOSITORY).milestones[1]["due_on"] = "2026-05-01T07:00:00Z"

    pages = read(github, "milestones", cursor)

    assert [record.data["due_on"] for record in pages[0].records] == ["2026-05-01T07:00:00Z"]


def test_milestones_left_out_on_since_are_read_the_next_time(fake: Fake, github: GitHub) -> None:
    fake.add_milestone(REPOSITORY, "Alpha", at=AT - timedelta(days=90))
    fake.add_milestone(REPOSITORY, "Beta", at=AT)

    some = read(github, "milestones", {"updated_at": "2026-03-01T00:00:00Z"})
    rest = read(github, "milestones", some[-1].cursor)

    assert ids(some) == ["acme/portal/milestones/2"]
    assert ids(rest) == ["acme/portal/milestones/1", "acme/portal/milestones/2"]


def test_list_longer_than_a_page_is_read_twice(fake: Fake, github: GitHub) -> None:
    for number in range(150):
        fake.add_milestone(REPOSITORY, f"Sprint {number}", at=AT)
    deleted = iter(range(1, 100))
    fake.before_each(lambda _: fake.repository(REPOSITORY).milestones.pop(next(deleted)))

    pages = read(github, "milestones")

    assert {f"acme/portal/milestones/{number}" for number in range(5, 151)} - set(ids(pages)) == set()
    assert pages[-1].cursor is None


def test_labels_and_users_are_read_whole(fake: Fake, github: GitHub) -> None:
    fake.add_label(REPOSITORY, "good first issue")
    fake.add_user(REPOSITORY, "maple")

    labels, users = read(github, "labels"), read(github, "users", partition="")

    assert ids(labels) == ["acme/portal/labels/good%20first%20issue"]
    assert ids(users) == ["maple"]


def test_person_of_two_repositories_is_one_user(fake: Fake, connect: Any) -> None:
    fake.add_repository("acme/app")
    fake.add_user(REPOSITORY, "maple")
    fake.add_user("acme/app", "maple")
    fake.add_user("acme/app", "birch")

    pages = read(connect(REPOSITORY, "acme/app"), "users", partition="")

    assert ids(pages) == ["maple", "birch"]


def test_each_configured_repository_is_a_record(fake: Fake, connect: Any) -> None:
    fake.add_repository("acme/app", description="Mobile app")

    pages = read(connect(REPOSITORY, "acme/app"), "repositories", partition="")

    assert [(r.remote_id, r.data["description"]) for r in pages[0].records] == [
        ("acme/portal", None),
        ("acme/app", "Mobile app"),
    ]


def test_renamed_repository_is_read_whole_though_the_redirect_drops_the_query(fake: Fake, github: GitHub) -> None:
    for number in range(120):
        fake.add_issue(REPOSITORY, "Task", at=AT + number * MINUTE, state="closed" if number % 2 else "open")
    fake.rename_repository(REPOSITORY, "acme/client-portal")

    pages = read(github, "issues")

    assert len(set(ids(pages))) == 120
    assert ids(pages)[0] == "acme/client-portal/issues/1"


def test_partition_outside_the_configuration_is_refused(github: GitHub) -> None:
    with pytest.raises(ConfigError, match=r"acme/other.*config\.repositories \(acme/portal\)"):
        github.read("issues", None, partition="acme/other")


def test_partitions_are_the_repositories(connect: Any) -> None:
    github = connect(REPOSITORY, "acme/app")

    assert github.partitions("issues") == ("acme/portal", "acme/app")
    assert github.partitions("users") == ("",)


@pytest.mark.parametrize(
    ("repositories", "message"),
    [
        ((), "at least 1 item"),
        (("portal",), "match pattern"),
        (("acme/portal/issues",), "match pattern"),
        (("acme/portal?x",), "match pattern"),
        (("acme/portal", "Acme/Portal"), "named more than once: Acme/Portal, acme/portal"),
    ],
)
def test_repositories_are_checked(repositories: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GitHubConfig(token=SecretStr("t"), repositories=repositories)


def answering(body: Any, *, link: str = "") -> GitHub:
    headers = {"Link": link} if link else {}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body, headers=headers))
    config = GitHubConfig(token=SecretStr("t"), repositories=(REPOSITORY,))
    return GitHub(config, context=ConnectorContext(transport=transport, wait=lambda seconds: None))


@pytest.mark.parametrize(
    "body",
    [{"message": "hello"}, [{"id": 1}], [{"id": 1, "url": None, "updated_at": "2026-03-02T07:00:00Z"}], ["text"]],
)
def test_answer_that_is_not_as_documented_stops_the_stream(body: Any) -> None:
    with pytest.raises(ContractError):
        read(answering(body), "issues")


def test_vendor_that_does_not_heed_since_is_noticed() -> None:
    rows = [
        {
            "id": n,
            "url": f"https://api.github.com/repos/acme/portal/issues/{n}",
            "updated_at": f"2026-03-0{n}T07:00:00Z",
        }
        for n in range(1, 9)
    ]
    endless = '<https://api.github.com/repos/acme/portal/issues?page=2>; rel="next"'

    with pytest.raises(ContractError, match="no progress"):
        read(answering(rows, link=endless), "issues")
