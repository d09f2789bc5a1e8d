"""The grant of Zoho: where it comes from, how it is renewed, what each refusal says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from connectors.zoho_crm import ZohoCrm, ZohoCrmConfig
from connectors.zoho_crm.fake import Fake
from syncd.sdk import AddressGuard, AuthError, ConfigError, RateLimitedError
from syncd.sdk.fake import Answer, Request
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., ZohoCrm]
SECRETS = {"client_id": "1000.A", "client_secret": "s", "refresh_token": "r"}


@pytest.mark.parametrize(
    ("center", "api", "token"),
    [
        ("us", "https://www.zohoapis.com", "https://accounts.zoho.com/oauth/v2/token"),
        ("eu", "https://www.zohoapis.eu", "https://accounts.zoho.eu/oauth/v2/token"),
        ("in", "https://www.zohoapis.in", "https://accounts.zoho.in/oauth/v2/token"),
        ("au", "https://www.zohoapis.com.au", "https://accounts.zoho.com.au/oauth/v2/token"),
        ("cn", "https://www.zohoapis.com.cn", "https://accounts.zoho.com.cn/oauth/v2/token"),
        ("jp", "https://www.zohoapis.jp", "https://accounts.zoho.jp/oauth/v2/token"),
        ("ca", "https://www.zohoapis.ca", "https://accounts.zohocloud.ca/oauth/v2/token"),
        ("sa", "https://www.zohoapis.sa", "https://accounts.zoho.sa/oauth/v2/token"),
    ],
)
def test_data_center_gives_both_hosts(center: str, api: str, token: str) -> None:
    config = ZohoCrmConfig.model_validate({**SECRETS, "data_center": center})

    assert (config.api_base, config.token_url) == (api, token)


@pytest.mark.parametrize(
    ("environment", "api"),
    [("sandbox", "https://sandbox.zohoapis.eu"), ("developer", "https://developer.zohoapis.eu")],
)
def test_environment_changes_the_api_host_alone(environment: str, api: str) -> None:
    config = ZohoCrmConfig.model_validate({**SECRETS, "data_center": "eu", "environment": environment})

    assert (config.api_base, config.token_url) == (api, "https://accounts.zoho.eu/oauth/v2/token")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"data_center": "uk"}, "data_center"),
        ({"version": "v2"}, "version"),
        ({"api_url": "www.zohoapis.com"}, "is not an address such as"),
        ({"fields": {"Leads": ["Company"]}}, "fields.Leads"),
        ({"fields": {"Deals": ["a b"]}}, "fields.Deals.0"),
        ({"fields": {"Deals": [f"F{number}" for number in range(40)]}}, "Zoho gives 50 at most"),
        ({"trigger": ["mail"]}, "trigger.0"),
    ],
)
def test_wrong_configuration_is_named(wrong: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ZohoCrmConfig.model_validate({**SECRETS, **wrong})

    assert expected in str(caught.value)


def test_grant_survives_a_restart(fake: Fake, clock: Clock) -> None:
    context = context_for(clock)

    for _ in range(3):
        crm = ZohoCrm(ZohoCrmConfig(**fake.config()), context=context)
        list(crm.read("accounts", None))
        crm.close()

    assert fake.count("/oauth/v2/token") == 1


def test_grant_is_renewed_before_its_hour_is_over(fake: Fake, clock: Clock, crm: ZohoCrm) -> None:
    list(crm.read("accounts", None))
    clock.wait(timedelta(minutes=59, seconds=30).total_seconds())

    list(crm.read("accounts", None))

    assert fake.count("/oauth/v2/token") == 2
    assert {call.status for call in fake.calls if "Accounts" in call.path} == {204}


def test_token_revoked_at_zoho_is_renewed_once(fake: Fake, crm: ZohoCrm) -> None:
    list(crm.read("accounts", None))
    fake.revoke_access()

    list(crm.read("accounts", None))

    assert fake.count("/oauth/v2/token") == 2


def test_authentication_failure_is_renewed_too(fake: Fake, crm: ZohoCrm, monkeypatch: pytest.MonkeyPatch) -> None:
    def expired() -> Answer:
        return Answer(401, {"code": "AUTHENTICATION_FAILURE", "details": {}, "message": "failed", "status": "error"})

    monkeypatch.setattr(fake, "expired", expired)
    list(crm.read("accounts", None))
    fake.revoke_access()

    list(crm.read("accounts", None))

    assert fake.count("/oauth/v2/token") == 2


def test_too_many_tokens_wait_ten_minutes_and_are_not_asked_for_again(fake: Fake, clock: Clock, crm: ZohoCrm) -> None:
    for _ in range(10):
        fake.revoke_access()
        list(crm.read("notes", None))
    fake.revoke_access()

    with pytest.raises(RateLimitedError, match="ten in ten minutes") as caught:
        list(crm.read("notes", None))

    assert caught.value.retry_after == 600.0
    assert fake.count("/oauth/v2/token") == 11
    assert clock.waits == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"refresh_token": "1000.revoked"}, r"connections\.contract_case\.config\.refresh_token"),
        ({"client_secret": "other"}, r"data_center 'us'.*client_id, client_secret and data_center"),
    ],
)
def test_refused_credentials_name_the_way_out(connect: Connect, change: dict[str, str], expected: str) -> None:
    with pytest.raises(AuthError, match=expected):
        connect(**change).check()


@pytest.mark.parametrize("body", [{}, {"error": "general_error"}, {"status": "ok", "access_token": ""}])
def test_answer_without_a_token_is_an_auth_error(
    fake: Fake, crm: ZohoCrm, body: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(request: Request) -> tuple[Answer, None]:
        return Answer(200, body), None

    monkeypatch.setattr(fake, "handle", handle)

    with pytest.raises(AuthError, match=r"check connections\.contract_case\.config"):
        crm.check()


def test_secrets_never_go_to_a_foreign_host_in_clear_text(fake: Fake, clock: Clock) -> None:
    config = ZohoCrmConfig(**{**fake.config(), "api_url": None})
    context = replace(context_for(clock), guard=AddressGuard())

    with pytest.raises(ConfigError, match=r"config\.accounts_url: 127\.0\.0\.1 would get secrets in clear text"):
        ZohoCrm(config, context=context)
