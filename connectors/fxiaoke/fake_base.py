"""What the parts of the fake share: login in both styles, quotas, and Fxiaoke's way of saying no inside a 200."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar, Final

from syncd.sdk.fake import Answer, FakeServer, Request, route

APP_ID: Final = "FSAID_fake01"
APP_SECRET: Final = "fake-app-secret"  # noqa: S105 - opens nothing but the fake
PERMANENT_CODE: Final = "fake-permanent-code"
CORP_ID: Final = "FSCID_FAKE01"
ENTERPRISE: Final = "fake8899"
TRACED: Final = frozenset({"thirdTraceId"})
LOGIN: Final = frozenset({"corpAccessToken", "corpId", "currentOpenUserId"})
_SAME_FOR: Final = timedelta(seconds=6600)
_LIFE: Final = timedelta(seconds=7200)
_CALLS: Final = 100
_WINDOW: Final = timedelta(seconds=20)
_TOKEN_CALLS: Final = 10
_TOKEN_WINDOW: Final = timedelta(minutes=1)
_RULE_BROKEN: Final = 320001  # the fake's own: Fxiaoke does not document the codes of its business rules


class FakeBase(FakeServer):
    """Login and limits. `calls_left` is the day's quota (None = plenty), `has_pack` whether the tenant bought one.

    The code of too many token calls is assumed to be 14001, as is that the same token tells its remaining life.
    """

    public_paths: ClassVar[tuple[str, ...]] = (r"/oauth2\.0/token", "/cgi/corpAccessToken/get/V2")

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {}
        self.crm_ids: dict[str, str] = {}
        self.calls_left: int | None = None
        self.has_pack = True
        self.limit_code = 14001
        self.styles: list[str] = []
        self._tokens: list[tuple[str, datetime]] = []
        self._token_calls: list[datetime] = []
        self._starts: dict[str, list[datetime]] = {}
        self._traces = count(1)

    # -- login ------------------------------------------------------------------------------------------------

    @route(
        "POST",
        r"/oauth2\.0/token",
        params=TRACED,
        body=frozenset({"appId", "appSecret", "permanentCode", "grantType"}),
        changes_nothing=True,
    )
    def header_token(self, request: Request) -> Answer:
        """Give a token for the header style."""
        if request.body.get("grantType") != "app_secret":
            return self.fail(10006, "the parameter grantType is missing or illegal")
        refused, token, left = self._token(request)
        keys = {"openUserId": CORP_ID, "accessToken": token, "expiresIn": left, "appId": APP_ID, "ea": ENTERPRISE}
        return refused or self.ok(**keys)

    @route(
        "POST",
        "/cgi/corpAccessToken/get/V2",
        params=TRACED,
        body=frozenset({"appId", "appSecret", "permanentCode"}),
        changes_nothing=True,
    )
    def body_token(self, request: Request) -> Answer:
        """Give a token for the body style."""
        refused, token, left = self._token(request)
        return refused or self.ok(corpAccessToken=token, corpId=CORP_ID, expiresIn=left)

    def _token(self, request: Request) -> tuple[Answer | None, str, int]:
        """Return a refusal or the token with its seconds left; within 6,600 s it is the same one."""
        now, body = self.now(), request.body
        self._token_calls = [at for at in self._token_calls if at > now - _TOKEN_WINDOW]
        if len(self._token_calls) >= _TOKEN_CALLS:
            return self.fail(14001, "call limit exceeded"), "", 0
        self._token_calls.append(now)
        if body.get("appId") != APP_ID or body.get("appSecret") != APP_SECRET:
            return self.fail(10006, "the parameter appSecret is missing or illegal"), "", 0
        if body.get("permanentCode") != PERMANENT_CODE:
            return self.fail(20015, "permanentCode is wrong"), "", 0
        if not self._tokens or self._tokens[-1][1] <= now - _SAME_FOR:
            self._tokens = [*self._tokens[-1:], (secrets.token_hex(16).upper(), now)]
        token, issued = self._tokens[-1]
        return None, token, int((issued + _LIFE - now).total_seconds())

    def revoke_tokens(self) -> None:
        """End all tokens before their time."""
        with self.lock:
            self._tokens.clear()

    def authorize(self, request: Request) -> Answer | None:
        """Let in who shows a living token in one of the two styles, and is not too fast."""
        return self._unknown(request) or self._over_limit(request.path)

    def _unknown(self, request: Request) -> Answer | None:
        body = request.body if isinstance(request.body, Mapping) else {}
        if "authorization" in request.headers:
            scheme, _, token = request.headers["authorization"].partition(" ")
            tenant, user = request.headers.get("x-fs-ea"), request.headers.get("x-fs-userid")
            fits, known = scheme == "Bearer" and tenant == ENTERPRISE, user in self.crm_ids
            self.styles.append("header")
        elif "corpAccessToken" in body:
            token, user = body["corpAccessToken"], body.get("currentOpenUserId")
            fits, known = body.get("corpId") == CORP_ID, user in self.users or not request.path.startswith("/cgi/crm/")
            self.styles.append("body")
        else:
            return self.fail(20017, "corpAccessToken is required")
        living = {token for token, issued in self._tokens if issued + _LIFE > self.now()}
        if not fits or token not in living:
            return self.expired()
        return None if known else self.fail(20012, "user not found")

    def _over_limit(self, path: str) -> Answer | None:
        if not self.has_pack:
            return self.fail(30003, "no OpenAPI quota")
        if self.calls_left is not None:
            if self.calls_left <= 0:
                return self.fail(30002, "daily quota used up")
            self.calls_left -= 1
        now = self.now()
        recent = [at for at in self._starts.get(path, ()) if at > now - _WINDOW]
        self._starts[path] = [*recent, now]
        return self.rate_limited({}) if len(recent) >= _CALLS else None

    # -- Fxiaoke's dialect ------------------------------------------------------------------------------------

    def ok(self, **keys: Any) -> Answer:
        """Return a success with these keys at its top."""
        return Answer(200, {**self._envelope(0, "OK"), "errorDescription": "success", **keys})

    def fail(self, code: int, message: str) -> Answer:
        """Return an error: status 200, like everything here."""
        return Answer(200, {**self._envelope(code, message), "errorDescription": message})

    def broken_rule(self, message: str) -> Answer:
        """Return the refusal of a business rule; real codes are not documented, so it has one of its own."""
        return self.fail(_RULE_BROKEN, message)

    def _envelope(self, code: int, message: str) -> dict[str, Any]:
        return {"traceId": f"E-O.fake.{next(self._traces):06d}", "errorCode": code, "errorMessage": message}

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return what Fxiaoke answers to a path or parameter that it does not know."""
        return self.fail(int(code or (10006 if status in (404, 410) else 12004)), message)

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Return Fxiaoke's answer to too many calls; the header is the suite's, Fxiaoke sends none."""
        answer = self.fail(self.limit_code, "call limit exceeded")
        return Answer(answer.status, answer.body, headers)

    def expired(self) -> Answer:
        """Return Fxiaoke's answer to a token that is not valid."""
        return self.fail(20016, "the cropId,cropAccessToken or authorization is error")

    def forbidden(self) -> Answer:
        """Return Fxiaoke's answer to an app without access."""
        return self.fail(15003, "the app has no access")

    def error_in_200(self) -> Answer:
        """Return a passing fault inside a 200."""
        return self.fail(50009, "system busy")

    def server_error(self) -> Answer:
        """Return the bare fault of the gateway."""
        return Answer(500, {"errorMessage": "Internal Server Error"})
