"""ApiClient and redirects: followed for reads, through the guard, and without credentials to another host."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from syncd.errors import ConfigError, ConnectorError, ContractError
from syncd.sdk import AddressGuard, ApiClient, BearerAuth, ConnectorContext
from syncd.sdk.fake import Answer, FakeServer, Request, route

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, **options: object) -> ApiClient:
    context = ConnectorContext(connection="acme", transport=httpx.MockTransport(handler), wait=lambda seconds: None)
    headers = {"X-Api-Key": "key-geheim", "Cookie": "session=geheim"}
    return ApiClient("https://vendor.test/api", context, auth=BearerAuth("token-geheim"), headers=headers, attempts=1)


def moving(status: int, location: str, seen: list[httpx.Request]) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            return httpx.Response(status, headers={"Location": location})
        return httpx.Response(200, json={"id": 1})

    return handle


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_read_is_followed_on_the_same_host_with_credentials(status: int) -> None:
    seen: list[httpx.Request] = []

    reply = client(moving(status, "/api/v2/x?page=2", seen)).get("/x")

    assert reply.json == {"id": 1}
    assert reply.url == "https://vendor.test/api/v2/x?page=2"
    assert seen[1].headers["authorization"] == "Bearer token-geheim"
    assert seen[1].headers["x-api-key"] == "key-geheim"


@pytest.mark.parametrize(
    "location", ["https://files.test/x", "https://vendor.test:8443/x", "https://sub.vendor.test/x", "//files.test/x"]
)
def test_another_host_gets_no_credentials(location: str) -> None:
    seen: list[httpx.Request] = []

    client(moving(302, location, seen)).get("/x")

    assert sorted(seen[1].headers) == ["accept", "accept-encoding", "host", "user-agent"]
    assert "geheim" not in repr(seen[1].headers)


def test_credentials_do_not_come_back_after_a_foreign_hop() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        hops = {1: "https://files.test/a", 2: "https://files.test/b"}
        if len(seen) in hops:
            return httpx.Response(302, headers={"Location": hops[len(seen)]})
        return httpx.Response(200, json={})

    client(handle).get("/x")

    assert ["authorization" in request.headers for request in seen] == [True, False, False]


@pytest.mark.parametrize(
    "location",
    [
        "http://vendor.test/x",
        "http://files.test/x",
        "https://u:p@files.test/x",
        "ftp://files.test/x",
        "file:///etc/passwd",
    ],
)
def test_unsafe_target_is_not_followed(location: str) -> None:
    seen: list[httpx.Request] = []

    with pytest.raises(ContractError, match=r"moved to .*connections\.acme\.config") as caught:
        client(moving(302, location, seen)).get("/x")

    assert len(seen) == 1
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("location", ["http://[", "\x00", "https://vendor.test:port/"])
def test_rubbish_target_is_an_error_of_ours(location: str) -> None:
    seen: list[httpx.Request] = []

    with pytest.raises(ConnectorError):
        client(moving(302, location, seen)).get("/x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_write_is_never_followed(status: int, method: str) -> None:
    seen: list[httpx.Request] = []

    with pytest.raises(ContractError, match=r"moved to vendor\.test/y"):
        client(moving(status, "https://vendor.test/y", seen)).request(method, "/x", json={})

    assert len(seen) == 1


@pytest.mark.parametrize(("status", "requests"), [(301, 1), (302, 1), (303, 1), (307, 2), (308, 2)])
def test_search_is_followed_only_as_a_search(status: int, requests: int) -> None:
    seen: list[httpx.Request] = []
    api = client(moving(status, "/api/v2/search", seen))

    if requests == 1:
        with pytest.raises(ContractError):
            api.search("/search", {"query": "a"})
    else:
        api.search("/search", {"query": "a"})

    assert [(request.method, request.content) for request in seen] == [("POST", b'{"query":"a"}')] * requests


def test_search_does_not_carry_its_body_to_another_host() -> None:
    seen: list[httpx.Request] = []

    with pytest.raises(ContractError):
        client(moving(307, "https://files.test/search", seen)).search("/search", {"query": "a"})

    assert len(seen) == 1


def test_redirect_without_a_target_is_an_error() -> None:
    with pytest.raises(ContractError, match="moved to nowhere"):
        client(lambda request: httpx.Response(302)).get("/x")


class Mover(FakeServer):
    """Sends every reader to `target`."""

    target = ""

    @route("GET", "/x")
    def x(self, request: Request) -> Answer:
        return Answer(302, None, {"Location": self.target})

    @route("GET", "/inside")
    def inside(self, request: Request) -> Answer:
        return Answer(200, {"secret": "of the house"})


def test_redirect_to_a_private_address_meets_the_guard() -> None:
    with Mover() as mover, Mover() as inner:
        mover.target = f"http://localhost:{inner.url.rpartition(':')[2]}/inside"
        guard = AddressGuard(private_hosts=frozenset({"127.0.0.1"}))
        api = ApiClient(mover.url, ConnectorContext(guard=guard, wait=lambda seconds: None))

        with pytest.raises(ConfigError, match="localhost: address refused"):
            api.get("/x")

        assert inner.calls == []
        api.close()
