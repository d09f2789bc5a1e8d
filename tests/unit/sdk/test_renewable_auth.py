"""RenewableAuth: one renewal whatever the number of threads, and no grant is lost on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.errors import AuthError, ConfigError, ConnectorError, OutcomeUnknownError, RateLimitedError, TransientError
from syncd.sdk import (
    AddressGuard,
    ApiClient,
    BasicAuth,
    BearerAuth,
    Budget,
    ConnectorContext,
    ErrorTable,
    Limits,
    MemoryTokens,
    RenewableAuth,
    Token,
)
from syncd.sdk.auth import fingerprint
from syncd.sdk.fake import Answer, FakeServer, Fault, Request, route
from syncd.sdk.testing import Clock

SEED = "refresh-0-geheim"


class Vendor(FakeServer):
    """Grants with rotating refresh tokens; an old refresh token is refused."""

    public_paths = ("/token",)

    def __init__(self) -> None:
        super().__init__()
        self.renewals = 0
        self.refresh = SEED
        self.valid: set[str] = set()
        self.rotates = True

    def authorize(self, request: Request) -> Answer | None:
        return (
            None if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid else self.expired()
        )

    @route("POST", "/token")
    def token(self, request: Request) -> Answer:
        if request.body["refresh_token"] != self.refresh:
            return self.error(400, f"invalid_grant: {request.body['refresh_token']}")
        self.renewals += 1
        self.valid = {f"access-{self.renewals}-geheim"}
        body = {"access": f"access-{self.renewals}-geheim"}
        if self.rotates:
            self.refresh = body["refresh"] = f"refresh-{self.renewals}-geheim"
        return Answer(200, body)

    @route("GET", "/x")
    def x(self, request: Request) -> Answer:
        return Answer(200, {"id": 1})

    @route("POST", "/x")
    def write(self, request: Request) -> Answer:
        return Answer(201, {"id": 1})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Iterator[Vendor]:
    with Vendor() as fake:
        clock.drive(fake)
        yield fake


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


Make = Callable[..., ApiClient]


@pytest.fixture
def client(vendor: Vendor, clock: Clock, tokens: MemoryTokens) -> Iterator[Make]:
    made: list[ApiClient] = []

    def make(*, seed: str = SEED, store: Any = None, concurrency: int = 4, **options: Any) -> ApiClient:
        context = ConnectorContext(
            connection="acme",
            budget=Budget(Limits(concurrency=concurrency), clock=clock.monotonic, wait=clock.wait),
            guard=AddressGuard(private_hosts=frozenset({"127.0.0.1"})),
            now=clock.now,
            wait=clock.wait,
        )
        auth = RenewableAuth(
            store or tokens,
            seed=seed,
            renew=lambda grant: _token_request(vendor.url, grant, seed),
            parse=lambda response: _parsed(response, clock),
            now=clock.now,
            **options,
        )
        made.append(ApiClient(vendor.url, context, auth=auth))
        return made[-1]

    yield make
    for api in made:
        api.close()


def _token_request(url: str, grant: Token | None, seed: str) -> httpx.Request:
    refresh = grant.refresh if grant and grant.refresh else seed
    return httpx.Request("POST", f"{url}/token", json={"refresh_token": refresh})


def _parsed(response: httpx.Response, clock: Clock) -> Token:
    if response.status_code >= 400:
        raise AuthError(f"refused: {response.json()['message']}")
    body = response.json()
    return Token(body["access"], clock.now() + timedelta(hours=1), body.get("refresh"))


# -- where the grant stands -----------------------------------------------------------------------------------


def test_grant_may_stand_in_the_body_instead_of_a_header(vendor: Vendor, client: Make, tokens: MemoryTokens) -> None:
    tokens.swap(0, Token("access-0-geheim", seed=fingerprint(SEED), tenant="corp-7"))
    seen: list[Request] = []
    vendor.before_each(seen.append)

    with pytest.raises(AuthError):
        client(sign=_in_body).post("/x", {"name": "wide enough – 宽"})

    assert [request.body for request in seen if request.path == "/x"] == [
        {"name": "wide enough – 宽", "token": "access-0-geheim", "corp": "corp-7"},
        {"name": "wide enough – 宽", "token": "access-1-geheim", "corp": ""},
    ]
    assert ["authorization" in request.headers for request in seen] == [False, False, False]


def _in_body(request: httpx.Request, token: Token) -> httpx.Request:
    body = {**json.loads(request.content), "token": token.access, "corp": token.tenant}
    return httpx.Request(request.method, request.url, json=body, extensions=request.extensions)


# -- renewals -------------------------------------------------------------------------------------------------


def test_first_call_gets_a_grant_and_the_next_ones_use_it(vendor: Vendor, client: Make) -> None:
    api = client()

    api.get("/x")
    api.get("/x")

    assert vendor.renewals == 1
    assert vendor.count("/x") == 2


def test_grant_is_renewed_before_its_end(vendor: Vendor, client: Make, clock: Clock) -> None:
    api = client()
    api.get("/x")

    clock.wait(3600 - 59)
    api.get("/x")

    assert vendor.renewals == 2
    assert [call.status for call in vendor.calls if call.path == "/x"] == [200, 200]


def test_refused_grant_is_renewed_once_and_the_call_sent_again(vendor: Vendor, client: Make) -> None:
    api = client()
    api.get("/x")
    vendor.valid.clear()

    reply = api.get("/x")

    assert reply.json == {"id": 1}
    assert vendor.renewals == 2


def test_grant_that_is_refused_again_is_an_auth_error(vendor: Vendor, client: Make) -> None:
    vendor.misbehave(Fault.EXPIRED_TOKEN, path="/x", times=99)

    with pytest.raises(AuthError, match=r"connections\.acme"):
        client().get("/x")

    assert vendor.count("/x") == 2


def test_refused_write_is_sent_again_after_the_renewal(vendor: Vendor, client: Make) -> None:
    api = client()
    api.get("/x")
    vendor.valid.clear()

    api.post("/x", {"a": 1})

    assert vendor.count("/x", "POST") == 2
    assert [call.status for call in vendor.calls if call.method == "POST" and call.path == "/x"] == [401, 201]


def test_fifty_threads_renew_once(vendor: Vendor, client: Make) -> None:
    api = client(concurrency=50)
    gate = threading.Barrier(50, timeout=20.0)

    def work(_: int) -> int:
        gate.wait()
        return api.get("/x").status

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(work, range(50)))

    assert statuses == [200] * 50
    assert vendor.renewals == 1


def test_fifty_threads_with_a_revoked_grant_renew_once(vendor: Vendor, client: Make) -> None:
    api = client(concurrency=50)
    api.get("/x")
    vendor.valid.clear()
    gate = threading.Barrier(50, timeout=20.0)

    def work(_: int) -> int:
        gate.wait()
        return api.get("/x").status

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(work, range(50)))

    assert statuses == [200] * 50
    assert vendor.renewals == 2


# -- what is kept ---------------------------------------------------------------------------------------------


def test_rotated_refresh_token_is_kept_for_the_next_renewal(vendor: Vendor, client: Make, tokens: MemoryTokens) -> None:
    api = client()

    for _ in range(3):
        vendor.valid.clear()
        api.get("/x")

    stored = tokens.load()
    assert vendor.renewals == 3
    assert stored is not None
    assert (stored.refresh, stored.version) == ("refresh-3-geheim", 3)


def test_refresh_token_stays_when_the_vendor_gives_no_new_one(
    vendor: Vendor, client: Make, tokens: MemoryTokens
) -> None:
    api = client()
    api.get("/x")
    vendor.rotates = False
    vendor.valid.clear()

    api.get("/x")

    stored = tokens.load()
    assert stored is not None
    assert (stored.access, stored.refresh) == ("access-2-geheim", "refresh-1-geheim")


def test_grant_outlives_the_process(vendor: Vendor, client: Make) -> None:
    client().get("/x")

    client().get("/x")

    assert vendor.renewals == 1


def test_new_credential_in_the_configuration_voids_the_stored_grant(
    vendor: Vendor, client: Make, tokens: MemoryTokens
) -> None:
    client().get("/x")
    vendor.refresh = "refresh-new-geheim"

    client(seed="refresh-new-geheim").get("/x")

    stored = tokens.load()
    assert stored is not None
    assert (vendor.renewals, stored.version, stored.seed) == (2, 2, fingerprint("refresh-new-geheim"))


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET, Fault.NOT_JSON, Fault.TRUNCATED])
def test_broken_token_endpoint_keeps_the_grant_and_is_passing(
    vendor: Vendor, client: Make, tokens: MemoryTokens, clock: Clock, fault: Fault
) -> None:
    api = client()
    api.get("/x")
    before = tokens.load()
    clock.wait(3600)
    vendor.misbehave(fault, path="/token", times=99)

    with pytest.raises(TransientError):
        api.get("/x")
    vendor.behave()

    assert tokens.load() == before
    if fault is not Fault.TRUNCATED:  # there the vendor has rotated already, and nobody can know to what
        assert api.get("/x").status == 200


def test_rate_limit_of_the_token_endpoint_is_waited_out_by_everyone(vendor: Vendor, client: Make, clock: Clock) -> None:
    vendor.misbehave(Fault.RATE_LIMITED, path="/token", retry_after=20.0)

    client().get("/x")

    assert 20.0 <= clock.monotonic() <= 20.6
    assert vendor.count("/token") == 2


def test_write_behind_a_rate_limited_login_says_how_long(vendor: Vendor, client: Make) -> None:
    vendor.misbehave(Fault.RATE_LIMITED_SILENT, path="/token")

    with pytest.raises(RateLimitedError, match=r"127\.0\.0\.1:\d+/token: the token endpoint answered 429") as caught:
        client().post("/x", {})

    assert caught.value.retry_after == 5.0
    assert vendor.count("/x") == 0


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET, Fault.NOT_JSON])
def test_write_that_fails_at_the_login_has_not_been_sent(vendor: Vendor, client: Make, fault: Fault) -> None:
    vendor.misbehave(fault, path="/token", times=99)

    with pytest.raises(TransientError):
        client().post("/x", {})

    assert vendor.count("/x") == 0


def test_write_whose_answer_is_lost_after_a_renewal_is_unknown(vendor: Vendor, client: Make) -> None:
    vendor.misbehave(Fault.LOST_ANSWER, path="/x", method="POST")

    with pytest.raises(OutcomeUnknownError):
        client().post("/x", {})


def test_refused_renewal_keeps_the_grant_and_shows_no_secret(
    vendor: Vendor, client: Make, tokens: MemoryTokens
) -> None:
    api = client()
    api.get("/x")
    before = tokens.load()
    vendor.valid.clear()
    vendor.refresh = "revoked"

    with pytest.raises(AuthError, match=r"invalid_grant.*connections\.acme") as caught:
        api.get("/x")

    assert tokens.load() == before
    assert "geheim" not in f"{caught.value}{caught.value.__cause__}"


# -- races with another process -------------------------------------------------------------------------------


class Racing(MemoryTokens):
    """A store in which another process renews at the worst moment, without keeping the lease."""

    def __init__(self, vendor: Vendor, *, at_swap: bool = False) -> None:
        super().__init__()
        self.vendor, self.at_swap = vendor, at_swap

    @contextmanager
    def lease(self) -> Iterator[None]:
        yield

    def other_renews(self) -> None:
        self.vendor.valid.add("access-other-geheim")
        self.vendor.refresh = "refresh-other-geheim"
        stored = self.load()
        fresh = Token("access-other-geheim", refresh="refresh-other-geheim", seed=fingerprint(SEED))
        assert super().swap(stored.version if stored else 0, fresh)

    def swap(self, expected_version: int, token: Token) -> bool:
        if self.at_swap:
            self.at_swap = False
            self.other_renews()
        return super().swap(expected_version, token)


def test_loser_of_the_swap_takes_the_winners_grant(vendor: Vendor, client: Make) -> None:
    store = Racing(vendor, at_swap=True)

    reply = client(store=store).get("/x")

    stored = store.load()
    assert reply.status == 200
    assert stored is not None
    assert (stored.access, stored.refresh) == ("access-other-geheim", "refresh-other-geheim")


def test_refusal_after_another_renewal_takes_the_winners_grant(vendor: Vendor, client: Make) -> None:
    store = Racing(vendor)
    api = client(store=store)
    api.get("/x")
    vendor.valid.clear()
    seen: list[str] = []

    def other_is_faster(request: Request) -> None:
        if request.path == "/token" and not seen:
            seen.append(request.path)
            store.other_renews()

    vendor.before_each(other_is_faster)

    reply = api.get("/x")

    stored = store.load()
    assert reply.status == 200
    assert stored is not None
    assert stored.access == "access-other-geheim"


def test_fresh_grant_of_another_process_is_used_without_a_renewal(
    vendor: Vendor, client: Make, tokens: MemoryTokens
) -> None:
    api = client()
    api.get("/x")
    stored = tokens.load()
    assert stored is not None
    vendor.valid = {"access-other-geheim"}
    assert tokens.swap(stored.version, replace(stored, access="access-other-geheim"))

    api.get("/x")

    assert vendor.renewals == 1


# -- other ways of saying no ----------------------------------------------------------------------------------


def test_refusal_inside_a_200_is_seen_when_asked_for(vendor: Vendor, client: Make) -> None:
    api = client(is_refused=lambda response: b"INVALID" in response.content, reads_success=True)
    answers = iter([Answer(200, {"code": "INVALID"}), Answer(200, {"id": 1})])
    original = vendor.handle
    vendor.handle = lambda request: (next(answers), None) if request.path == "/x" else original(request)  # type: ignore[method-assign]

    reply = api.get("/x")

    assert reply.json == {"id": 1}
    assert vendor.renewals == 2


def test_scheme_is_the_vendors(vendor: Vendor, clock: Clock) -> None:
    request = httpx.Request("GET", "https://vendor.test")
    store = MemoryTokens()
    store.swap(0, Token("access-1-geheim", seed=fingerprint(SEED)))
    auth = RenewableAuth(
        store,
        seed=SEED,
        renew=lambda grant: request,
        parse=lambda response: Token("x"),
        now=clock.now,
        scheme="Zoho-oauthtoken",
    )

    next(auth.sync_auth_flow(request))

    assert request.headers["authorization"] == "Zoho-oauthtoken access-1-geheim"


@pytest.mark.parametrize("token", ["", " ", "abc def", "abc\n", "abc\r\nX-Evil: 1", "ключ", "a\x00b"])
def test_token_that_cannot_stand_in_a_header_is_a_config_error(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BearerAuth(token)

    assert "line break" in str(caught.value)
    assert "abc" not in str(caught.value)


def test_basic_password_is_masked_in_what_the_vendor_repeats() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(401, json={"m": f"bad {request.headers['authorization']} for pass-geheim"})
    )
    context = ConnectorContext(connection="acme", transport=transport)
    api = ApiClient(
        "https://vendor.test",
        context,
        auth=BasicAuth("bot", "pass-geheim"),
        errors=ErrorTable(message_of=lambda body: body["m"]),
    )

    with pytest.raises(ConnectorError) as caught:
        api.get("/x")

    assert "geheim" not in str(caught.value)
    assert "Ym90OnBhc3MtZ2VoZWlt" not in str(caught.value)


def test_fingerprint_tells_apart_and_shows_nothing() -> None:
    assert fingerprint("a") != fingerprint("b")
    assert fingerprint(SEED) == fingerprint(SEED)
    assert len(fingerprint(SEED)) == 16
    assert "geheim" not in fingerprint(SEED)


def test_grant_travels_in_the_query_too_where_the_vendor_wants_it_there(tokens: MemoryTokens, clock: Clock) -> None:
    grants = iter(["first", "second"])
    auth = RenewableAuth(
        tokens,
        seed="id secret",
        renew=lambda _: httpx.Request("POST", "https://acme.test/token"),
        parse=lambda _: Token(next(grants)),
        now=clock.now,
        query="access_token",
    )
    request = httpx.Request("GET", "https://acme.test/x?page=2&access_token=old")
    flow = auth.sync_auth_flow(request)
    next(flow)

    before = str(flow.send(httpx.Response(200, request=request)).url)
    flow.send(httpx.Response(401, request=request))
    again = flow.send(httpx.Response(200, request=request))

    assert before == "https://acme.test/x?page=2&access_token=first"
    assert str(again.url) == "https://acme.test/x?page=2&access_token=second"
    assert again.headers["Authorization"] == "Bearer second"
