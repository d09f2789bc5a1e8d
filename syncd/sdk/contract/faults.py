"""Contract cases on reading from a vendor that misbehaves: wait, retry, or fail loudly, never an empty success."""
# ruff: noqa: S101, FBT001, PT017

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import AuthError, ConnectorError, ContractError, RateLimitedError, TransientError
from syncd.sdk.connector import Connector, ConnectorContext
from syncd.sdk.contract.answers import AnswerContract
from syncd.sdk.contract.description import ALWAYS
from syncd.sdk.contract.harness import AT, CONNECTION, Clock, ids_of, read_all
from syncd.sdk.fake import Fault

PASSING = frozenset({Fault.SERVER_ERROR, Fault.RESET, Fault.TRUNCATED, Fault.NOT_JSON})


class ShutdownError(Exception):
    """What the engine's `wait` raises when the daemon stops."""


class FaultContract(AnswerContract):
    """Reads through faults. The login is warmed up first, so that a fault meets the list and not the token."""

    def warm(self, fake: Any, subject: Connector, stream: str) -> list[str]:
        """Populate `stream`, read it once, and return the ids."""
        ids = self.populate(fake, stream, 20, at=AT)
        read_all(subject, stream, partition=self.partition(fake, stream))
        return ids

    @pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
    def test_rate_limit_is_waited_out(
        self, fake: Any, clock: Clock, subject: Connector, bulk_stream: str, as_date: bool
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        fake.misbehave(Fault.RATE_LIMITED, retry_after=7.0, as_date=as_date)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert 7.0 <= sum(clock.waits) <= 30.0
        assert set(ids) - set(ids_of(pages)) == set()

    def test_rate_limit_without_a_header_is_waited_out(
        self, fake: Any, clock: Clock, subject: Connector, bulk_stream: str
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        fake.misbehave(Fault.RATE_LIMITED_SILENT, times=2)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert sum(clock.waits) >= 2.0
        assert set(ids) - set(ids_of(pages)) == set()

    @pytest.mark.parametrize("passing", sorted(PASSING))
    def test_passing_fault_is_retried(
        self, fake: Any, clock: Clock, subject: Connector, bulk_stream: str, passing: Fault
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        fake.misbehave(passing)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert set(ids) - set(ids_of(pages)) == set()

    @pytest.mark.parametrize("lasting", sorted(PASSING))
    def test_lasting_fault_is_an_error_after_bounded_tries(
        self, fake: Any, subject: Connector, bulk_stream: str, lasting: Fault
    ) -> None:
        self.warm(fake, subject, bulk_stream)
        before = len(fake.calls)
        fake.misbehave(lasting, times=ALWAYS)

        with pytest.raises((TransientError, ContractError), match=r"127\.0\.0\.1"):
            list(subject.read(bulk_stream, None, partition=self.partition(fake, bulk_stream)))

        assert len(fake.calls) - before <= 12

    @pytest.mark.parametrize("gone", [Fault.GONE, Fault.NOT_FOUND])
    def test_vanished_list_is_an_error_and_not_an_empty_one(
        self, fake: Any, subject: Connector, bulk_stream: str, gone: Fault
    ) -> None:
        self.warm(fake, subject, bulk_stream)
        fake.misbehave(gone, times=ALWAYS)

        with pytest.raises(ContractError):
            list(subject.read(bulk_stream, None, partition=self.partition(fake, bulk_stream)))

    def test_lost_right_is_not_retried(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        self.warm(fake, subject, bulk_stream)
        before = len(fake.calls)
        fake.misbehave(Fault.FORBIDDEN, times=ALWAYS)

        with pytest.raises(AuthError, match=CONNECTION):
            list(subject.read(bulk_stream, None, partition=self.partition(fake, bulk_stream)))

        assert len(fake.calls) - before <= 2

    def test_token_that_expires_in_mid_read_is_renewed_or_named(
        self, fake: Any, subject: Connector, bulk_stream: str
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        ids += self.populate(fake, bulk_stream, 250, at=AT)
        fake.misbehave(Fault.EXPIRED_TOKEN, after=1)

        try:
            pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))
        except AuthError as err:
            assert CONNECTION in str(err)
        else:
            assert set(ids) - set(ids_of(pages)) == set()

    def test_moved_list_is_followed(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        seen = len(fake.calls)
        fake.misbehave(Fault.MOVED, method="GET", times=ALWAYS)
        # Every answer to a path that has not moved yet sends there; the moved path is answered.
        fake.before_each(lambda request: fake.behave() if request.path.startswith("/moved") else None)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert set(ids) - set(ids_of(pages)) == set()
        assert [c for c in fake.calls[seen:] if c.method == "GET" and c.status == 301] != [] or not any(
            call.method == "GET" for call in fake.calls[seen:]
        )

    def test_cool_down_holds_for_the_whole_connection(
        self, fake: Any, clock: Clock, context: ConnectorContext, subject: Connector, bulk_stream: str
    ) -> None:
        self.warm(fake, subject, bulk_stream)
        fake.misbehave(Fault.RATE_LIMITED, times=ALWAYS, retry_after=30.0)
        started = clock.monotonic()
        with pytest.raises(RateLimitedError):
            list(subject.read(bulk_stream, None, partition=self.partition(fake, bulk_stream)))
        fake.behave()
        left = context.budget.cooling_seconds()
        asked_at = clock.monotonic()
        assert left > 0
        assert asked_at > started

        other = self.connector(fake, context)
        read_all(other, bulk_stream, partition=self.partition(fake, bulk_stream))
        other.close()

        assert clock.monotonic() - asked_at >= left

    def test_shutdown_while_waiting_ends_the_read(
        self, fake: Any, clock: Clock, context: ConnectorContext, bulk_stream: str
    ) -> None:
        ids = self.populate(fake, bulk_stream, 3, at=AT)
        stopping: list[float] = []

        def wait(seconds: float) -> None:
            stopping.append(seconds)
            raise ShutdownError

        connector = self.connector(fake, replace(context, wait=wait))
        fake.misbehave(Fault.RATE_LIMITED, times=ALWAYS, retry_after=30.0)

        with pytest.raises(ShutdownError):
            list(connector.read(bulk_stream, None, partition=self.partition(fake, bulk_stream)))

        assert len(stopping) == 1
        assert ids
        connector.close()

    def test_threads_read_at_once(self, fake: Any, subject: Connector, bulk_stream: str) -> None:
        ids = self.populate(fake, bulk_stream, 60, at=AT)
        partition = self.partition(fake, bulk_stream)

        with ThreadPoolExecutor(4) as pool:
            reads = [pool.submit(read_all, subject, bulk_stream, partition=partition) for _ in range(4)]

        assert [set(ids) - set(ids_of(read.result())) for read in reads] == [set()] * 4

    def test_no_fault_looks_like_an_empty_list(
        self, fake: Any, subject: Connector, bulk_stream: str, fault: Fault
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        fake.misbehave(fault, times=ALWAYS, retry_after=1.0, seconds=0.0)

        try:
            pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))
        except ConnectorError:
            return
        assert set(ids) - set(ids_of(pages)) == set()
