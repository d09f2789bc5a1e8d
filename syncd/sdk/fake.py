"""A vendor's API imitated on loopback: state in memory, strict about parameters, able to misbehave on demand.

A connector's `fake.py` has a class `Fake(FakeServer)`. It serves the lab, the demo and the contract suite.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlencode

from syncd.sdk.loopback import Answer, Fault, Request, Server, make_handler

__all__ = ["Answer", "Call", "FakeServer", "Fault", "Request", "route"]


@dataclass(slots=True)
class _Planned:
    fault: Fault
    path: re.Pattern[str]
    method: str | None
    left: int
    after: int
    retry_after: float
    as_date: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the fake has seen."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int


Handler = Callable[[Any, Request], Answer]
_ROUTE: Final = "_fake_route"
_MAX_LOG: Final = 20_000


def route(
    method: str,
    pattern: str,
    *,
    params: frozenset[str] = frozenset(),
    body: frozenset[str] | None = None,
    changes_nothing: bool = False,
) -> Callable[[Handler], Handler]:
    """Mark a method of a fake as the handler of `method` and a path pattern (regular expression, whole path).

    A query parameter outside `params`, or a body key outside `body` (None = not checked), is refused with 400.
    `changes_nothing` marks a search or a login: it is not counted in `FakeServer.writes`.
    """

    def mark(handler: Handler) -> Handler:
        reads = changes_nothing or method in ("GET", "HEAD")
        setattr(handler, _ROUTE, (method, re.compile(pattern), params, body, reads))
        return handler

    return mark


class FakeServer:
    """Base of all HTTP fakes. Use as a context manager; `url` is the loopback address while it runs.

    Subclasses keep their state in attributes guarded by `self.lock` (held while a handler runs), mark handlers with
    `route`, and override the `*_answer` hooks to speak the vendor's error dialect. `now()` is the fake's clock:
    aware UTC, moved with `set_clock`, so that a history of weeks can be lived through in a second.
    """

    public_paths: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.refused: list[str] = []
        self.writes = 0
        self._planned: list[_Planned] = []
        self._clock: datetime | None = None
        self._server: Server | None = None
        self._before: list[Callable[[Request], None]] = []
        self._routes = [
            (*getattr(handler, _ROUTE), handler)
            for handler in (getattr(type(self), name) for name in dir(type(self)))
            if hasattr(handler, _ROUTE)
        ]

    # -- life -------------------------------------------------------------------------------------------------

    def start(self, port: int = 0) -> str:
        """Listen on loopback (`port` 0 = any free one) and return the base address."""
        self._server = Server(
            ("127.0.0.1", port), make_handler(lambda request: self.handle(request), lambda: self.now())
        )
        self._server.run()
        return self.url

    def stop(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address while the fake runs."""
        if self._server is None:
            raise RuntimeError("the fake is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # -- clock ------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the fake's time: real, or what `set_clock` said."""
        return self._clock or datetime.now(UTC)

    def set_clock(self, at: datetime | None) -> None:
        """Stop the fake's clock at `at` (aware); None lets it run with the machine's."""
        self._clock = at

    def advance(self, by: timedelta) -> None:
        """Move a stopped clock forward."""
        self._clock = self.now() + by

    # -- misbehaviour -----------------------------------------------------------------------------------------

    def misbehave(
        self,
        fault: Fault,
        *,
        path: str = "",
        method: str | None = None,
        times: int = 1,
        after: int = 0,
        retry_after: float = 1.0,
        as_date: bool = False,
        seconds: float = 5.0,
    ) -> None:
        """Answer the next `times` requests that match (after letting `after` through) with `fault`."""
        with self.lock:
            self._planned.append(_Planned(fault, re.compile(path), method, times, after, retry_after, as_date, seconds))

    def behave(self) -> None:
        """Forget all planned faults."""
        with self.lock:
            self._planned.clear()

    def before_each(self, hook: Callable[[Request], None]) -> None:
        """Call `hook` before each request is answered: lists that move while they are read."""
        self._before.append(hook)

    def count(self, path: str = "", method: str | None = None) -> int:
        """Return how many requests matched."""
        return sum(1 for c in self.calls if re.search(path, c.path) and method in (None, c.method))

    # -- the vendor's dialect: override -----------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer | None:
        """Return the refusal of a request without valid credentials; None lets it in."""
        return None

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return an error in the vendor's envelope."""
        return Answer(status, {"code": code or str(status), "message": message})

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Return the vendor's "too many requests", with the standard headers when asked for."""
        answer = self.error(429, "too many requests")
        return Answer(answer.status, answer.body, {**answer.headers, **headers})

    def expired(self) -> Answer:
        """Return the vendor's answer to an expired token."""
        return self.error(401, "token expired")

    def forbidden(self) -> Answer:
        """Return the vendor's answer to missing rights."""
        return self.error(403, "forbidden")

    def error_in_200(self) -> Answer:
        """Return the vendor's error inside a 200; only for vendors that do that."""
        return self.server_error()

    def server_error(self) -> Answer:
        """Return the vendor's internal error."""
        return self.error(500, "internal error")

    # -- dispatch ---------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer `request`; the fault tells the transport whether to cut the line."""
        for hook in self._before:
            hook(request)
        with self.lock:
            planned = self._next_fault(request)
        if planned and planned.fault is Fault.TIMEOUT:
            time.sleep(planned.seconds)
        with self.lock:
            early = self._refusal(planned) if planned else None
            if planned and planned.fault is Fault.MOVED:
                query = f"?{urlencode(request.query)}" if request.query else ""
                early = Answer(301, None, {"Location": f"{self.url}/moved{request.path}{query}"})
            answer = early or self._dispatch(request)
            if len(self.calls) < _MAX_LOG:
                self.calls.append(Call(request.method, request.path, request.query, answer.status))
        return answer, planned.fault if planned else None

    def _next_fault(self, request: Request) -> _Planned | None:
        for planned in self._planned:
            if planned.left > 0 and planned.method in (None, request.method) and planned.path.search(request.path):
                if planned.after > 0:
                    planned.after -= 1
                    continue
                planned.left -= 1
                return planned
        return None

    def _refusal(self, planned: _Planned) -> Answer | None:
        match planned.fault:
            case Fault.RATE_LIMITED:
                at = format_datetime(self.now().astimezone(UTC) + timedelta(seconds=planned.retry_after), usegmt=True)
                return self.rate_limited({"Retry-After": at if planned.as_date else f"{planned.retry_after:g}"})
            case Fault.RATE_LIMITED_SILENT:
                return self.rate_limited({})
            case Fault.SERVER_ERROR:
                return self.server_error()
            case Fault.EXPIRED_TOKEN:
                return self.expired()
            case Fault.FORBIDDEN:
                return self.forbidden()
            case Fault.GONE:
                return self.error(410, "gone")
            case Fault.NOT_FOUND:
                return self.error(404, "not found")
            case Fault.ERROR_IN_200:
                return self.error_in_200()
            case Fault.NOT_JSON:
                return Answer(200, raw=b"<html><body>proxy login</body></html>", headers={"Content-Type": "text/html"})
            case Fault.RESET:
                return Answer(500)
            case _:
                return None

    def _dispatch(self, request: Request) -> Answer:
        path = request.path.removeprefix("/moved")
        for method, pattern, params, keys, reads, handler in self._routes:
            found = pattern.fullmatch(path)
            if found is None or method != request.method:
                continue
            if not any(re.fullmatch(public, path) for public in self.public_paths):
                refusal = self.authorize(request)
                if refusal is not None:
                    return refusal
            unknown = sorted(set(request.query) - params)
            if keys is not None and isinstance(request.body, Mapping):
                unknown += sorted(set(request.body) - keys)
            if unknown:
                self.refused.append(f"{request.method} {path}: {', '.join(unknown)}")
                return self.error(400, f"unknown parameter {', '.join(unknown)}")
            full = replace(request, path=path, groups=found.groups())
            answer: Answer = self._handled(handler, full)
            if not reads and answer.status < 300:
                self.writes += 1
            return answer
        return self.error(404, f"no such path {path}")

    def _handled(self, handler: Handler, request: Request) -> Answer:
        """Run a handler; a fault of its own is noted, for the test to show, and answered like the vendor's."""
        try:
            return handler(self, request)
        except Exception as err:  # noqa: BLE001 whatever breaks in a handler must not hide behind a cut line
            self.refused.append(f"{request.method} {request.path}: the fake broke: {err!r}")
            return self.server_error()
