"""The grant of a self-built app, in both styles: three headers, or three fields of the body."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec

from connectors.fxiaoke.config import FxiaokeConfig, Style
from connectors.fxiaoke.errors import CODES, TOKEN_REFUSED, code_of, told_by, wait_for
from syncd.sdk import (
    AuthError,
    ConfigError,
    ConnectorContext,
    RateLimitedError,
    RenewableAuth,
    Token,
    TransientError,
    hide,
)

TRACE: Final = "thirdTraceId"
_PATHS: Final = {Style.HEADER: "/oauth2.0/token", Style.BODY: "/cgi/corpAccessToken/get/V2"}
_KEYS: Final = {Style.HEADER: ("accessToken", "ea"), Style.BODY: ("corpAccessToken", "corpId")}
# Ten token calls a minute. Source: openapi_v2, authentication, read through a public digest of September 2026.
_TOKEN_WINDOW_SECONDS: Final = 60.0
_LIFE_SECONDS: Final = 7200
_CRM: Final = "/cgi/crm/"


class _Envelope(msgspec.Struct, rename={"code": "errorCode"}):
    code: int | str | None = None


_read_envelope: Final = msgspec.json.Decoder(_Envelope).decode


def trace() -> dict[str, str]:
    """Return the query of a call: Fxiaoke wants each to carry an id that its support can look for."""
    return {TRACE: str(uuid.uuid4())}


class Grant:
    """The grant of one connection; token and tenant live in the context's token store."""

    def __init__(self, config: FxiaokeConfig, context: ConnectorContext) -> None:
        self._config = config
        self._context = context
        self._address = _checked_address(config, context)
        self._secret = config.app_secret.get_secret_value()
        self._code = config.permanent_code.get_secret_value()
        hide(self._secret)
        hide(self._code)
        self.auth = RenewableAuth(
            context.tokens,
            seed="\n".join((self._address, config.app_id, self._secret, self._code)),
            renew=self._request,
            parse=self._parse,
            now=context.now,
            is_refused=_is_refused,
            reads_success=True,
            sign=self._in_headers if config.style is Style.HEADER else self._in_body,
        )

    def _request(self, _: Token | None) -> httpx.Request:
        body = {"appId": self._config.app_id, "appSecret": self._secret, "permanentCode": self._code}
        if self._config.style is Style.HEADER:
            body["grantType"] = "app_secret"
        return httpx.Request("POST", self._address, params=trace(), json=body, headers={"Accept": "application/json"})

    def _parse(self, response: httpx.Response) -> Token:
        """Read the token answer: an error is a 200 as well."""
        body = msgspec.json.decode(response.content)
        if str(body["errorCode"]) != "0":
            raise self._refusal(code_of(body), body.get("errorMessage"))
        access, tenant = (body[key] for key in _KEYS[self._config.style])
        if not (isinstance(access, str) and isinstance(tenant, str) and access and tenant):
            raise ValueError("a token or a tenant is missing")
        seconds = int(body.get("expiresIn") or _LIFE_SECONDS)
        return Token(access, expires_at=self._context.now() + timedelta(seconds=seconds), tenant=tenant)

    def _refusal(self, code: str | None, message: Any) -> Exception:
        where = f"connections.{self._context.connection}.config"
        kind = CODES.get(code or "")
        if kind is RateLimitedError:
            wait = max(_TOKEN_WINDOW_SECONDS, wait_for(code, self._context.now()))
            text = "Fxiaoke gives no token now: ten calls a minute are allowed; another program may use the same app"
            return RateLimitedError(f"{text} (code {code})", retry_after=wait, code=code)
        if kind is TransientError:
            return TransientError(f"Fxiaoke's token endpoint is busy (code {code})", code=code)
        return AuthError(
            f"Fxiaoke refuses the app: code {code}: {told_by(code, message)}; check {where}.app_id, app_secret, "
            f"permanent_code and cloud ({self._config.cloud.value}), and that this machine's "
            "address is on the app's white list",
            code=code,
        )

    def _in_headers(self, request: httpx.Request, token: Token) -> httpx.Request:
        hide(token.access)
        request.headers["authorization"] = f"Bearer {token.access}"
        request.headers["x-fs-ea"] = token.tenant
        request.headers["x-fs-userid"] = self._config.acting_user
        return request

    def _in_body(self, request: httpx.Request, token: Token) -> httpx.Request:
        """Return the request with the token in its body; the directory knows no acting user."""
        hide(token.access)
        body = msgspec.json.decode(request.content) | {"corpAccessToken": token.access, "corpId": token.tenant}
        if request.url.path.startswith(_CRM):
            body["currentOpenUserId"] = self._config.acting_user
        headers = httpx.Headers(request.headers)
        headers.pop("content-length", None)
        return httpx.Request(
            request.method,
            request.url,
            headers=headers,
            content=msgspec.json.encode(body),
            extensions=request.extensions,
        )


def _is_refused(response: httpx.Response) -> bool:
    """Only a bad token is worth a new one: new ones are rationed."""
    try:
        code = _read_envelope(response.content).code
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return str(code) in TOKEN_REFUSED


def _checked_address(config: FxiaokeConfig, context: ConnectorContext) -> str:
    """Return the token address; the secrets that go there do so in clear text only to a host that is ours."""
    url = httpx.URL(f"{config.address}{_PATHS[config.style]}")
    if url.scheme != "https" and not (context.guard.allows(url.host) or context.transport):
        raise ConfigError(
            f"connections.{context.connection}.config.base_url: {url.host} would get secrets in clear text; "
            "use https, or name the host under allow_private_hosts of the connection if it is yours"
        )
    return str(url)
