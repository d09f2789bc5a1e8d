"""Budget: rate, concurrency and cool-down hold whatever the threads do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.sdk import Budget, Limits
from syncd.sdk.testing import Clock


def budget(clock: Clock, limits: Limits) -> Budget:
    return Budget(limits, clock=clock.monotonic, wait=clock.wait)


@settings(max_examples=60, deadline=None)
@given(
    calls=st.integers(1, 6),
    per_seconds=st.sampled_from([0.1, 1.0, 7.5, 60.0]),
    pauses=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40),
    cool_downs=st.dictionaries(st.integers(0, 39), st.floats(0.0, 90.0), max_size=4),
)
def test_no_window_holds_more_calls_than_allowed(
    calls: int, per_seconds: float, pauses: list[float], cool_downs: dict[int, float]
) -> None:
    clock = Clock()
    shared = budget(clock, Limits(calls=calls, per_seconds=per_seconds))
    starts: list[float] = []
    cooled_until = 0.0

    for number, pause in enumerate(pauses):
        with shared.slot():
            starts.append(clock.monotonic())
            assert starts[-1] >= cooled_until - 0.001
        if number in cool_downs:
            shared.cool_down(cool_downs[number])
            cooled_until = max(cooled_until, clock.monotonic() + cool_downs[number])
        clock.wait(pause)

    for first in range(len(starts) - calls):
        assert starts[first + calls] - starts[first] >= per_seconds - 0.001


def test_no_more_than_the_allowed_number_runs_at_once() -> None:
    clock = Clock()
    shared = budget(clock, Limits(concurrency=3))
    lock, running, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(3, timeout=5.0)

    def work(_: int) -> None:
        with shared.slot():
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            gate.wait()
            with lock:
                running[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))

    assert most == [3]


def test_cool_down_holds_for_every_thread() -> None:
    clock = Clock()
    shared = budget(clock, Limits(concurrency=8))
    shared.cool_down(30.0)
    starts: list[float] = []

    def work(_: int) -> None:
        with shared.slot():
            starts.append(clock.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert min(starts) >= 30.0
    assert len(starts) == 8


def test_longer_cool_down_in_force_stays() -> None:
    clock = Clock()
    shared = budget(clock, Limits())

    shared.cool_down(30.0)
    shared.cool_down(2.0)

    assert shared.cooling_seconds() == 30.0


def test_requests_start_slowly_after_a_cool_down() -> None:
    clock = Clock()
    shared = budget(clock, Limits())
    shared.cool_down(10.0)
    starts = []

    for _ in range(7):
        with shared.slot():
            starts.append(clock.monotonic())

    assert starts == [10.0, 11.0, 11.5, 11.75, 11.875, 11.9375, 11.9375]


def test_silent_refusals_in_a_row_double_the_pause() -> None:
    clock = Clock()
    shared = budget(clock, Limits())
    pauses = []

    for _ in range(7):
        pauses.append(shared.back_off())
        clock.wait(shared.cooling_seconds())

    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 120.0]


def test_same_refusal_seen_by_four_threads_doubles_nothing() -> None:
    clock = Clock()
    shared = budget(clock, Limits())

    first = shared.back_off()
    others = [shared.back_off() for _ in range(3)]
    clock.wait(shared.cooling_seconds())

    assert first == 5.0
    assert all(5.0 <= left <= 6.0 for left in others)
    assert shared.back_off() == 10.0


def test_success_forgets_the_silent_refusals() -> None:
    clock = Clock()
    shared = budget(clock, Limits())
    shared.back_off()
    clock.wait(10.0)

    shared.recovered()

    assert shared.back_off() == 5.0


def test_wait_that_raises_gives_the_slot_back() -> None:
    shared = budget(Clock(), Limits(concurrency=1))
    shared.cool_down(10.0)

    def stop(seconds: float) -> None:
        raise InterruptedError

    for _ in range(2):
        with pytest.raises(InterruptedError), shared.slot(wait=stop):
            raise AssertionError("not reached")


def test_delay_below_the_clocks_grain_ends() -> None:
    clock = Clock()
    shared = budget(clock, Limits(calls=1, per_seconds=1e-7))

    for _ in range(3):
        with shared.slot():
            pass

    assert len(clock.waits) <= 3
