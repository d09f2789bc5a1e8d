"""What must happen once, whoever asks: leases, grants, firings, from many threads and many processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from syncd.errors import BusyError, ConfigError
from syncd.sdk.auth import RenewableAuth
from syncd.sdk.tokens import Token
from syncd.store import Store, firings, leases, open_store
from syncd.store.tokens import StoredTokens, cipher, forget

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = "k" * 32


class Clock:
    """A time that moves when it is told to."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except Exception as err:
            faults.append(err)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def in_processes(count: int, program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", program, *arguments]
    started = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for number in range(count)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * count
    return answers


def test_one_of_many_threads_takes_a_lease(store: Store) -> None:
    taken: list[int] = []

    def work(number: int) -> None:
        if leases.take(store, "pull:crm", f"host:{number}", at=NOON, term=MINUTE):
            taken.append(number)

    in_threads(10, work)

    assert len(taken) == 1
    assert leases.holder_of(store, "pull:crm", at=NOON) == f"host:{taken[0]}"


def test_a_lease_may_be_taken_again_by_its_holder_and_by_others_once_it_ran_out(store: Store) -> None:
    first = leases.take(store, "a", "elsewhere:1", at=NOON, term=MINUTE)
    again = leases.take(store, "a", "elsewhere:1", at=NOON + MINUTE / 2, term=MINUTE)
    too_early = leases.take(store, "a", "elsewhere:2", at=NOON + MINUTE, term=MINUTE)
    in_time = leases.take(store, "a", "elsewhere:2", at=NOON + 1.5 * MINUTE, term=MINUTE)
    back = leases.take(store, "a", "elsewhere:1", at=NOON + 2 * MINUTE, term=MINUTE)

    assert (first, again, too_early, in_time, back) == (True, True, False, True, False)
    assert leases.holder_of(store, "a", at=NOON + 3 * MINUTE) is None


def test_only_its_holder_gives_a_lease_back(store: Store) -> None:
    leases.take(store, "a", "elsewhere:1", at=NOON, term=MINUTE)

    leases.release(store, "a", "elsewhere:2")
    kept = leases.holder_of(store, "a", at=NOON)
    leases.release(store, "a", "elsewhere:1")

    assert kept == "elsewhere:1"
    assert leases.holder_of(store, "a", at=NOON) is None


def test_a_lease_that_somebody_else_holds_is_told_with_who_it_is(store: Store) -> None:
    leases.take(store, "account:acme", "elsewhere:1:ab", at=NOON, term=MINUTE)

    with pytest.raises(BusyError) as caught, leases.held(store, "account:acme", now=Clock()):
        pass

    assert str(caught.value) == "account:acme: held by elsewhere:1:ab; try again later"


def test_a_lease_is_waited_for(store: Store) -> None:
    clock = Clock()
    leases.take(store, "a", "elsewhere:1", at=NOON, term=MINUTE)

    with leases.held(store, "a", now=clock, wait=clock.wait, wait_seconds=120):
        assert NOON + MINUTE <= clock.time < NOON + 1.1 * MINUTE

    assert leases.holder_of(store, "a", at=clock.time) is None


def test_a_lease_is_free_again_after_an_error(store: Store) -> None:
    def work() -> None:
        with leases.held(store, "a", now=Clock()):
            raise RuntimeError("the work failed")

    with pytest.raises(RuntimeError):
        work()

    assert leases.holder_of(store, "a", at=NOON) is None


def test_a_lease_may_be_prolonged_late_if_nobody_came(store: Store) -> None:
    clock = Clock()

    with leases.held(store, "a", now=clock, term=MINUTE) as prolong:
        clock.time += 5 * MINUTE
        prolong()

        assert leases.holder_of(store, "a", at=clock.time) is not None


def test_prolonging_a_lost_lease_stops_the_holder_even_if_the_other_one_has_left(store: Store) -> None:
    clock = Clock()

    with leases.held(store, "a", now=clock, term=MINUTE) as prolong:
        clock.time += 5 * MINUTE
        leases.take(store, "a", "elsewhere:2", at=clock.time, term=MINUTE)
        with pytest.raises(BusyError, match="a: the lease was lost to another process; stopping"):
            prolong()
        leases.release(store, "a", "elsewhere:2")
        with pytest.raises(BusyError, match="a: the lease was lost to another process; stopping"):
            prolong()


def test_the_lease_of_a_dead_process_here_is_free_at_once(store: Store) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "from syncd.store import leases; print(leases.new_holder())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    leases.take(store, "a", dead, at=NOON, term=MINUTE)

    assert dead.split(":")[1] != str(os.getpid())
    assert leases.take(store, "a", leases.new_holder(), at=NOON, term=MINUTE)


def test_a_process_that_we_cannot_see_is_not_taken_for_dead(store: Store) -> None:
    here, pid, mark = leases.new_holder().split(":")
    leases.take(store, "a", f"{here.split('~')[0]}~another:999999999:{mark}", at=NOON, term=MINUTE)

    assert pid == str(os.getpid())
    assert not leases.take(store, "a", leases.new_holder(), at=NOON, term=MINUTE)


TAKE_TURNS = """
import sys, time
from datetime import UTC, datetime
from syncd.store import leases, open_store

store = open_store(sys.argv[1])
for _ in range(10):
    with leases.held(store, "turn", now=lambda: datetime.now(UTC), wait=lambda _: time.sleep(0.002), wait_seconds=1e9):
        with open(sys.argv[2], "r+") as file:
            number = int(file.read())
            file.seek(0)
            file.write(str(number + 1))
store.close()
"""


def test_processes_that_take_turns_under_a_lease_never_meet(migrated: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    in_processes(3, TAKE_TURNS, migrated, str(counter))

    assert counter.read_text() == "30"


CLAIM_SLOTS = """
import random, sys
from datetime import UTC, datetime, timedelta
from syncd.store import firings, open_store

store = open_store(sys.argv[1])
noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
slots = [noon + timedelta(minutes=number) for number in range(1000)]
if sys.argv[2] == "1":  # one goes the other way, but for the rows of one transaction: two could lock each other
    slots = [slot for start in range(990, -1, -10) for slot in slots[start : start + 10]]
won = 0
for start in range(0, 1000, 10):
    with store.begin() as connection:
        for slot in slots[start : start + 10]:
            won += firings.claim(connection, "plan:acme:weekly", slot, at=noon, config_version="1", holder=sys.argv[2])
print(won)
store.close()
"""


def test_a_thousand_slots_fire_once_each_however_many_processes_ask(migrated: str) -> None:
    won = [int(answer) for answer in in_processes(4, CLAIM_SLOTS, migrated)]

    store = open_store(migrated)
    with store.read() as connection:
        assert sum(won) == firings.count(connection) == 1000
    store.close()


def test_a_hundred_slots_fire_once_each_however_many_threads_ask(store: Store) -> None:
    won: list[datetime] = []

    def work(number: int) -> None:
        for minute in range(100):
            slot = NOON + minute * MINUTE
            with store.begin() as connection:
                if firings.claim(connection, "a", slot, at=NOON, config_version="1", holder=str(number)):
                    won.append(slot)

    in_threads(10, work)

    assert sorted(won) == [NOON + minute * MINUTE for minute in range(100)]


def fire(store: Store, schedule: str, slot: datetime, holder: str = "first") -> bool:
    with store.begin() as connection:
        return firings.claim(connection, schedule, slot, at=slot, config_version="1", holder=holder)


def test_a_slot_that_was_begun_and_never_ended_is_taken_over(store: Store) -> None:
    for slot in (NOON, NOON + MINUTE):
        fire(store, "plan:a_b:weekly", slot)
    fire(store, "plan:axb:weekly", NOON)
    with store.begin() as connection:
        firings.end(connection, "plan:a_b:weekly", NOON, at=NOON)

    with store.begin() as connection:
        own = firings.abandoned(connection, "plan:a_b:", "first")
        left = firings.abandoned(connection, "plan:a_b:", "second")
        taken = firings.take_over(connection, "plan:a_b:weekly", NOON + MINUTE, holder="second", at=NOON)
        ended = firings.take_over(connection, "plan:a_b:weekly", NOON, holder="second", at=NOON)

    assert own == []
    assert left == [("plan:a_b:weekly", NOON + MINUTE)]
    assert (taken, ended) == (True, False)


def test_the_newest_slot_of_a_schedule_and_their_number_are_told(store: Store) -> None:
    for slot in (NOON, NOON + MINUTE):
        fire(store, "plan:a_b:weekly", slot)
    fire(store, "plan:axb:weekly", NOON)

    with store.read() as connection:
        assert firings.latest(connection, "plan:a_b:weekly") == NOON + MINUTE
        assert firings.latest(connection, "plan:never") is None
        assert firings.count(connection, "plan:a_b") == 2


def test_a_failed_slot_is_begun_anew_after_a_while(store: Store) -> None:
    fire(store, "a", NOON)
    with store.begin() as connection:
        firings.end(connection, "a", NOON, at=NOON, error="the vendor was away")

    with store.begin() as connection:
        early = firings.try_again(connection, "a", NOON, holder="b", at=NOON, failed_before=NOON - MINUTE)
        again = firings.try_again(connection, "a", NOON, holder="b", at=NOON, failed_before=NOON)
        twice = firings.try_again(connection, "a", NOON, holder="c", at=NOON, failed_before=NOON)

    assert (early, again, twice) == (False, True, False)


def test_old_slots_are_forgotten_but_not_the_newest_of_a_schedule(store: Store) -> None:
    for schedule, slot in (("a", NOON), ("a", NOON + MINUTE), ("b", NOON)):
        fire(store, schedule, slot)
        with store.begin() as connection:
            firings.end(connection, schedule, slot, at=slot)

    with store.begin() as connection:
        forgotten = firings.prune(connection, before=NOON + 60 * MINUTE)

    with store.read() as connection:
        assert forgotten == 1
        assert firings.latest(connection, "a") == NOON + MINUTE
        assert firings.latest(connection, "b") == NOON


def grants(store: Store, *, key: str = KEY, clock: Clock | None = None) -> StoredTokens:
    now = clock or Clock()
    return StoredTokens(store, "crm", cipher(key), now=now, wait=now.wait)


def test_a_grant_comes_back_with_its_version(store: Store) -> None:
    token = Token("access", expires_at=NOON, refresh="refresh", seed="seed")

    assert grants(store).load() is None
    assert grants(store).swap(0, token)
    assert grants(store).load() == Token("access", expires_at=NOON, refresh="refresh", seed="seed", version=1)


def test_a_grant_is_replaced_only_if_it_still_is_the_one_that_was_read(store: Store) -> None:
    tokens = grants(store)
    tokens.swap(0, Token("first"))

    late_first = tokens.swap(0, Token("another first"))
    winner = tokens.swap(1, Token("second"))
    loser = tokens.swap(1, Token("another second"))
    future = tokens.swap(7, Token("seventh"))

    assert (late_first, winner, loser, future) == (False, True, False, False)
    assert tokens.load() == Token("second", version=2)


def test_one_of_many_swaps_wins(store: Store) -> None:
    grants(store).swap(0, Token("old"))
    won: list[int] = []

    def work(number: int) -> None:
        if grants(store).swap(1, Token(f"new {number}")):
            won.append(number)

    in_threads(10, work)

    assert grants(store).load() == Token(f"new {won[0]}", version=2)
    assert len(won) == 1


def test_a_grant_stands_nowhere_in_the_files_of_the_database(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/syncd.db")
    grants(store).swap(0, Token("canary-access-1", refresh="canary-refresh-1"))
    grants(store).swap(1, Token("canary-access-2", refresh="canary-refresh-2"))

    while_open = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    closed = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"crm" in while_open
    assert b"canary" not in while_open + closed


def test_another_key_is_told_with_the_way_out(store: Store) -> None:
    grants(store).swap(0, Token("canary-access"))

    with pytest.raises(ConfigError) as caught:
        grants(store, key="another key of more than 32 characters").load()

    assert str(caught.value) == (
        "secrets.key: cannot decrypt the stored grant of 'crm': it was stored with another. "
        "Give back the old key, or forget the grant with: syncd db forget-grant crm"
    )
    assert grants(store).load() is not None


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        cipher("hunter2")

    assert str(caught.value) == ("secrets.key: needs 32 characters or more; make one with: openssl rand -base64 48")


def test_a_grant_is_forgotten_when_a_person_asks(store: Store) -> None:
    grants(store).swap(0, Token("access"))

    assert forget(store, "crm")
    assert not forget(store, "crm")
    assert grants(store).load() is None


def test_fifty_threads_with_an_expired_grant_renew_it_once(store: Store) -> None:
    renewals: list[int] = []
    seen: list[str] = []
    clock = Clock()
    pause = threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            renewals.append(1)
            return httpx.Response(200, json={"access_token": f"fresh-{len(renewals)}"})
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    def work(_: int) -> None:
        auth = RenewableAuth(
            StoredTokens(store, "crm", cipher(KEY), now=clock, wait=lambda _: bool(pause.wait(0.001))),  # type: ignore[arg-type, return-value]
            seed="client",
            renew=lambda _: httpx.Request("POST", "https://crm.example/token"),
            parse=lambda response: Token(response.json()["access_token"], expires_at=NOON + 60 * MINUTE),
            now=clock,
        )
        with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
            client.get("https://crm.example/accounts")

    in_threads(50, work)

    assert len(renewals) == 1
    assert seen == ["Bearer fresh-1"] * 50
