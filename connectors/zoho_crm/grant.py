"""The OAuth grant: a refresh token of the configuration, access tokens of one hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec

from connectors.zoho_crm.config import ZohoCrmConfig
from connectors.zoho_crm.errors import GRANT_REFUSED, failure_of
from syncd.sdk import AuthError, ConfigError, ConnectorContext, RateLimitedError, RenewableAuth, Token, hide

# Ten new access tokens per refresh token in ten minutes; asking again earlier only prolongs the refusal.
# Source: Zoho CRM API v8, token validity, read 2026-11-21.
_TOKEN_WINDOW_SECONDS: Final = 600.0
_HOUR: Final = 3600
_NOTHING: Final = "no access_token in the answer"


class Grant:
    """The grant of one connection; its access token lives in the context's token store.

    `scopes` are those of the latest renewal in this process, None when Zoho did not name them or there was none.
    """

    def __init__(self, config: ZohoCrmConfig, context: ConnectorContext) -> None:
        self._config = config
        self._context = context
        self._refresh_token = config.refresh_token.get_secret_value()
        self._address = _checked_address(config, context)
        self.scopes: frozenset[str] | None = None
        hide(self._refresh_token)
        hide(config.client_secret.get_secret_value())
        self.auth = RenewableAuth(
            context.tokens,
            seed=f"{config.client_id}\n{self._refresh_token}\n{self._address}",
            renew=self._request,
            parse=self._parse,
            now=context.now,
            scheme="Zoho-oauthtoken",
            is_refused=_is_refused,
        )

    def _request(self, _: Token | None) -> httpx.Request:
        """Build the renewal; Zoho never replaces the refresh token, so the configured one stays in use."""
        return httpx.Request(
            "POST",
            self._address,
            data={
                "grant_type": "refresh_token",
                "client_id": self._config.client_id,
                "client_secret": self._config.client_secret.get_secret_value(),
                "refresh_token": self._refresh_token,
            },
            headers={"Accept": "application/json"},
        )

    def _parse(self, response: httpx.Response) -> Token:
        """Read the token answer; Zoho puts its errors into a 200."""
        body = msgspec.json.decode(response.content)
        access = body.get("access_token")
        if not isinstance(access, str) or not access:
            raise _refusal(str(body.get("error") or _NOTHING), self._config, self._context)
        if isinstance(scope := body.get("scope"), str) and scope:
            self.scopes = frozenset(scope.replace(",", " ").split())
        seconds = int(body.get("expires_in") or _HOUR)
        return Token(access=access, expires_at=self._context.now() + timedelta(seconds=seconds))


def _is_refused(response: httpx.Response) -> bool:
    """Only a bad token is worth a new one: a missing scope is a 401 too, and new tokens are rationed."""
    if response.status_code != 401:
        return False
    failure = failure_of(_decoded(response))
    return failure is None or failure.get("code") in GRANT_REFUSED


def _checked_address(config: ZohoCrmConfig, context: ConnectorContext) -> str:
    """Return the token address; the secrets that go there do so in clear text only to a host that is ours."""
    url = httpx.URL(config.token_url)
    if url.scheme != "https" and not (context.guard.allows(url.host) or context.transport):
        raise ConfigError(
            f"connections.{context.connection}.config.accounts_url: {url.host} would get secrets in clear text; "
            "use https, or name the host under allow_private_hosts of the connection if it is yours"
        )
    return config.token_url


def _refusal(error: str, config: ZohoCrmConfig, context: ConnectorContext) -> Exception:
    where = f"connections.{context.connection}.config"
    centre = f"data_center {config.data_center.value!r}, environment {config.environment.value!r}"
    if error.lower() == "access denied":
        return RateLimitedError(
            "Zoho gives no further access token now: ten in ten minutes are allowed for one refresh token; "
            "another program may be using the same one",
            retry_after=_TOKEN_WINDOW_SECONDS,
            code=error,
        )
    match error:
        case "invalid_code" | "invalid_grant":
            return AuthError(
                f"Zoho refuses the refresh token ({error}): it was revoked, replaced by the 21st newer one, or "
                f"belongs to another data centre than {centre}; "
                f"make a new one in the API console and set {where}.refresh_token",
                code=error,
            )
        case "invalid_client" | "invalid_client_secret":
            return AuthError(
                f"Zoho does not know this client ({error}) in {centre}; "
                f"check {where}.client_id, client_secret and data_center",
                code=error,
            )
        case _:
            return AuthError(f"Zoho refuses to renew the grant ({error[:80]}); check {where} ({centre})", code=error)


def _decoded(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
