"""ApiClient: one vendor API over httpx, with retries, a shared request budget, and errors by next action.

Reads are retried, writes are not: a write whose answer is lost raises OutcomeUnknownError at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import tenacity

from syncd import __version__, log
from syncd.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    ContractError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk.connector import ConnectorContext
from syncd.sdk.guard import AddressRefusedError, guarded_transport

MAX_BYTES: Final = 64 * 1024 * 1024
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_WAIT: Final = 120.0
_FIRST_COOL_DOWN: Final = 5.0

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the vendor: status, headers (case-insensitive), raw body, final URL."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: str
    _decoded: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def json(self) -> Any:
        """The body, decoded once, None when it is empty; TransientError when it is not JSON (cut off on its way)."""
        if not self._decoded:
            self._decoded.append(self._decode() if self.content else None)
        return self._decoded[0]

    def _decode(self) -> Any:
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as err:
            raise TransientError(
                f"{where(self.url)}: the answer is not JSON ({err}); it was cut off or is not the vendor's",
                status=self.status,
            ) from err

    @property
    def next_url(self) -> str | None:
        """The `rel="next"` target of the Link header (RFC 8288)."""
        for link in httpx.Response(200, headers=self.headers).links.values():
            if link.get("rel") == "next":
                return link.get("url")
        return None

    @property
    def date(self) -> datetime | None:
        """The vendor's clock, from the Date header, aware UTC."""
        return _parse_date(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """A connector's translation of vendor errors into next actions.

    `codes` maps a vendor code (as text) to an error class and wins over the HTTP status; `code_of` and
    `message_of` find code and message in a decoded body, `has_failed` says whether a 2xx body is an error.
    `retry_after_of` reads a wait in seconds from non-standard headers or bodies.
    """

    codes: Mapping[str, type[ConnectorError]] = field(default_factory=dict)
    code_of: Callable[[Any], str | None] = lambda body: None
    message_of: Callable[[Any], str] = lambda body: ""
    has_failed: Callable[[Any], bool] = lambda body: False
    retry_after_of: Callable[[Reply], float | None] = lambda reply: None
    status_of: Callable[[Reply], type[ConnectorError] | None] = lambda reply: None


class ApiClient:
    """Calls one vendor's HTTP API for one connection. Thread-safe.

    `base_url` takes relative paths; an absolute URL is only followed on the same host (Link headers).
    `attempts` bounds tries of an idempotent call, `total_seconds` the time that one answer may take to arrive.
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
        self._base = _checked_base(base_url)
        self._context = context
        self._errors = errors or ErrorTable()
        self._attempts = attempts
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._wait = context.wait or time.sleep
        self._cool_downs = 0
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

    def get(self, path: str, params: Params | None = None, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Read; retried. A 304 is returned like any answer."""
        return self.request("GET", path, params=params, headers=headers)

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
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
        changes_nothing: bool = False,
    ) -> Reply:
        """Send one request and return its answer, or raise the error that says what to do next."""
        reads = changes_nothing or method in _SAFE_METHODS
        if self._context.read_only and not reads:
            raise ReadOnlyError(f"{method} {path}: plan mode sends no write")
        request = self._client.build_request(
            method,
            self._url(path),
            params=params,
            headers={**(headers or {}), **({"Content-Type": "application/json"} if json is not None else {})},
            content=msgspec.json.encode(json) if json is not None else None,
        )
        if not (reads or idempotent):
            return self._send(request, repeatable=False, writes=True)
        return self._retrying()(self._send, request, repeatable=True, writes=not reads)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_retrying),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._pause,
            sleep=self._wait,
            reraise=True,
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimitedError):
            return 0.0  # the budget's cool-down makes everyone wait, this call included
        return float((tenacity.wait_exponential(multiplier=0.5, max=30.0) + tenacity.wait_random(0.0, 1.0))(state))

    def _send(self, request: httpx.Request, *, repeatable: bool, writes: bool) -> Reply:
        with self._context.budget.slot(wait=self._context.wait, writes=writes):
            try:
                reply = self._exchange(request)
            except httpx.RequestError as err:
                raise self._lost(request, err, repeatable=repeatable) from err
        error = self._error(reply, request.method, repeatable=repeatable)
        if error is None:
            self._cool_downs = 0
            return reply
        if isinstance(error, RateLimitedError):
            self._context.budget.cool_down(self._cool_down_seconds(error))
        raise error

    def _exchange(self, request: httpx.Request) -> Reply:
        """Send and read at most `max_bytes` within `total_seconds`; redirects are followed for reads only."""
        follow = request.method in _SAFE_METHODS
        response = self._client.send(request, stream=True, follow_redirects=follow)
        try:
            content = self._body(response)
        finally:
            response.close()
        if warning := response.headers.get("sunset") or response.headers.get("deprecation"):
            log.get(connection=self._context.connection).warning(
                "endpoint deprecated", url=where(str(response.url)), until=warning
            )
        return Reply(response.status_code, response.headers, content, str(response.url))

    def _body(self, response: httpx.Response) -> bytes:
        deadline = time.monotonic() + self._total_seconds
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            chunks.append(chunk)
            if size > self._max_bytes:
                raise ContractError(
                    f"{where(str(response.url))}: the answer is over {self._max_bytes:,} bytes; ask for smaller pages"
                )
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(
                    f"the answer took more than {self._total_seconds:g} s", request=response.request
                )
        return b"".join(chunks)

    def _lost(self, request: httpx.Request, err: httpx.RequestError, *, repeatable: bool) -> Exception:
        target = f"{request.method} {where(str(request.url))}"
        if isinstance(err, httpx.TooManyRedirects):
            return ContractError(f"{target}: redirected in circles")
        if refused := _refused(err):
            return ConfigError(f"connections.{self._context.connection}: {refused}")
        if isinstance(err, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
            return TransientError(
                f"{target}: cannot reach {request.url.host} ({_reason(err)}); check address and network"
            )
        if repeatable:
            return TransientError(f"{target}: no whole answer ({_reason(err)})")
        return OutcomeUnknownError(f"{target}: sent, but the answer was lost ({_reason(err)})")

    def _error(self, reply: Reply, method: str, *, repeatable: bool) -> ConnectorError | None:
        """Return the error that `reply` stands for, None when it is a success."""
        if reply.status < 400:
            body = self._body_of_success(reply, method, repeatable=repeatable)
            if not self._errors.has_failed(body):
                return self._redirect_error(reply, method)
        else:
            body = _json_or_none(reply)
        code = self._errors.code_of(body)
        kind = (
            self._errors.codes.get(code or "")
            or self._errors.status_of(reply)
            or _by_status(reply.status, repeatable=repeatable)
        )
        return self._built(kind, reply, method, code=code, message=self._errors.message_of(body))

    def _body_of_success(self, reply: Reply, method: str, *, repeatable: bool) -> Any:
        """Decode where a garbled answer can still be asked for again; a garbled answer to a write is a lost one."""
        if reply.status >= 300:
            return None
        try:
            return reply.json
        except TransientError as err:
            if repeatable:
                raise
            raise OutcomeUnknownError(f"{method} sent, but its answer was lost: {err}", status=reply.status) from err

    def _redirect_error(self, reply: Reply, method: str) -> ConnectorError | None:
        if reply.status in (301, 302, 303, 307, 308):
            return ContractError(
                f"{method} {where(reply.url)}: moved to {where(reply.headers.get('location', '?'))}; "
                f"set the new address in connections.{self._context.connection}.config",
                status=reply.status,
            )
        return None

    def _built(
        self, kind: type[ConnectorError], reply: Reply, method: str, *, code: str | None, message: str
    ) -> ConnectorError:
        said = log.one_line(log.scrub(message))[:300] or "no message"
        text = f"{method} {where(reply.url)}: {reply.status}{f' code {code}' if code else ''}: {said}"
        if issubclass(kind, AuthError):
            text += f"; check the credentials and rights of connections.{self._context.connection}"
        if issubclass(kind, RateLimitedError):
            wait = self._errors.retry_after_of(reply)
            wait = retry_after_seconds(reply, self._context.now()) if wait is None else wait
            return kind(text, retry_after=wait, status=reply.status, code=code)
        return kind(text, status=reply.status, code=code)

    def _cool_down_seconds(self, error: RateLimitedError) -> float:
        """Seconds for everyone to wait: what the vendor says plus jitter, else doubling from five seconds."""
        if error.retry_after is not None:
            self._cool_downs = 0
            return error.retry_after + random.uniform(0.0, 0.5)
        self._cool_downs = min(self._cool_downs + 1, 6)
        error.retry_after = min(_FIRST_COOL_DOWN * 2.0 ** (self._cool_downs - 1), _LONGEST_WAIT)
        return error.retry_after * random.uniform(1.0, 1.2)

    def _url(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return f"{self._base}/{path.lstrip('/')}"
        if urlsplit(path)[:2] != urlsplit(self._base)[:2]:
            raise ContractError(f"{where(path)}: a link to another host than {where(self._base)} is not followed")
        return path


def where(url: str) -> str:
    """Return `url` without query, fragment and userinfo, for messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def retry_after_seconds(reply: Reply, now: datetime) -> float | None:
    """Read `Retry-After` as seconds or as an HTTP date; never negative, None when absent or unreadable."""
    value = reply.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        at = _parse_date(value)
        return max(0.0, (at - now).total_seconds()) if at else None


def _parse_date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _by_status(status: int, *, repeatable: bool) -> type[ConnectorError]:
    match status:
        case 401 | 403:
            return AuthError
        case 429:
            return RateLimitedError
        case 408 | 425 | 502 | 503 | 504 if repeatable:
            return TransientError
        case _ if status >= 500 or status == 408:
            return TransientError if repeatable else OutcomeUnknownError
        case _:
            return ContractError if repeatable else RejectedError


def _is_worth_retrying(error: BaseException) -> bool:
    if isinstance(error, RateLimitedError):
        return error.retry_after is None or error.retry_after <= _LONGEST_WAIT
    return isinstance(error, TransientError)


def _json_or_none(reply: Reply) -> Any:
    try:
        return reply.json
    except TransientError:
        return None


def _refused(err: BaseException) -> str | None:
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, AddressRefusedError):
            return str(cause)
        cause = cause.__cause__
    return None


def _reason(err: Exception) -> str:
    return log.one_line(log.scrub(str(err)))[:120] or type(err).__name__


def _checked_base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ConfigError(f"base_url: {where(url)!r} is not a plain http(s) address such as https://api.example.com")
    return url.rstrip("/")
