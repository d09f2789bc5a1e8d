"""The API client against a routed vendor: which calls go out, how often, and with what."""

from __future__ import annotations

import json

import httpx
import pytest
import respx

from syncd.sdk import ApiClient, BearerAuth, ConnectorContext, OutcomeUnknownError
from syncd.sdk.budget import Budget

BASE = "https://vendor.test"


def client(router: respx.MockRouter, waits: list[float]) -> ApiClient:
    transport = httpx.MockTransport(router.handler)
    budget = Budget(wait=waits.append, clock=lambda: sum(waits))
    context = ConnectorContext(transport=transport, wait=waits.append, budget=budget)
    return ApiClient(BASE, context, auth=BearerAuth("t-0k3n-canary"))


def test_a_read_waits_as_long_as_the_vendor_says_and_asks_again() -> None:
    router, waits = respx.Router(base_url=BASE), list[float]()
    tasks = router.get("/tasks", params={"page": "2"})
    tasks.side_effect = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200, json=[{"id": 1}])]

    found = client(router, waits).get("/tasks", {"page": 2}).json

    assert found == [{"id": 1}]
    assert tasks.call_count == 2
    assert 7.0 <= sum(waits) < 9.0


def test_every_call_bears_the_token_and_nothing_else_of_ours() -> None:
    router, waits = respx.Router(base_url=BASE), list[float]()
    me = router.get("/me", headers={"Authorization": "Bearer t-0k3n-canary"}).respond(200, json={"name": "bot"})

    client(router, waits).get("/me")

    assert me.called
    assert me.calls.last.request.headers["User-Agent"].startswith("syncd/")


def test_a_write_whose_answer_is_lost_goes_out_once() -> None:
    router, waits = respx.Router(base_url=BASE), list[float]()
    comments = router.post("/tasks/1/comments").mock(side_effect=httpx.ReadTimeout)

    with pytest.raises(OutcomeUnknownError):
        client(router, waits).post("/tasks/1/comments", {"body": "周报"})

    assert comments.call_count == 1
    assert json.loads(comments.calls.last.request.content) == {"body": "周报"}
