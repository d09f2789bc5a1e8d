"""ApiClient when a success cannot be read: reads ask again, writes are unknown, and a body is decoded once."""

from __future__ import annotations

import httpx
import pytest

from syncd.errors import ContractError, OutcomeUnknownError, TransientError
from syncd.sdk.api import ApiClient, Reply
from syncd.sdk.connector import ConnectorContext


def client(handler: object) -> ApiClient:
    context = ConnectorContext(transport=httpx.MockTransport(handler), wait=lambda seconds: None)  # type: ignore[arg-type]
    return ApiClient("https://vendor.test", context, attempts=3)


def test_read_whose_body_is_cut_off_is_asked_again() -> None:
    bodies = iter([b'{"items": [1,', b'{"items": [1]}'])

    reply = client(lambda request: httpx.Response(200, content=next(bodies))).get("/items")

    assert reply.json == {"items": [1]}


def test_read_that_is_never_json_fails_after_bounded_tries() -> None:
    calls: list[str] = []

    def proxy(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(200, content=b"<html>login</html>")

    with pytest.raises(TransientError, match="not JSON"):
        client(proxy).get("/items")

    assert calls == ["/items", "/items", "/items"]


def test_write_whose_answer_is_cut_off_is_unknown() -> None:
    with pytest.raises(OutcomeUnknownError, match=r"vendor\.test/items"):
        client(lambda request: httpx.Response(201, content=b'{"id": ')).post("/items", {"name": "a"})


def test_redirect_in_circles_is_a_contract_error() -> None:
    def circle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(301, headers={"Location": str(request.url)})

    with pytest.raises(ContractError, match=r"vendor\.test/items"):
        client(circle).get("/items")


def test_body_is_decoded_once() -> None:
    reply = Reply(200, httpx.Headers(), b'{"items": []}', "https://vendor.test/items")

    assert reply.json is reply.json
