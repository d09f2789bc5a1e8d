"""ApiClient: one vendor API over httpx, with retries, a shared request budget, and errors by next action.

Reads are retried, writes are not: a write whose answer is lost raises OutcomeUnknownError at once.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import tenacity

from syncd import __version__, log
from syncd.errors import (
    AuthError,
    ConfigError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk.connector import ConnectorContext
from syncd.sdk.reply import Reply, retry_after_seconds, where
from syncd.sdk.transport import RefusedConnectError, finish_within, guarded_transport
from syncd.sdk.verdict import ErrorTable, Judge, Question

__all__ = ["MAX_BYTES", "ApiClient", "ErrorTable", "Params", "Reply", "retry_after_seconds", "where"]

MAX_BYTES: Final = 64 * 1024 * 1024
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_WAIT: Final = 120.0
_SHORTEST_WAIT: Final = 0.5
_MOST_REDIRECTS: Final = 5
_LAST_PORT: Final = 65535
_HARMLESS_HEADERS: Final = ("user-agent", "accept", "accept-encoding")

Params = Mapping[str, Any]

# httpx logs the whole address of every request, and some vendors want a secret in the query.
logging.getLogger("httpx").addFilter(log.scrub_record)


class ApiClient:
    """Calls one vendor's HTTP API for one connection. Thread-safe.

    `base_url` takes relative paths; an absolute URL is only followed on the same host (Link headers). Plain http is
    for hosts that the connection allows as private. `attempts` bounds tries of an idempotent call, `total_seconds` the
    time that one answer may take to arrive, `max_bytes` its size. A success must be JSON unless `raw` is said.
    """

    def __init__(
        self,
        base_url: str,
        context: ConnectorContext,
        *,
        auth: httpx.Auth | None = None,
        errors: ErrorTable | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = 5,
        connect_seconds: float = 10.0,
        read_seconds: float = 60.0,
        total_seconds: float = 300.0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._base = _checked_base(base_url, context)
        self._context = context
        self._judge = Judge(errors or ErrorTable(), context.connection, context.now)
        self._attempts = attempts
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._wait = context.wait or time.sleep
        self._warned: set[str] = set()
        concurrency = context.budget.limits.concurrency
        self._client = httpx.Client(
            auth=auth,
            timeout=httpx.Timeout(read_seconds, connect=connect_seconds),
            transport=context.transport or guarded_transport(context.guard, connections=concurrency),
            headers={"User-Agent": f"syncd/{__version__}", "Accept": "application/json", **(headers or {})},
            trust_env=False,
        )

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Reply:
        """Read; retried. A 304 is returned like any answer."""
        return self.request("GET", path, params=params, headers=headers, raw=raw)

    def search(self, path: str, json: Any, params: Params | None = None) -> Reply:
        """POST that changes nothing (a search); retried and allowed in plan mode."""
        return self.request("POST", path, params=params, json=json, changes_nothing=True)

    def post(self, path: str, json: Any, *, idempotent: bool = False) -> Reply:
        """Write; retried only when the vendor refuses a second one (`idempotent`)."""
        return self.request("POST", path, json=json, idempotent=idempotent)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        changes_nothing: bool = False,
        raw: bool = False,
    ) -> Reply:
        """Send one request and return its answer, or raise the error that says what to do next.

        `params` are added to those that `path` carries; a value of None leaves the parameter out. The body is `json`,
        or `content` as it is (a file, a form), whose `Content-Type` is then among the `headers`.
        """
        reads = changes_nothing or method in _SAFE_METHODS
        if self._context.read_only and not reads:
            raise ReadOnlyError(f"{method} {where(path)}: plan mode sends no write")
        question = Question(method, reads=reads, repeatable=reads or idempotent, decoded=not raw)
        request = self._built(question, path, params, headers, json=json, content=content)
        if not question.repeatable:
            return self._send(request, question)
        return self._retrying()(self._send, request, question)

    def _built(
        self,
        question: Question,
        path: str,
        params: Params | None,
        headers: Mapping[str, str] | None,
        *,
        json: Any,
        content: bytes | None,
    ) -> httpx.Request:
        try:
            url = httpx.URL(self._url(path))
        except (httpx.InvalidURL, ValueError) as err:
            kind = ContractError if question.reads else RejectedError
            raise kind(f"{question.method} {where(path)}: not a usable address ({err})") from err
        if params:
            url = url.copy_merge_params({name: value for name, value in params.items() if value is not None})
        return self._client.build_request(
            question.method,
            url,
            headers={**(headers or {}), **({"Content-Type": "application/json"} if json is not None else {})},
            content=msgspec.json.encode(json, enc_hook=_plain) if json is not None else content,
        )

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_retrying),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_pause,
            sleep=self._wait,
            reraise=True,
        )

    def _send(self, request: httpx.Request, question: Question) -> Reply:
        self._refuse_long_cool_down(request)
        with self._context.budget.slot(wait=self._context.wait, writes=not question.reads):
            try:
                reply = self._exchange(request, question)
            except httpx.RequestError as err:
                raise self._lost(request, err, question) from err
            except AuthError as err:
                raise self._named(err) from err
            except RateLimitedError as err:  # at the login
                err.retry_after = self._cool_down(err.retry_after)
                raise
        error = self._judge.error(reply, question)
        if error is None:
            self._context.budget.recovered()
            return reply
        if isinstance(error, RateLimitedError):
            error.retry_after = self._cool_down(error.retry_after)
        raise error

    def _refuse_long_cool_down(self, request: httpx.Request) -> None:
        """Do not hold a thread for longer than a call may wait: say when to come back."""
        left = self._context.budget.cooling_seconds()
        if left > _LONGEST_WAIT:
            raise RateLimitedError(
                f"{request.method} {where(str(request.url))}: not sent, the vendor asked for a pause of "
                f"{left:.0f} more seconds",
                retry_after=left,
            )

    def _cool_down(self, asked: float | None) -> float:
        """Let everyone wait, this call included; return for how long."""
        if asked is None:
            return self._context.budget.back_off()
        self._context.budget.cool_down(max(asked, _SHORTEST_WAIT) + random.uniform(0.0, 0.5))
        return asked

    def _exchange(self, request: httpx.Request, question: Question) -> Reply:
        """Send and read at most `max_bytes` within `total_seconds`; redirects are followed for reads only."""
        auth: Any = httpx.USE_CLIENT_DEFAULT
        hop = request
        with finish_within(self._total_seconds):
            for _ in range(_MOST_REDIRECTS + 1):
                response = self._client.send(hop, stream=True, auth=auth)
                try:
                    content = self._body(response, question)
                finally:
                    response.close()
                self._warn_of_end(response)
                following = _next_hop(response, question)
                if following is None:
                    return Reply(response.status_code, response.headers, content, str(response.url))
                hop = following
                auth = auth if _origin(hop.url) == _origin(request.url) else None
        raise ContractError(f"{request.method} {where(str(request.url))}: redirected in circles")

    def _body(self, response: httpx.Response, question: Question) -> bytes:
        deadline = time.monotonic() + self._total_seconds
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            chunks.append(chunk)
            if size > self._max_bytes:
                raise self._too_long(response, question)
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(
                    f"the answer took more than {self._total_seconds:g} s", request=response.request
                )
        return b"".join(chunks)

    def _too_long(self, response: httpx.Response, question: Question) -> Exception:
        text = f"{where(str(response.url))}: the answer is over {self._max_bytes:,} bytes"
        if question.repeatable:
            return ContractError(f"{text}; ask for smaller pages")
        return OutcomeUnknownError(f"{text}; the write may have taken effect")

    def _warn_of_end(self, response: httpx.Response) -> None:
        """Say once per date that the vendor means to end this part of its API (RFC 8594, RFC 9745)."""
        end = response.headers.get("sunset") or response.headers.get("deprecation")
        if end and end not in self._warned and len(self._warned) < 100:
            self._warned.add(end)
            log.get(connection=self._context.connection).warning(
                "endpoint deprecated", url=where(str(response.url)), until=end, link=response.headers.get("link", "")
            )

    def _named(self, err: AuthError) -> AuthError:
        """Add the connection to the error of a login, which does not know it."""
        name = f"connections.{self._context.connection}"
        if name in str(err):
            return err
        return AuthError(f"{err}; check the credentials of {name}", status=err.status, code=err.code)

    def _lost(self, request: httpx.Request, err: httpx.RequestError, question: Question) -> Exception:
        target = f"{request.method} {where(str(request.url))}"
        if refused := _refused(err):
            return ConfigError(f"connections.{self._context.connection}: {refused}")
        if isinstance(err, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
            return ConfigError(f"connections.{self._context.connection}: {target}: cannot be sent ({_reason(err)})")
        if isinstance(err, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
            return TransientError(
                f"{target}: cannot reach {_host_of(err, request)} ({_reason(err)}); check address and network"
            )
        if question.repeatable or _was_login(err, request):
            return TransientError(f"{target}: no whole answer ({_reason(err)})")
        return OutcomeUnknownError(f"{target}: sent, but the answer was lost ({_reason(err)})")

    def _url(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return f"{self._base}/{path.lstrip('/')}"
        if "@" in urlsplit(path).netloc or _origin(httpx.URL(path)) != _origin(httpx.URL(self._base)):
            raise ContractError(f"{where(path)}: a link to another host than {where(self._base)} is not followed")
        return path


def _next_hop(response: httpx.Response, question: Question) -> httpx.Request | None:
    """Return the request that follows a redirect of a read, None when there is none to follow.

    Another host gets no credentials: nothing but the harmless headers goes there. A step down to plain http, or one
    that would turn a search into a GET, is not taken.
    """
    following = response.next_request
    if following is None or not question.reads or following.method != response.request.method:
        return None
    here, there = response.request.url, following.url
    if there.userinfo or there.scheme not in (here.scheme, "https"):
        return None
    if _origin(here) == _origin(there):
        return following
    if following.method not in _SAFE_METHODS:
        return None
    headers = {name: following.headers[name] for name in _HARMLESS_HEADERS if name in following.headers}
    return httpx.Request(following.method, there, headers=headers, extensions=following.extensions)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimitedError):
        return 0.0  # the budget's cool-down makes everyone wait, this call included
    return float((tenacity.wait_exponential(multiplier=0.5, max=30.0) + tenacity.wait_random(0.0, 1.0))(state))


def _is_worth_retrying(error: BaseException) -> bool:
    if isinstance(error, RateLimitedError):
        return error.retry_after is None or error.retry_after <= _LONGEST_WAIT
    return isinstance(error, TransientError)


def _was_login(err: httpx.RequestError, request: httpx.Request) -> bool:
    """Say whether the request that got lost was the token's: then ours has not been carried out."""
    lost = err._request
    return lost is not None and (lost.method, lost.url) != (request.method, request.url)


