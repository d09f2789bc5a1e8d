"""Credentials on the wire: bearer, basic, and grants that are renewed (client credentials, refresh token)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import msgspec

from syncd import log
from syncd.errors import AuthError, ConfigError, ConnectorError, RateLimitedError, TransientError
from syncd.sdk.reply import Reply, retry_after_seconds, where
from syncd.sdk.tokens import Token, TokenStore

_EARLY = timedelta(seconds=60)  # a grant this close to its end is renewed first
_PATIENCE = httpx.Timeout(30.0, connect=10.0)
Flow = Generator[httpx.Request, httpx.Response, None]


class BasicAuth(httpx.BasicAuth):
    """User name and password in the Authorization header."""

    def __init__(self, username: str, password: str) -> None:
        super().__init__(username, password)
        log.hide(password)
        log.hide(base64.b64encode(f"{username}:{password}".encode()).decode())


class BearerAuth(httpx.Auth):
    """A fixed token in the Authorization header, under `scheme`; ConfigError when it cannot stand in a header."""

    def __init__(self, token: str, *, scheme: str = "Bearer") -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ConfigError(
                "the token is empty or holds a space, a line break or a character outside ASCII; "
                "check the file or variable that it comes from"
            )
        log.hide(token)
        self._value = f"{scheme} {token}"

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Set the header."""
        request.headers["Authorization"] = self._value
        yield request


class RenewableAuth(httpx.Auth):
    """A grant that is renewed before its end and once after a refusal, by one thread of one process at a time.

    `renew(grant)` builds the token request (`grant` None on the first time: client credentials need none, a refresh
    token comes from the configuration); `parse(response)` returns the new grant or raises AuthError. A renewal without
    a new refresh token keeps the old one. `seed` is the configured credential: when it changes, the stored grant is
    void. `is_refused` says whether an answer means "grant not valid" (default: status 401); with `reads_success` it
    is also shown 2xx answers, for vendors that put the refusal into a 200. `query` names a query parameter that carries
    the grant beside the header, for vendors that want it there. `sign` puts the grant into the request in the vendor's
    own way instead, and returns what to send, to the same method and address.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        seed: str,
        renew: Callable[[Token | None], httpx.Request],
        parse: Callable[[httpx.Response], Token],
        now: Callable[[], datetime],
        scheme: str = "Bearer",
        is_refused: Callable[[httpx.Response], bool] = lambda response: response.status_code == 401,
        reads_success: bool = False,
        query: str | None = None,
        sign: Callable[[httpx.Request, Token], httpx.Request] | None = None,
    ) -> None:
        log.hide(seed)
        self._store = store
        self._seed = fingerprint(seed)
        self._renew = renew
        self._parse = parse
        self._now = now
        self._scheme = scheme
        self._is_refused = is_refused
        self._reads_success = reads_success
        self._query = query
        self._sign = sign or self._with_header

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send with a valid grant; after a refusal renew once and send again."""
        token = self._current()
        if token is None or self._is_ending(token):
            token = yield from self._renewed(stale=token)
        response = yield self._sign(request, token)
        if response.status_code >= 400 or self._reads_success:
            response.read()
            if self._is_refused(response):
                token = yield from self._renewed(stale=token)
                yield self._sign(request, token)

    def _with_header(self, request: httpx.Request, token: Token) -> httpx.Request:
        request.headers["Authorization"] = f"{self._scheme} {token.access}"
        if self._query:
            request.url = request.url.copy_set_param(self._query, token.access)
        return request

    def _current(self) -> Token | None:
        token = self._store.load()
        return token if token and token.seed == self._seed else None

    def _is_ending(self, token: Token) -> bool:
        return token.expires_at is not None and token.expires_at - _EARLY <= self._now()

    def _renewed(self, stale: Token | None) -> Generator[httpx.Request, httpx.Response, Token]:
        """Renew under the lease; take the winner's grant when another thread was faster."""
        with self._store.lease():
            stored = self._store.load()
            current = stored if stored and stored.seed == self._seed else None
            if current and (stale is None or current.access != stale.access) and not self._is_ending(current):
                return current
            version = stored.version if stored else 0
            request = self._renew(current)
            # A request made outside the client has no timeout of its own.
            request.extensions = {"timeout": _PATIENCE.as_dict(), **request.extensions}
            response = yield request
            response.read()
            fresh = self._granted(response, version)
            fresh = replace(fresh, seed=self._seed, refresh=fresh.refresh or (current.refresh if current else None))
            log.hide(fresh.access)
            log.hide(fresh.refresh or "")
            return fresh if self._store.swap(version, fresh) else self._winner()

    def _granted(self, response: httpx.Response, version: int) -> Token:
        """Read the token endpoint's answer; a refusal counts only while nobody else has renewed the grant."""
        place = f"{where(str(response.url))}: the token endpoint answered {response.status_code}"
        if response.status_code == 429:
            reply = Reply(response.status_code, response.headers, b"", str(response.url))
            wait = retry_after_seconds(reply, self._now())
            raise RateLimitedError(f"{place}; the stored grant is kept", retry_after=wait, status=429)
        if response.status_code >= 500:
            raise TransientError(f"{place}; the stored grant is kept", status=response.status_code)
        try:
            return self._parse(response)
        except ConnectorError as err:
            err.args = (log.one_line(log.scrub(str(err))),)  # a vendor may repeat the secret in its refusal
            stored = self._current()
            if not isinstance(err, AuthError) or stored is None or stored.version == version:
                raise
            return stored
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as err:
            raise TransientError(f"{place} with something else than a grant; the stored grant is kept") from err

    def _winner(self) -> Token:
        token = self._current()
        if token is None:
            raise AuthError("the grant was replaced while it was renewed; run the command again")
        return token


def fingerprint(secret: str) -> str:
    """Return a short digest that tells two configured credentials apart without showing them."""
    return hashlib.blake2b(secret.encode(), digest_size=8, person=b"syncd-seed").hexdigest()
