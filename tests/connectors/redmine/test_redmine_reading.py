"""What is easy to lose in Redmine: closed issues, other people's issues, a second full of changes, a key that ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.redmine import Redmine
from connectors.redmine.fake import Fake
from connectors.redmine.rest import Row
from syncd.sdk import AuthError, ConfigError, Record
from syncd.sdk.testing import AT


def records(redmine: Redmine, stream: str, cursor: Any = None, *, partition: str = "") -> list[Record]:
    return [record for page in redmine.read(stream, cursor, partition=partition) for record in page.records]


def ids(redmine: Redmine, stream: str, cursor: Any = None, *, partition: str = "") -> list[str]:
    return [record.remote_id for record in records(redmine, stream, cursor, partition=partition)]


def test_closed_issues_are_read_and_those_of_subprojects_are_not(fake: Fake, portal: Row, redmine: Redmine) -> None:
    below = fake.add_project("portal-app", "App", parent={"id": portal["id"], "name": "Portal"})
    opened, closed = fake.add_issue(portal, "A", at=AT), fake.add_issue(portal, "B", at=AT, status="Closed")
    fake.add_issue(below, "C", at=AT)

    found = ids(redmine, "issues", partition="portal")

    assert sorted(found) == sorted([str(opened["id"]), str(closed["id"])])


def test_issue_is_told_with_its_address_and_the_identifier_of_its_project(
    fake: Fake, portal: Row, redmine: Redmine
) -> None:
    number = fake.add_issue(portal, "A", at=AT)["id"]

    (record,) = records(redmine, "issues", partition="portal")

    assert record.data["url"] == f"{fake.url}/issues/{number}"
    assert record.data["project"] == {"id": portal["id"], "name": "Portal", "identifier": "portal"}
    assert record.updated_at == AT


def test_server_before_5_is_asked_which_statuses_are_closed(fake: Fake, portal: Row, redmine: Redmine) -> None:
    fake.tells_closed = False
    fake.add_issue(portal, "A", at=AT)
    fake.add_issue(portal, "B", at=AT, status="Rejected")

    found = {r.data["subject"]: r.data["status"]["is_closed"] for r in records(redmine, "issues", partition="portal")}

    assert found == {"A": False, "B": True}
    assert fake.count(r"/issue_statuses\.json") == 1


@pytest.mark.parametrize("count", [100, 101, 350])
def test_second_full_of_changes_is_given_once(fake: Fake, portal: Row, redmine: Redmine, count: int) -> None:
    numbers = [str(fake.add_issue(portal, f"Task {n}", at=AT)["id"]) for n in range(count)]
    earlier = str(fake.add_issue(portal, "Before", at=AT - timedelta(seconds=1))["id"])
    later = [str(fake.add_issue(portal, f"After {n}", at=AT + timedelta(seconds=n))["id"]) for n in (1, 2, 3)]

    found = ids(redmine, "issues", partition="portal")

    assert sorted(found) == sorted([earlier, *numbers, *later])


def test_cursor_names_the_last_change_and_never_goes_back(fake: Fake, portal: Row, redmine: Redmine) -> None:
    fake.add_issue(portal, "A", at=AT)
    first = list(redmine.read("issues", None, partition="portal"))[-1].cursor
    fake.book.issues.clear()

    second = list(redmine.read("issues", first, partition="portal"))[-1].cursor

    assert first == second == {"updated_at": "2026-03-02T07:00:00Z"}


def test_cursor_before_all_databases_is_taken_for_everything(fake: Fake, portal: Row, redmine: Redmine) -> None:
    number = fake.add_issue(portal, "A", at=AT)["id"]

    assert ids(redmine, "issues", {"updated_at": "0001-01-01T00:00:00Z"}, partition="portal") == [str(number)]


def test_key_that_ends_between_two_pages_moves_no_cursor(fake: Fake, portal: Row, redmine: Redmine) -> None:
    """The project is public: Redmine goes on answering, with less."""
    for n in range(150):
        fake.add_issue(portal, f"Task {n}", at=AT + timedelta(seconds=n))
    pages = redmine.read("issues", None, partition="portal")
    first = next(pages)
    fake.key = "another"

    with pytest.raises(AuthError, match=r"does not know the key.*Administration, Settings, API"):
        next(pages)

    assert first.complete is False
    assert len(first.records) == 100


@pytest.mark.parametrize("stream", ["projects", "versions", "statuses"])
def test_stranger_is_shown_what_is_public_and_it_is_not_taken(
    fake: Fake, portal: Row, connect_fake: Any, stream: str
) -> None:
    fake.add_version(portal, "One")

    with pytest.raises(AuthError, match="does not know the key"):
        list(connect_fake("portal", key="nobody-knows").read(stream, None))


def test_journals_come_with_their_issue_and_an_issue_that_vanishes_meanwhile_is_passed_over(
    fake: Fake, portal: Row, redmine: Redmine
) -> None:
    kept, gone = fake.add_issue(portal, "A", at=AT)["id"], fake.add_issue(portal, "B", at=AT)["id"]
    journal = fake.add_journal(kept, "Begun", at=AT)["id"]
    fake.add_journal(gone, "Lost", at=AT)
    fake.before_each(lambda request: fake.book.issues.pop(gone, None) if f"/{gone}.json" in request.path else None)

    (record,) = records(redmine, "journals", partition="portal")

    assert record.remote_id == f"journals/{journal}"
    assert record.data["issue"] == {"id": kept, "project": {"identifier": "portal"}}
    assert record.data["url"] == f"{fake.url}/issues/{kept}#change-{journal}"


def test_edited_comment_is_seen_with_the_next_change_of_its_issue(fake: Fake, portal: Row, redmine: Redmine) -> None:
    issue = fake.add_issue(portal, "A", at=AT - timedelta(days=2))["id"]
    journal = fake.add_journal(issue, "Befun", at=AT - timedelta(days=1))["id"]
    cursor = {"updated_at": AT.isoformat()}
    fake.edit_journal(journal, "Begun")

    before = records(redmine, "journals", cursor, partition="portal")
    fake.change_issue(issue, at=AT, subject="A, renamed")
    after = records(redmine, "journals", cursor, partition="portal")

    assert before == []
    assert [record.data["notes"] for record in after] == ["Begun"]


def test_relation_is_told_once_at_its_start(fake: Fake, portal: Row, redmine: Redmine) -> None:
    start, end = fake.add_issue(portal, "A", at=AT)["id"], fake.add_issue(portal, "B", at=AT)["id"]
    relation = fake.add_relation(start, end)

    (record,) = records(redmine, "relations", partition="portal")

    assert (record.remote_id, record.data) == (f"relations/{relation['id']}", relation)


def test_shared_version_is_counted_once_under_its_own_project(fake: Fake, portal: Row, redmine: Redmine) -> None:
    fake.add_project("app", "App")
    shared = fake.add_version(portal, "Launch", sharing="system")
    elsewhere = fake.add_project("other", "Other", status=9)
    foreign = fake.add_version(elsewhere, "Theirs", sharing="system")

    found = {r.remote_id: r.data["project"]["identifier"] for r in records(redmine, "versions")}

    assert found == {f"versions/{shared['id']}": "portal", f"versions/{foreign['id']}": None}


def test_projects_of_a_member_are_those_with_issue_tracking_closed_ones_too(
    fake: Fake, portal: Row, redmine: Redmine
) -> None:
    fake.restrict("view_issues")
    closed = fake.add_project("old", "Old", status=5)
    fake.add_project("public", "Everybody's")
    wiki = fake.add_project("wiki", "Wiki")
    fake.book.modules[wiki["id"]] = ("wiki",)
    for project in (portal, closed, wiki):
        fake.add_member(project, fake.me)

    assert redmine.partitions("issues") == ["portal", "old"]
    assert ids(redmine, "projects") == ["portal", "old"]


def test_users_are_everybody_for_an_administrator_locked_ones_as_such(fake: Fake, redmine: Redmine) -> None:
    gone = fake.add_user("gone", "Wei", "Chen")
    fake.book.locked.add(gone["id"])

    found = {record.data["login"]: record.data["active"] for record in records(redmine, "users")}

    assert found == {"syncd": True, "gone": False}


def test_users_are_the_members_for_everybody_else(fake: Fake, portal: Row, connect_fake: Any) -> None:
    fake.restrict("view_issues")
    fake.add_user("elsewhere", "Not", "Ours")
    mei = fake.add_user("mei", "Mei", "Li")
    fake.add_member(portal, mei)
    fake.add_member(fake.add_project("app", "App"), mei)

    found = records(connect_fake("portal", "app"), "users")

    assert [(record.remote_id, record.data) for record in found] == [
        (f"users/{mei['id']}", {"id": mei["id"], "name": "Mei Li"})
    ]


def test_project_that_is_not_configured_is_refused_before_a_request(fake: Fake, connect_fake: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"issues of 'other' cannot be read; it is not in config\.projects \(portal\)"
    ):
        connect_fake("portal").read("issues", None, partition="other")

    assert fake.calls == []


def test_nothing_new_costs_one_list_and_the_question_who_we_are(fake: Fake, portal: Row, redmine: Redmine) -> None:
    fake.add_issue(portal, "A", at=AT)
    cursor = list(redmine.read("issues", None, partition="portal"))[-1].cursor
    fake.calls.clear()

    list(redmine.read("issues", cursor, partition="portal"))

    assert [call.path for call in fake.calls] == ["/issues.json", "/users/current.json"]
