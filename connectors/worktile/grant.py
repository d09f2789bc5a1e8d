"""The tenant token: client credentials for the whole team, no refresh token."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
from pydantic import SecretStr

from connectors.worktile.dialect import code_of, decoded, has_failed, is_refused
from syncd.sdk import AuthError, ConnectorContext, ContractError, RenewableAuth, Token, TransientError, hide

_TOKEN: Final = "tenant-access-token"  # noqa: S105 - a path


def tenant_token(base_url: str, client_id: str, secret: SecretStr, context: ConnectorContext) -> RenewableAuth:
    """Return the authentication of a team's application.

    The token goes into the query, where it is required, and into the header, where it is documented as well.
    """
    url = f"{base_url.rstrip('/')}/{_TOKEN}"
    password = secret.get_secret_value()
    hide(password)
    return RenewableAuth(
        context.tokens,
        seed=f"{url} {client_id} {password}",
        renew=lambda _: httpx.Request(
            "POST",
            url,
            json={"client_id": client_id, "client_secret": password},
            headers={"Accept": "application/json"},
        ),
        parse=lambda response: _token(response, context),
        now=context.now,
        is_refused=is_refused,
        reads_success=True,
        query="access_token",
    )


def _token(response: httpx.Response, context: ConnectorContext) -> Token:
    """Read the grant. The vendor's message stays out of errors: it may echo the secret."""
    place = f"POST {response.url.host}{response.url.path}: {response.status_code}"
    body = decoded(response.content)
    if response.status_code in (404, 410):
        raise ContractError(
            f"{place}: no token endpoint; set connections.{context.connection}.config.base_url to "
            "https://dev.worktile.com/open-api, or to the open-api address of a private deployment",
            status=response.status_code,
        )
    if response.status_code >= 400 or has_failed(body):
        raise AuthError(
            f"{place} code {code_of(body) or '?'}: the client credentials are refused; check client_id and "
            f"client_secret of connections.{context.connection} in the application of Worktile's admin console",
            status=response.status_code,
            code=code_of(body),
        )
    if body is None:
        raise TransientError(f"{place}: the answer is not JSON; it was cut off or is not the vendor's")
    access = body.get("tenant_access_token") if isinstance(body, Mapping) else None
    if not isinstance(access, str) or not access:
        raise ContractError(f"{place}: the answer has no tenant_access_token")
    seconds = _duration(body.get("expires_in"))
    return Token(access, expires_at=context.now() + seconds if seconds else None)


def _duration(value: Any) -> timedelta | None:
    """Return a number of seconds as a duration; without a usable one the token is kept until it is refused."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
        return timedelta(seconds=value)
    return None
