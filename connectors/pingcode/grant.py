"""The enterprise token: client credentials, asked for by a GET that carries the secret in its query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import msgspec
from pydantic import SecretStr

from connectors.pingcode.dialect import code_of, moment
from syncd.sdk import (
    AuthError,
    ConnectorContext,
    ContractError,
    RenewableAuth,
    Token,
    TransientError,
)

_LONGEST_DURATION: Final = 10**9  # from here on `expires_in` is a point in time and no duration
_PATIENCE: Final = httpx.Timeout(30.0, connect=10.0)


def client_credentials(base_url: str, client_id: str, secret: SecretStr, context: ConnectorContext) -> RenewableAuth:
    """Return the authentication of an enterprise application; there is no refresh token, so it asks again."""
    url = f"{base_url.rstrip('/')}/v1/auth/token"

    def renew(_: Token | None) -> httpx.Request:
        params = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.get_secret_value(),
        }
        # A request made outside the client has no timeout of its own.
        extensions = {"timeout": _PATIENCE.as_dict()}
        return httpx.Request("GET", url, params=params, headers={"Accept": "application/json"}, extensions=extensions)

    return RenewableAuth(
        context.tokens,
        seed=f"{url} {client_id} {secret.get_secret_value()}",
        renew=renew,
        parse=lambda response: _token(response, context),
        now=context.now,
    )


def _token(response: httpx.Response, context: ConnectorContext) -> Token:
    """Read the grant. The vendor's message stays out of errors: it may echo the secret."""
    place = f"GET {response.url.host}{response.url.path}: {response.status_code}"
    body = _decoded(response)
    if response.status_code in (404, 410):
        raise ContractError(
            f"{place}: no token endpoint; set connections.{context.connection}.config.base_url to "
            "https://open.pingcode.com, or to https://<host>/open for a private deployment",
            status=response.status_code,
        )
    if response.status_code >= 400:
        raise AuthError(
            f"{place} code {code_of(body) or '?'}: the client credentials are refused; check client_id, client_secret "
            f"and scopes of connections.{context.connection} in PingCode's credential management",
            status=response.status_code,
            code=code_of(body),
        )
    if body is None:
        raise TransientError(f"{place}: the answer is not JSON; it was cut off or is not the vendor's")
    access = body.get("access_token")
    if not isinstance(access, str) or not access:
        raise ContractError(f"{place}: the answer has no access_token")
    return Token(access, expires_at=_end(body.get("expires_in"), context.now()))


def _decoded(response: httpx.Response) -> Mapping[str, Any] | None:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) else None


def _end(value: Any, now: datetime) -> datetime | None:
    """Documented as a duration, observed as a point in time: accept both."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LONGEST_DURATION:
        return now + timedelta(seconds=value)
    return moment(value)
