"""What `syncd check` learns from Zoho."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.zoho_crm import ZohoCrm
from connectors.zoho_crm.fake import Fake
from connectors.zoho_crm.fake_base import ALL_SCOPES, failure

Connect = Callable[..., ZohoCrm]


def test_check_names_user_and_organisation_in_six_requests(fake: Fake, crm: ZohoCrm) -> None:
    identity = crm.check()

    assert (identity.name, identity.tenant) == ("Ann Lee", "Lighthouse 灯塔科技")
    assert identity.missing == ()
    assert identity.quota_left is None
    assert identity.clock_skew_seconds is not None
    assert len(fake.calls) == 6


def test_check_tells_the_credits_that_are_left(fake: Fake, crm: ZohoCrm) -> None:
    fake.credits_left = 2_345

    assert crm.check().quota_left == 2_345


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("ZohoCRM.users.READ", "users: scope ZohoCRM.users.READ"),
        ("ZohoCRM.org.READ", "organisation: scope ZohoCRM.org.READ"),
        ("ZohoCRM.coql.READ", "create_task: scope ZohoCRM.coql.READ with ZohoCRM.modules.tasks.READ"),
    ],
)
def test_missing_scope_is_named_with_what_needs_it(fake: Fake, crm: ZohoCrm, gone: str, expected: str) -> None:
    fake.scopes = set(ALL_SCOPES - {gone})

    [missing] = crm.check().missing

    assert missing.startswith(expected)


def test_missing_module_scopes_are_named_once_each(fake: Fake, crm: ZohoCrm) -> None:
    fake.scopes = set(ALL_SCOPES - {"ZohoCRM.modules.ALL"}) | {"ZohoCRM.modules.Tasks.READ"}

    missing = crm.check().missing

    assert [line.split(":")[0] for line in missing] == ["accounts", "notes", "contacts", "deals"]


def test_module_scopes_are_not_guessed_when_the_token_answer_names_none(fake: Fake, crm: ZohoCrm) -> None:
    fake.tells_scopes = False
    fake.scopes = set(ALL_SCOPES - {"ZohoCRM.modules.ALL"}) | {"ZohoCRM.modules.tasks.ALL"}

    missing = crm.check().missing

    assert [line.split(":")[0] for line in missing] == ["accounts", "notes"]


def test_right_to_list_all_notes_is_named(fake: Fake, crm: ZohoCrm) -> None:
    fake.is_admin = False

    [missing] = crm.check().missing

    assert missing == "notes: scope ZohoCRM.modules.notes.READ and a user with an administrator's profile"


@pytest.mark.parametrize("refusal", [(400, "AUTHORIZATION_FAILED"), (403, "NO_PERMISSION")])
def test_right_to_see_deletions_is_named(
    fake: Fake, crm: ZohoCrm, refusal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = fake._dispatch
    answer = failure(refusal[0], refusal[1], "no")
    monkeypatch.setattr(fake, "_dispatch", lambda r: answer if r.path.endswith("/deleted") else dispatch(r))

    [missing] = crm.check().missing

    assert missing.startswith("accounts: scope ZohoCRM.modules.accounts.READ and the profile's right to see deleted")


def test_field_that_does_not_exist_is_noted(fake: Fake, connect: Connect) -> None:
    fake.add_field("Deals", "Project_Key")

    identity = connect(fields={"Deals": ["Project_Key", "Projekt"]}).check()

    assert identity.notes == ("fields.Deals: 'Projekt' is not a field of this organisation",)


def test_other_environment_than_production_is_noted(connect: Connect) -> None:
    identity = connect(environment="sandbox").check()

    assert identity.notes == ("environment sandbox: not the live organisation",)