def _host_of(err: httpx.RequestError, request: httpx.Request) -> str:
    return (err._request or request).url.netloc.decode()


def _refused(err: BaseException) -> str | None:
    cause = err.__cause__  # what httpx made its own error of
    return str(cause) if isinstance(cause, RefusedConnectError) else None


def _reason(err: Exception) -> str:
    return log.one_line(log.scrub(str(err)))[:120] or type(err).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _checked_base(url: str, context: ConnectorContext) -> str:
    """Return `url` without a trailing slash; ConfigError names the connection and never the secret in a bad one."""
    wrong = ConfigError(
        f"connections.{context.connection}: the address {where(url)!r} is not a plain http(s) address "
        "such as https://api.example.com"
    )
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as err:
        raise wrong from err
    host_is_plain = re.fullmatch(r"[\w.:-]+", parts.host) and (parts.port or 0) <= _LAST_PORT
    if parts.scheme not in ("http", "https") or not host_is_plain or parts.userinfo or parts.query or parts.fragment:
        raise wrong
    if parts.scheme == "http" and not (context.guard.allows(parts.host) or context.transport):
        raise ConfigError(
            f"connections.{context.connection}: http://{where(url)} would send credentials in clear text; use https, "
            "or name the host under allow_private_hosts of the connection if it is yours"
        )
    return url.rstrip("/")
