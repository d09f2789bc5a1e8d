"""The grant of Fxiaoke: six clouds, two styles, rationed tokens, and what each refusal says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.fxiaoke import Fxiaoke, FxiaokeConfig
from connectors.fxiaoke.fake import Fake
from syncd.sdk import AddressGuard, AuthError, ConfigError, RateLimitedError, TransientError
from syncd.sdk.fake import Fault, Request
from syncd.sdk.testing import Clock, context_for

Connect = Callable[..., Fxiaoke]
APP = {"app_id": "FSAID_1", "app_secret": "s", "permanent_code": "c", "acting_user": "1000"}
TOKEN_CALLS = r"/oauth2\.0/token|corpAccessToken"


@pytest.mark.parametrize(
    ("cloud", "address"),
    [
        ("fxiaoke", "https://open.fxiaoke.com"),
        ("huawei", "https://open-hwcloud.fxiaoke.com"),
        ("aliyun", "https://open-ale.fxiaoke.com"),
        ("hong_kong", "https://open-ksc.sharecrm.com"),
        ("frankfurt", "https://open-hws.fxiaoke.com"),
        ("north_america", "https://open-na.sharecrm.com"),
    ],
)
def test_cloud_gives_the_address(cloud: str, address: str) -> None:
    assert FxiaokeConfig.model_validate({**APP, "cloud": cloud}).address == address


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"cloud": "aws"}, "cloud"),
        ({"style": "body"}, "with style 'body' give its FSUID_"),
        ({"acting_user": "FSUID_1"}, "with style 'header' give its CRM id such as 1000"),
        ({"base_url": "open.fxiaoke.com"}, "is not an address such as https://open.fxiaoke.com"),
        ({"objects": ["Project"]}, "objects.0"),
        ({"objects": ["AccountObj"]}, "objects: 'AccountObj' has a stream of its own"),
        ({"objects": ["CasesObj", "CasesObj"]}, "objects: a name stands there twice"),
        ({"opportunity_object": "DealObj"}, "opportunity_object"),
        ({"key_field": "a b"}, "key_field"),
        ({"owner": "1000"}, "owner"),
    ],
)
def test_wrong_configuration_is_named(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FxiaokeConfig.model_validate({**APP, **wrong})

    assert expected in str(caught.value)


def test_header_style_shows_token_tenant_and_user_in_headers(fake: Fake, crm: Fxiaoke) -> None:
    seen: list[Request] = []
    fake.before_each(seen.append)

    list(crm.read("accounts", None))

    login, query = seen
    assert (login.path, login.body["grantType"]) == ("/oauth2.0/token", "app_secret")
    assert query.headers["authorization"].startswith("Bearer ")
    assert (query.headers["x-fs-ea"], query.headers["x-fs-userid"]) == ("fake8899", "1000")
    assert set(query.body) == {"convertUserId", "includeNull", "data"}


def test_body_style_shows_the_acting_user_to_the_crm_and_not_to_the_directory(fake: Fake, connect: Connect) -> None:
    crm = connect(style="body")
    seen: list[Request] = []
    fake.before_each(seen.append)

    list(crm.read("accounts", None))
    list(crm.read("users", None))

    login, query, users = seen
    assert (login.path, set(login.body)) == (
        "/cgi/corpAccessToken/get/V2",
        {"appId", "appSecret", "permanentCode"},
    )
    assert (query.body["corpId"], query.body["currentOpenUserId"]) == ("FSCID_FAKE01", fake.admin)
    assert {"corpAccessToken", "corpId"} <= set(users.body)
    assert "currentOpenUserId" not in users.body
    assert ["authorization" in request.headers for request in seen] == [False, False, False]


def test_every_call_has_a_trace_id_of_its_own(fake: Fake, crm: Fxiaoke) -> None:
    for _ in range(3):
        list(crm.read("accounts", None))

    traces = [call.query["thirdTraceId"] for call in fake.calls]
    assert len(set(traces)) == 4


@pytest.mark.parametrize("style", ["header", "body"])
def test_grant_survives_a_restart_with_its_tenant(fake: Fake, clock: Clock, style: str) -> None:
    context = context_for(clock)

    for _ in range(3):
        crm = Fxiaoke(FxiaokeConfig.model_validate(fake.config(style=style)), context=context)
        list(crm.read("accounts", None))
        crm.close()

    assert fake.count(TOKEN_CALLS) == 1


def test_other_style_asks_for_a_grant_of_its_own(fake: Fake, clock: Clock) -> None:
    context = context_for(clock)

    for style in ("header", "body"):
        crm = Fxiaoke(FxiaokeConfig.model_validate(fake.config(style=style)), context=context)
        list(crm.read("accounts", None))
        crm.close()

    assert [call.path for call in fake.calls if not call.path.endswith("query")] == [
        "/oauth2.0/token",
        "/cgi/corpAccessToken/get/V2",
    ]


def test_token_is_renewed_before_its_end(fake: Fake, clock: Clock, crm: Fxiaoke) -> None:
    list(crm.read("accounts", None))
    clock.wait(timedelta(seconds=7150).total_seconds())

    list(crm.read("accounts", None))

    assert fake.count(TOKEN_CALLS) == 2


@pytest.mark.parametrize("style", ["header", "body"])
def test_token_that_ends_early_is_renewed_once(fake: Fake, connect: Connect, style: str) -> None:
    crm = connect(style=style)
    fake.add_account("澄远")
    list(crm.read("accounts", None))
    fake.revoke_tokens()

    [page] = crm.read("accounts", None)

    assert [record.data["name"] for record in page.records] == ["澄远"]
    assert fake.count(TOKEN_CALLS) == 2


def test_missing_right_costs_no_new_token(fake: Fake, crm: Fxiaoke) -> None:
    list(crm.read("accounts", None))
    fake.misbehave(Fault.FORBIDDEN)

    with pytest.raises(AuthError, match="let the tenant authorise it"):
        list(crm.read("accounts", None))

    assert fake.count(TOKEN_CALLS) == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"app_secret": "other-secret"}, r"code 10006.*check connections\.contract_case\.config\.app_id, app_secret"),
        ({"permanent_code": "other-code"}, r"code 20015.*permanent_code and cloud \(fxiaoke\)"),
    ],
)
def test_refused_app_is_an_auth_error_with_the_way_out(connect: Connect, wrong: dict[str, str], expected: str) -> None:
    with pytest.raises(AuthError, match=expected):
        connect(**wrong).check()


def test_unknown_acting_user_is_an_auth_error(connect: Connect) -> None:
    with pytest.raises(AuthError, match="acting_user is not an employee of this tenant"):
        connect(acting_user="1999").check()


def test_eleventh_token_in_a_minute_waits_a_minute(fake: Fake, clock: Clock, connect: Connect) -> None:
    for _ in range(10):
        list(connect().read("accounts", None))
    started = clock.monotonic()

    list(connect().read("accounts", None))

    assert 60.0 <= clock.monotonic() - started < 70.0


def test_tenant_without_a_quota_pack_is_told_to_buy_one(fake: Fake, crm: Fxiaoke) -> None:
    fake.has_pack = False

    with pytest.raises(AuthError, match="has to buy an OpenAPI quota pack"):
        crm.check()


def test_busy_token_endpoint_is_tried_again(fake: Fake, crm: Fxiaoke) -> None:
    fake.misbehave(Fault.ERROR_IN_200, path="token", times=2)

    [page] = crm.read("accounts", None)

    assert page.complete
    assert fake.count(TOKEN_CALLS) == 3


def test_token_answer_without_a_tenant_is_no_grant(fake: Fake, crm: Fxiaoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.fxiaoke.fake_base.ENTERPRISE", "")

    with pytest.raises(TransientError, match="something else than a grant"):
        crm.check()


def test_secrets_go_to_no_host_in_clear_text(fake: Fake, clock: Clock) -> None:
    config = FxiaokeConfig.model_validate({**fake.config(), "base_url": "http://open.fxiaoke.test"})

    with pytest.raises(ConfigError, match=r"config\.base_url: open\.fxiaoke\.test would get secrets in clear text"):
        Fxiaoke(config, context=context_for(clock, guard=AddressGuard()))


def test_used_up_day_waits_for_midnight_in_china(fake: Fake, crm: Fxiaoke) -> None:
    list(crm.read("accounts", None))
    fake.calls_left = 0

    with pytest.raises(RateLimitedError, match="another quota pack") as caught:
        list(crm.read("accounts", None))

    assert caught.value.retry_after == 7 * 3600  # it is 17:00 there
