"""Writes are read back: Redmine answers 204 whatever it dropped."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.redmine import Redmine
from connectors.redmine.fake import Fake
from connectors.redmine.rest import Row
from syncd.sdk import AuthError, Command, Outcome, OutcomeUnknownError, RejectedError
from syncd.sdk.fake import Fault


@pytest.fixture
def number(fake: Fake, portal: Row) -> int:
    return int(fake.add_issue(portal, "Report")["id"])


def comment(number: Any, **payload: Any) -> Command:
    return Command("create_comment", "key-1", {"notes": "Done: 80 %", **payload}, str(number))


def update(number: Any, **payload: Any) -> Command:
    return Command("update_issue", "key-1", payload, str(number))


def notes(fake: Fake) -> list[str]:
    return [row["notes"] for _, row in fake.book.journals.values()]


def test_comment_ends_with_its_mark_and_names_its_journal(fake: Fake, number: int, redmine: Redmine) -> None:
    receipt = redmine.write(comment(f"#{number}"))

    (journal,) = fake.book.journals
    assert notes(fake) == ["Done: 80 %\n\n<!-- syncd:key-1 -->"]
    assert receipt.remote_id == f"journals/{journal}"
    assert receipt.url == f"{fake.url}/issues/{number}#change-{journal}"
    assert receipt.outcome is Outcome.CREATED


def test_mark_cannot_be_ended_by_a_key(fake: Fake, number: int, redmine: Redmine) -> None:
    redmine.write(Command("create_comment", "a --> b", {"notes": "Hi"}, str(number)))

    assert notes(fake) == ["Hi\n\n<!-- syncd:a --%3E b -->"]


def test_private_comment_stays_private(fake: Fake, number: int, redmine: Redmine) -> None:
    redmine.write(comment(number, private_notes=True))

    assert [row["private_notes"] for _, row in fake.book.journals.values()] == [True]


def test_dropped_comment_is_rejected_and_not_taken_for_sent(
    fake: Fake, portal: Row, number: int, redmine: Redmine
) -> None:
    fake.restrict("view_issues", "edit_issues")
    fake.add_member(portal, fake.me)

    with pytest.raises(RejectedError, match="Redmine dropped the note; our role there lacks Add notes"):
        redmine.write(comment(number))

    assert notes(fake) == []


def test_comment_whose_journal_cannot_be_read_is_unknown_and_found_later(
    fake: Fake, number: int, redmine: Redmine
) -> None:
    fake.misbehave(Fault.FORBIDDEN, method="GET", path=rf"/issues/{number}\.json", after=1)

    with pytest.raises(OutcomeUnknownError, match="written, but what came of it cannot be read"):
        redmine.write(comment(number))

    found = redmine.find(comment(number))
    assert found is not None
    assert len(notes(fake)) == 1


def test_stranger_writes_nothing_even_where_everybody_may(fake: Fake, number: int, connect_fake: Any) -> None:
    with pytest.raises(AuthError, match="does not know the key"):
        connect_fake(key="nobody-knows").write(comment(number))

    assert fake.count(method="PUT") == 0


def test_stranger_does_not_find_and_does_not_say_that_there_is_nothing(
    fake: Fake, number: int, connect_fake: Any
) -> None:
    with pytest.raises(AuthError):
        connect_fake(key="nobody-knows").find(comment(number))


def test_fields_are_set_in_one_journal_and_a_second_time_nothing_is_sent(
    fake: Fake, portal: Row, number: int, redmine: Redmine
) -> None:
    version = fake.add_version(portal, "One")["id"]
    field = fake.add_custom_field("Client reference")["id"]
    closed = fake._status("Closed")["id"]
    wish = update(
        number,
        status_id=closed,
        fixed_version_id=version,
        assigned_to_id=fake.me["id"],
        estimated_hours="3",
        due_date="2026-04-01",
        description="one\ntwo",
        custom_fields=[{"id": field, "value": "A-7"}],
    )

    first, second = redmine.write(wish), redmine.write(wish)

    assert (first.outcome, second.outcome) == (Outcome.UPDATED, Outcome.UNCHANGED)
    assert (fake.count(method="PUT"), len(fake.book.journals)) == (1, 1)
    row = fake.issue_row(number)
    assert (row["status"]["name"], row["fixed_version"]["name"], row["estimated_hours"]) == ("Closed", "One", 3.0)
    assert row["closed_on"] is not None


def test_fields_are_unset_with_null(fake: Fake, portal: Row, number: int, redmine: Redmine) -> None:
    fake.change_issue(number, fixed_version={"id": fake.add_version(portal, "One")["id"], "name": "One"})

    receipt = redmine.write(update(number, fixed_version_id=None))

    assert receipt.outcome is Outcome.UPDATED
    assert "fixed_version" not in fake.issue_row(number)


def test_dropped_fields_are_named(fake: Fake, number: int, redmine: Redmine) -> None:
    field = fake.add_custom_field("Client reference")["id"]
    wish = update(number, status_id=9999, done_ratio=50, custom_fields=[{"id": field + 1, "value": "x"}])

    with pytest.raises(RejectedError, match=rf"Redmine ignored status_id, custom field {field + 1}; the workflow"):
        redmine.write(wish)

    assert fake.issue_row(number)["done_ratio"] == 50


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"subject": " "}, "422: Subject cannot be blank"),
        ({"due_date": "soon"}, "422: Due date is not a valid date"),
        ({"fixed_version_id": 999}, "422: Target version is not included in the list"),
        ({"notes": "hello"}, "notes cannot be set; Redmine takes assigned_to_id, "),
        ({"lock_version": 3}, "lock_version cannot be set"),
    ],
)
def test_wrong_fields_are_rejected_with_the_reason(
    fake: Fake, number: int, redmine: Redmine, payload: dict[str, Any], message: str
) -> None:
    with pytest.raises(RejectedError, match=message):
        redmine.write(update(number, **payload))

    assert fake.book.journals == {}


@pytest.mark.parametrize("target", ["", "0", "issues/12", "12x", "-1", "12 "])
def test_target_that_is_no_number_is_rejected(fake: Fake, redmine: Redmine, target: str) -> None:
    with pytest.raises(RejectedError, match="is not the number of an issue"):
        redmine.write(comment(target))

    assert fake.calls == []


def test_issue_that_does_not_exist_is_rejected(portal: Row, redmine: Redmine) -> None:
    with pytest.raises(RejectedError, match="create_comment: there is no issue 4711"):
        redmine.write(comment(4711))


@pytest.mark.parametrize("make", [comment, update])
def test_issue_of_a_project_that_is_not_configured_is_left_alone(
    fake: Fake, portal: Row, connect_fake: Any, make: Any
) -> None:
    foreign = fake.add_issue(fake.add_project("other", "Other"), "Theirs")["id"]

    with pytest.raises(RejectedError, match=rf"issue {foreign} is in 'Other', which is not among .* \(portal\)"):
        connect_fake("portal").write(make(foreign, **({"done_ratio": 10} if make is update else {})))

    assert fake.count(method="PUT") == 0
