"""Budget: the pause that a vendor asks for between two writes."""

from __future__ import annotations

import httpx
import pytest

from syncd.sdk.api import ApiClient
from syncd.sdk.budget import Budget, Limits
from syncd.sdk.connector import ConnectorContext


class Seconds:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def client(clock: Seconds, limits: Limits) -> ApiClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
    budget = Budget(limits, clock=lambda: clock.now, wait=clock.wait)
    return ApiClient("https://vendor.test", ConnectorContext(budget=budget, wait=clock.wait, transport=transport))


def test_writes_keep_their_distance(clock: Seconds) -> None:
    api = client(clock, Limits(write_gap_seconds=1.0))

    api.post("/comments", {"body": "a"})
    clock.now += 0.25
    api.post("/comments", {"body": "b"})

    assert clock.waits == [0.75]


def test_reads_do_not_wait_for_writes(clock: Seconds) -> None:
    api = client(clock, Limits(write_gap_seconds=1.0))

    api.post("/comments", {"body": "a"})
    api.get("/comments")
    api.search("/search", {"query": "a"})

    assert clock.waits == []


def test_write_gap_and_rate_hold_together(clock: Seconds) -> None:
    api = client(clock, Limits(calls=2, per_seconds=60.0, write_gap_seconds=1.0))

    for _ in range(3):
        api.post("/comments", {"body": "a"})

    assert clock.waits == [1.0, 59.0]


def test_without_a_gap_writes_follow_at_once(clock: Seconds) -> None:
    api = client(clock, Limits())

    api.post("/comments", {"body": "a"})
    api.post("/comments", {"body": "b"})

    assert clock.waits == []
