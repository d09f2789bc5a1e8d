"""Writing: a comment carries its mark, is found again, and goes nowhere it is not meant for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.github import GitHub
from connectors.github.fake import Fake
from syncd.sdk import Command, ConnectorContext, Outcome, RejectedError
from syncd.sdk.testing import Clock

REPOSITORY = "acme/portal"
TARGET = "acme/portal/issues/1"
KEY = "acme/2026-W10/digest"
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


@pytest.fixture
def issue(fake: Fake) -> dict[str, Any]:
    return fake.add_issue(REPOSITORY, "Portal", at=AT)


def comment(text: str = "Week 10", *, key: str = KEY, target: str | None = TARGET) -> Command:
    return Command("create_comment", key, {"body": text}, target)


def bodies(fake: Fake) -> list[str]:
    return [row["body"] for row in fake.repository(REPOSITORY).comments]


def test_comment_ends_with_a_mark_that_nobody_sees(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    receipt = github.write(comment("Week 10\n"))

    assert bodies(fake) == ["Week 10\n\n<!-- syncd:acme/2026-W10/digest -->"]
    assert receipt.outcome is Outcome.CREATED
    assert receipt.remote_id.startswith("acme/portal/issues/comments/")
    assert (receipt.url or "").startswith("https://github.com/acme/portal/issues/1#issuecomment-")


def test_key_cannot_end_the_mark(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    command = comment(key="a --> <b>x</b>")

    github.write(command)

    assert bodies(fake) == ["Week 10\n\n<!-- syncd:a --%3E %3Cb%3Ex%3C/b%3E -->"]
    assert github.find(command) is not None


def test_comment_on_a_pull_request_goes_the_same_way(fake: Fake, github: GitHub) -> None:
    fake.add_issue(REPOSITORY, "Add login", is_pull_request=True)

    github.write(comment())

    assert fake.repository(REPOSITORY).issues.get(1) is not None
    assert len(bodies(fake)) == 1


def test_comment_in_a_long_thread_is_found_from_its_end(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    for number in range(450):
        fake.add_comment(REPOSITORY, 1, f"Remark {number}", at=AT)
    receipt = github.write(comment())
    seen = len(fake.calls)

    found = github.find(comment())

    assert found is not None
    assert (found.remote_id, found.outcome) == (receipt.remote_id, Outcome.UNCHANGED)
    assert len(fake.calls) - seen == 2


def test_whole_thread_is_read_before_a_comment_counts_as_missing(
    fake: Fake, github: GitHub, issue: dict[str, Any]
) -> None:
    github.write(comment())
    for number in range(450):
        fake.add_comment(REPOSITORY, 1, f"Remark {number}", at=AT)

    assert github.find(comment()) is not None
    assert github.find(comment(key="another")) is None


def test_thread_that_shrinks_while_being_read_hides_nothing(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    github.write(comment())
    added = [fake.add_comment(REPOSITORY, 1, f"Remark {number}", at=AT)["id"] for number in range(300)]
    fake.before_each(lambda _: fake.repository(REPOSITORY).comments.remove(added.pop()))

    found = github.find(comment())

    assert found is not None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("acme/other/issues/1", r"acme/other is not among .*config\.repositories \(acme/portal\)"),
        ("acme/portal/issues/1/../../../user", "is not of the form owner/repo/issues/12"),
        ("acme/portal/pull/1", "is not of the form owner/repo/issues/12"),
        ("acme/portal/issues/0", "is not of the form owner/repo/issues/12"),
        (None, "is not of the form owner/repo/issues/12"),
    ],
)
def test_wrong_target_is_refused_before_anything_is_sent(
    fake: Fake, github: GitHub, target: str | None, message: str
) -> None:
    fake.add_repository("acme/other")

    with pytest.raises(RejectedError, match=message):
        github.write(comment(target=target))

    assert fake.calls == []


def test_issue_that_is_gone_rejects_the_comment(github: GitHub) -> None:
    with pytest.raises(RejectedError, match="404: Not Found"):
        github.write(comment())


def test_refusal_says_which_field_and_why(github: GitHub, issue: dict[str, Any]) -> None:
    with pytest.raises(RejectedError, match="422: Validation Failed: data unprocessable Body is too long"):
        github.write(comment("x" * 65_600))


def test_longest_text_that_the_spec_allows_is_accepted(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    limit = github.spec.operation("create_comment").max_bytes or 0

    github.write(comment("x" * limit, key="k" * 255))

    assert len(bodies(fake)) == 1


def test_writes_are_a_second_apart(
    fake: Fake, connect: Any, clock: Clock, paced: ConnectorContext, issue: dict[str, Any]
) -> None:
    github = connect(context=paced)

    for number in range(3):
        github.write(comment(key=str(number)))

    assert clock.waits == [1.0, 1.0]


def update(**payload: Any) -> Command:
    return Command("update_issue", KEY, payload, TARGET)


def test_issue_is_closed_with_its_reason(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    receipt = github.write(update(state="closed", state_reason="not_planned"))

    row = fake.repository(REPOSITORY).issues.get(1) or {}
    assert (row["state"], row["state_reason"], row["closed_at"]) == ("closed", "not_planned", "2026-03-02T09:00:00Z")
    assert (receipt.remote_id, receipt.outcome) == (TARGET, Outcome.UPDATED)


def test_labels_assignees_and_milestone_are_set_in_full(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    fake.add_label(REPOSITORY, "blocked")
    fake.add_user(REPOSITORY, "maple")
    fake.add_milestone(REPOSITORY, "Beta")

    github.write(update(labels=["blocked"], assignees=["maple"], milestone=1))

    row = fake.repository(REPOSITORY).issues.get(1) or {}
    assert [label["name"] for label in row["labels"]] == ["blocked"]
    assert [user["login"] for user in row["assignees"]] == ["maple"]
    assert row["milestone"]["title"] == "Beta"
    assert fake.repository(REPOSITORY).milestones[1]["open_issues"] == 1


def test_fields_that_github_drops_without_a_word_are_named(fake: Fake, github: GitHub, issue: dict[str, Any]) -> None:
    fake.add_label(REPOSITORY, "blocked")
    fake.repository(REPOSITORY).row["permissions"]["push"] = False

    with pytest.raises(RejectedError, match="GitHub ignored labels; the token needs push rights"):
        github.write(update(title="New", labels=["blocked"]))


def test_state_that_does_not_exist_is_rejected(github: GitHub, issue: dict[str, Any]) -> None:
    with pytest.raises(RejectedError, match="422: Validation Failed: state invalid"):
        github.write(update(state="finished"))
