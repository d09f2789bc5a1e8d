"""The outbox: one row a key, one claim a command, and an honest end for each."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.errors import StoreError
from syncd.model.communication import CommunicationRecord, RecordState
from syncd.sdk.connector import Command, Delivery, Outcome, Receipt
from syncd.store import Store, communication, outbox
from syncd.store.communication import Kept
from syncd.store.outbox import Intent, Row, State

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TERM = timedelta(minutes=10)
SENT = Receipt("msg-1", Outcome.CREATED, url="https://mail.example/1")


def record(number: int = 1, *, account: str = "acme", project: str = "Portal", name: str = "r1") -> CommunicationRecord:
    return CommunicationRecord(
        id=name,
        account=account,
        account_name="Acme",
        project=project,
        project_name=project,
        number=number,
        period_start=NOON - 7 * 24 * 60 * MINUTE,
        period_end=NOON,
        next_end=NOON + 7 * 24 * 60 * MINUTE,
        timezone="Asia/Shanghai",
        made_at=NOON,
    )


@pytest.fixture
def ready(store: Store) -> Store:
    with store.begin() as connection:
        communication.save(connection, Kept(record(), "weekly", "2026-03-02", "facts", None))
    return store


def intent(key: str = "k1", *, delivery: Delivery = Delivery.BLIND) -> Intent:
    return Intent(
        idempotency_key=key,
        account="acme",
        project="Portal",
        record="r1",
        audience="pm",
        recipient="li@acme.example",
        connection="mail",
        operation="send_mail",
        delivery=delivery,
        target_id=None,
        payload={"subject": "周报 12", "body": "…"},
        payload_hash="h1",
    )


def put(store: Store, *intents: Intent, held: bool = False) -> list[bool]:
    with store.begin(durable=True) as connection:
        return [outbox.put(connection, one, held=held, at=NOON) for one in intents]


def claim(store: Store, holder: str = "me", *, at: datetime = NOON, number: int = 1) -> Row | None:
    with store.begin(durable=True) as connection:
        return outbox.claim(connection, number, holder, at=at, term=TERM)


def due(store: Store, at: datetime = NOON) -> list[int]:
    with store.read() as connection:
        return outbox.due(connection, at=at)


def only(store: Store) -> Row:
    with store.read() as connection:
        [row] = outbox.rows(connection)
    return row


def settle(store: Store, holder: str = "me") -> None:
    with store.begin(durable=True) as connection:
        outbox.settle(connection, 1, holder, SENT, at=NOON + MINUTE)


def test_a_command_goes_from_intent_to_receipt(ready: Store) -> None:
    put(ready, intent())

    claimed = claim(ready)
    settle(ready)

    assert claimed is not None
    assert claimed.command == Command("send_mail", "k1", {"subject": "周报 12", "body": "…"}, None)
    assert (claimed.state, claimed.attempts) == (State.CLAIMED, 1)
    sent = only(ready)
    assert (sent.state, sent.remote_id, sent.outcome, sent.url) == (State.SENT, "msg-1", "created", SENT.url)
    assert sent.settled_at == NOON + MINUTE
    assert due(ready, NOON + 24 * 60 * MINUTE) == []


def test_the_same_key_is_queued_once(ready: Store) -> None:
    assert put(ready, intent(), intent()) == [True, False]
    assert put(ready, intent()) == [False]
    assert due(ready) == [1]


@pytest.mark.parametrize(
    "other",
    [{"connection": "second"}, {"operation": "send_note"}, {"target_id": "T-9"}, {"payload_hash": "another"}],
)
def test_the_same_key_for_other_content_is_refused(ready: Store, other: dict[str, str]) -> None:
    put(ready, intent())

    with pytest.raises(StoreError) as caught:
        put(ready, replace(intent(), **other))  # type: ignore[arg-type]

    assert str(caught.value) == "outbox: key k1 is in use for another command; nothing was queued"
    assert only(ready).connection == "mail"


def test_a_command_needs_the_record_that_it_tells_of(store: Store) -> None:
    with pytest.raises(StoreError):
        put(store, intent())

    with store.read() as connection:
        assert outbox.rows(connection) == []


def test_ten_threads_claim_a_thousand_commands_once_each(ready: Store) -> None:
    put(ready, *(intent(f"k{number}") for number in range(1000)))
    claimed: Counter[int] = Counter()
    faults: list[BaseException] = []
    guard = threading.Lock()

    def work(name: str) -> None:
        try:
            listed = due(ready)
            for start in range(0, len(listed), 20):
                numbers = listed[start : start + 20]
                with ready.begin() as connection:
                    won = [n for n in numbers if outbox.claim(connection, n, name, at=NOON, term=TERM)]
                with guard:
                    claimed.update(won)
        except Exception as err:
            faults.append(err)

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(claimed) == 1000
    assert set(claimed.values()) == {1}


@pytest.mark.parametrize(
    ("delivery", "state", "detail"),
    [
        (Delivery.KEYED, State.PENDING, None),
        (Delivery.FINDABLE, State.PENDING, None),
        (Delivery.BLIND, State.UNKNOWN, "the process that was sending it died; look whether it arrived"),
    ],
)
def test_a_claim_that_ran_out_is_tried_again_unless_nobody_can_know(
    ready: Store, delivery: Delivery, state: State, detail: str | None
) -> None:
    put(ready, intent(delivery=delivery))
    claim(ready)

    with ready.begin() as connection:
        too_early = outbox.recover(connection, at=NOON + TERM - MINUTE)
        recovered = outbox.recover(connection, at=NOON + TERM)

    assert (too_early, recovered) == (0, 1)
    assert (only(ready).state, only(ready).detail) == (state, detail)


def test_connections_with_work_are_named_dead_claims_included(ready: Store) -> None:
    put(ready, intent())
    claim(ready)

    with ready.read() as connection:
        busy = outbox.due_connections(connection, at=NOON)
        dead = outbox.due_connections(connection, at=NOON + TERM)

    assert (busy, dead) == ([], ["mail"])


def test_a_receipt_after_a_lost_claim_is_refused(ready: Store) -> None:
    put(ready, intent(delivery=Delivery.KEYED))
    claim(ready, "slow")
    with ready.begin() as connection:
        outbox.recover(connection, at=NOON + TERM)
    claim(ready, "fast", at=NOON + TERM)

    with pytest.raises(StoreError) as caught:
        settle(ready, "slow")

    assert str(caught.value) == "outbox: command 1 is no longer claimed by slow"
    assert only(ready).state is State.CLAIMED
    settle(ready, "fast")
    assert only(ready).state is State.SENT


def test_a_command_that_was_put_back_waits_for_its_time_even_for_who_listed_it_before(ready: Store) -> None:
    put(ready, intent())
    listed = due(ready)
    claim(ready)
    with ready.begin() as connection:
        outbox.put_back(connection, 1, "me", not_before=NOON + MINUTE, detail="the vendor asks for a pause")

    assert listed == [1]
    assert claim(ready, "another") is None
    assert due(ready, NOON + MINUTE - timedelta(seconds=1)) == []
    assert due(ready, NOON + MINUTE) == [1]
    again = claim(ready, "another", at=NOON + MINUTE)
    assert again is not None
    assert again.attempts == 2


def fail(store: Store, state: State) -> None:
    with store.begin() as connection:
        outbox.fail(connection, 1, "me", state, "550 no such user\x00", at=NOON)


def decide(store: Store, *, retry: bool, why: str = "asked the client") -> bool:
    with store.begin() as connection:
        return outbox.decide(connection, 1, retry=retry, why=why, at=NOON + MINUTE)


@pytest.mark.parametrize("state", [State.PARKED, State.UNKNOWN])
def test_a_person_may_have_a_failed_command_tried_again(ready: Store, state: State) -> None:
    put(ready, intent())
    claim(ready)
    fail(ready, state)
    failed = only(ready)

    applied = decide(ready, retry=True)

    assert (failed.state, failed.detail, failed.settled_at) == (state, "550 no such user\ufffd", NOON)
    assert applied
    assert (only(ready).state, only(ready).settled_at) == (State.PENDING, None)
    assert due(ready) == [1]


def test_a_person_may_leave_a_failed_command_with_a_reason(ready: Store) -> None:
    put(ready, intent())
    claim(ready)
    fail(ready, State.UNKNOWN)

    applied = decide(ready, retry=False, why="it did arrive")

    assert applied
    assert (only(ready).state, only(ready).detail) == (State.CANCELLED, "it did arrive")
    assert only(ready).settled_at == NOON + MINUTE


def test_a_person_cannot_have_sent_again_what_was_sent(ready: Store) -> None:
    put(ready, intent())
    claim(ready)
    settle(ready)

    assert not decide(ready, retry=True)
    assert only(ready).state is State.SENT


def test_what_waits_for_approval_is_let_go_or_cancelled(ready: Store) -> None:
    put(ready, intent("k1"), intent("k2"), held=True)
    before = due(ready)

    with ready.begin() as connection:
        released = outbox.release(connection, "r1")
        cancelled = outbox.cancel_superseded(connection, ["r1"], at=NOON)

    assert before == []
    assert (released, cancelled) == (2, 0)
    assert due(ready) == [1, 2]


def test_a_newer_digest_cancels_what_was_not_approved(ready: Store) -> None:
    put(ready, intent(), held=True)

    with ready.begin() as connection:
        cancelled = outbox.cancel_superseded(connection, ["r1"], at=NOON)
        none = outbox.cancel_superseded(connection, [], at=NOON)

    assert (cancelled, none) == (1, 0)
    assert only(ready).state is State.CANCELLED


def test_commands_are_listed_by_state_record_and_account(ready: Store) -> None:
    put(ready, intent("k1"), intent("k2"), replace(intent("k3"), account="globex"))
    claim(ready)

    with ready.read() as connection:
        claimed = outbox.rows(connection, states=[State.CLAIMED])
        of_account = outbox.rows(connection, account="acme")
        later = outbox.rows(connection, record="r1", since=2)
        counts = outbox.state_counts(connection)

    assert [row.idempotency_key for row in claimed] == ["k1"]
    assert [row.idempotency_key for row in of_account] == ["k1", "k2"]
    assert [row.idempotency_key for row in later] == ["k3"]
    assert counts == {"claimed": 1, "pending": 2}


def test_due_commands_may_be_asked_for_one_connection_and_account(ready: Store) -> None:
    put(ready, intent("k1"), replace(intent("k2"), connection="crm"), replace(intent("k3"), account="globex"))

    with ready.read() as connection:
        assert outbox.due(connection, at=NOON, source="crm") == [2]
        assert outbox.due(connection, at=NOON, source="mail", account="acme") == [1]


def numbered(store: Store, name: str, project: str = "Portal") -> int:
    with store.begin() as connection:
        number = communication.next_number(connection, "acme", project)
        kept = Kept(record(number, project=project, name=name), "weekly", name, "facts", None)
        communication.save(connection, kept)
    return number


def test_records_of_a_project_are_numbered_without_gap_however_many_write(store: Store) -> None:
    numbers: list[int] = []
    faults: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            numbers.extend(numbered(store, f"{worker}-{n}") for n in range(10))
        except Exception as err:
            faults.append(err)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert sorted(numbers) == list(range(1, 51))
    assert numbered(store, "other", "Shop") == 1


def test_the_last_delivered_record_is_found_apart_from_drafts(store: Store) -> None:
    for name in ("a", "b", "c"):
        numbered(store, name)
    with store.begin() as connection:
        communication.mark_delivered(connection, "b", at=NOON)
        communication.mark_delivered(connection, "b", at=NOON + MINUTE)
        communication.set_state(connection, "a", RecordState.SUPERSEDED)

    with store.read() as connection:
        delivered = communication.latest(connection, "acme", "Portal", "weekly", delivered=True)
        newest = communication.latest(connection, "acme", "Portal")
        other = communication.latest(connection, "acme", "Portal", "monthly")
        undelivered = communication.undelivered(connection, "acme", "Portal", "weekly")
        recent = communication.recent(connection, ["acme", "globex"])
        by_number = communication.load(connection, "acme", 2, "Portal")

    assert delivered is not None
    assert newest is not None
    assert (delivered.record.id, delivered.record.state, delivered.delivered_at) == ("b", RecordState.SENT, NOON)
    assert newest.record.id == "c"
    assert other is None
    assert undelivered == ["c"]
    assert [kept.record.id for kept in recent] == ["c"]
    assert by_number == delivered
