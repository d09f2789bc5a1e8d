"""What `check` says: who we are, and what is missing, by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.redmine import RedmineConfig
from connectors.redmine.fake import Fake
from connectors.redmine.rest import Row
from syncd.sdk import AuthError, ConfigError


def test_administrator_lacks_nothing(fake: Fake, portal: Row, connect_fake: Any) -> None:
    identity = connect_fake("portal").check()

    assert (identity.name, identity.tenant, identity.missing, identity.notes) == ("syncd", "portal", (), ())
    assert identity.clock_skew_seconds == pytest.approx(0, abs=1)


def test_rights_that_no_role_has_are_named(fake: Fake, portal: Row, connect_fake: Any) -> None:
    fake.restrict("view_issues")
    fake.add_member(portal, fake.me)

    identity = connect_fake("portal").check()

    assert identity.missing == (
        "portal: no role of ours has Add notes, so that nothing can be commented",
        "portal: no role of ours has Edit issues, so that update_issue changes nothing",
    )
    assert identity.notes == (
        "not an administrator: users are the members of the projects, custom_fields cannot be read",
    )


def test_projects_that_cannot_be_read_are_named(fake: Fake, portal: Row, connect_fake: Any) -> None:
    fake.add_project("archived", "Archived", status=9)
    fake.add_project("old", "Old", status=5)
    wiki = fake.add_project("wiki", "Wiki")
    fake.book.modules[wiki["id"]] = ("wiki",)

    identity = connect_fake("portal", "archived", "old", "wiki", "nowhere").check()

    assert identity.missing == (
        "archived: it does not exist, is archived, or the user may not see it (403)",
        "wiki: issue tracking is switched off, so that its lists cannot be read",
        "nowhere: it does not exist, is archived, or the user may not see it (404)",
    )
    assert identity.notes == ("old: closed, so that nothing can be written",)


def test_project_that_we_are_no_member_of_is_named(fake: Fake, portal: Row, connect_fake: Any) -> None:
    fake.restrict("view_issues", "edit_issues", "add_issue_notes")

    assert connect_fake("portal").check().missing == ("portal: syncd is not a member",)


def test_key_that_is_not_known_says_where_to_look(fake: Fake, connect_fake: Any) -> None:
    with pytest.raises(AuthError, match=r"its user is locked, or the REST web service is switched off"):
        connect_fake(key="nobody-knows").check()


@pytest.mark.parametrize("key", ["two words", "密钥", "line\nbreak"])
def test_key_that_cannot_stand_in_a_header_is_refused_without_showing_it(connect_fake: Any, key: str) -> None:
    with pytest.raises(ConfigError, match="contract_case: the API key is empty or holds a space") as caught:
        connect_fake(key=key)

    assert key not in str(caught.value)


@pytest.mark.parametrize("name", ["12", "Portal", "a/b", "a.b", "", "x" * 101])
def test_identifier_that_redmine_would_not_give_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"projects\.0"):
        RedmineConfig.model_validate({"base_url": "https://redmine.test", "api_key": "k", "projects": [name]})


@pytest.mark.parametrize("name", ["portal", "12a", "a-1_b", "2026-x"])
def test_identifier_that_redmine_gives_is_taken(name: str) -> None:
    config = RedmineConfig.model_validate({"base_url": "https://redmine.test", "api_key": "k", "projects": [name]})

    assert config.projects == (name,)


def test_project_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="named more than once: portal"):
        RedmineConfig.model_validate(
            {"base_url": "https://redmine.test", "api_key": "k", "projects": ["portal", "portal"]}
        )
