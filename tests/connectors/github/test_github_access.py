"""`check`: who we are, what is missing; and which refusal means what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.github import GitHub
from connectors.github.fake import Fake
from syncd.sdk import AuthError, ContractError, RateLimitedError
from syncd.sdk.fake import Fault
from syncd.sdk.testing import Clock

REPOSITORY = "acme/portal"


def read(github: GitHub, stream: str = "issues") -> list[Any]:
    return list(github.read(stream, None, partition=REPOSITORY))


def test_login_quota_and_repositories_are_told(fake: Fake, github: GitHub) -> None:
    identity = github.check()

    assert (identity.name, identity.tenant, identity.missing) == ("syncd-bot", "acme/portal", ())
    assert identity.quota_left == 4998
    assert identity.clock_skew_seconds is not None
    assert [call.path for call in fake.calls] == ["/user", "/repos/acme/portal"]


def test_repository_that_cannot_be_seen_is_missing(connect: Any) -> None:
    identity = connect(REPOSITORY, "acme/secret").check()

    assert identity.missing == ("acme/secret: it does not exist, or the token may not see it (404)",)


@pytest.mark.parametrize(
    ("fields", "scopes", "missing"),
    [
        ({"has_issues": False}, "repo", "acme/portal: issues are switched off, so that its lists cannot be read"),
        ({"archived": True}, "repo", "acme/portal: archived, so that nothing can be written"),
        ({}, "public_repo", "acme/portal: the token's scope repo is missing, so that nothing can be written"),
        (
            {"private": False},
            "read:user",
            "acme/portal: the token's scope repo or public_repo is missing, so that nothing can be written",
        ),
    ],
)
def test_missing_right_is_named(fake: Fake, github: GitHub, fields: dict[str, Any], scopes: str, missing: str) -> None:
    fake.scopes = scopes
    fake.repository(REPOSITORY).row |= fields

    assert github.check().missing == (missing,)


def test_public_repository_needs_the_public_scope_alone(fake: Fake, github: GitHub) -> None:
    fake.scopes = "public_repo, read:org"
    fake.repository(REPOSITORY).row["private"] = False

    assert github.check().missing == ()


def test_rights_that_github_does_not_tell_are_a_note(fake: Fake, github: GitHub) -> None:
    fake.scopes = None

    identity = github.check()

    assert identity.missing == ()
    assert identity.notes == ("GitHub does not tell the rights of this token; to comment it needs `Issues: write`",)


def test_missing_push_right_is_a_note(fake: Fake, github: GitHub) -> None:
    fake.repository(REPOSITORY).row["permissions"]["push"] = False

    assert github.check().notes == (
        "acme/portal: no push right, so that update_issue cannot set labels, assignees or a milestone",
    )


def test_renamed_repository_is_named(fake: Fake, github: GitHub) -> None:
    fake.rename_repository(REPOSITORY, "acme/client-portal")

    assert github.check().notes == (
        "acme/portal is now acme/client-portal: write the new name under config.repositories",
    )


def test_token_of_an_app_is_checked_by_its_repositories(fake: Fake, github: GitHub) -> None:
    fake.misbehave(Fault.FORBIDDEN, path="^/user$")

    identity = github.check()

    assert (identity.name, identity.missing) == ("an app's installation", ())


def test_used_up_primary_limit_is_waited_for(fake: Fake, github: GitHub, clock: Clock) -> None:
    fake.add_issue(REPOSITORY, "Login")
    fake.exhaust(seconds=40.0)

    pages = read(github)

    assert len(pages[0].records) == 1
    assert 38.0 <= sum(clock.waits) <= 45.0


def test_limit_that_lasts_too_long_is_left_to_the_next_run(fake: Fake, github: GitHub) -> None:
    fake.exhaust(seconds=1800.0)

    with pytest.raises(RateLimitedError) as caught:
        read(github)

    assert 1790.0 <= (caught.value.retry_after or 0.0) <= 1800.0


def test_secondary_limit_without_a_header_waits_a_minute(fake: Fake, github: GitHub, clock: Clock) -> None:
    fake.misbehave(Fault.RATE_LIMITED_SILENT)

    read(github)

    assert 60.0 <= sum(clock.waits) <= 75.0


def test_forbidden_without_a_sign_of_a_limit_is_a_missing_right(fake: Fake, github: GitHub, clock: Clock) -> None:
    fake.misbehave(Fault.FORBIDDEN)

    with pytest.raises(AuthError, match="Resource not accessible by personal access token"):
        read(github)

    assert clock.waits == []


def test_issues_switched_off_stop_the_stream(fake: Fake, github: GitHub) -> None:
    fake.repository(REPOSITORY).row["has_issues"] = False

    with pytest.raises(ContractError, match="410: Issues has been disabled"):
        read(github)


def test_wrong_token_is_an_auth_error(fake: Fake, github: GitHub) -> None:
    fake.token = "another"

    with pytest.raises(AuthError, match="401: Bad credentials"):
        github.check()


def test_date_of_the_answers_is_the_vendors_clock(fake: Fake, github: GitHub, clock: Clock) -> None:
    fake.set_clock(clock.now() + timedelta(seconds=90))

    identity = github.check()

    assert identity.clock_skew_seconds == 90.0
