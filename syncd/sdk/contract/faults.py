"""Contract cases on reading from a vendor that misbehaves: wait, retry, or fail loudly, never an empty success."""
# ruff: noqa: S101, FBT001, PT017

from __future__ import annotations

from typing import Any

import pytest

from syncd.errors import AuthError, ConnectorError, ContractError, TransientError
from syncd.sdk.connector import Connector
from syncd.sdk.contract.description import ALWAYS
from syncd.sdk.contract.harness import AT, CONNECTION, Clock, ids_of, read_all
from syncd.sdk.contract.reading import IncrementalContract
from syncd.sdk.fake import Fault

PASSING = frozenset({Fault.SERVER_ERROR, Fault.RESET, Fault.TRUNCATED, Fault.NOT_JSON})


class FaultContract(IncrementalContract):
    """Reads through faults. The login is warmed up first, so that a fault meets the list and not the token."""

    def warm(self, fake: Any, subject: Connector, stream: str) -> list[str]:
        """Populate `stream`, read it once, and return the ids."""
        ids = self.populate(fake, stream, 20, at=AT)
        read_all(subject, stream, partition=self.partition(fake, stream))
        return ids

    def skip_without(self, fault: Fault) -> bool:
        """Say whether the vendor does not have this fault."""
        return fault in self.faults_without

    @pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
    def test_rate_limit_is_waited_out(
        self, fake: Any, clock: Clock, subject: Connector, bulk_stream: str, as_date: bool
    ) -> None:
        ids = self.warm(fake, subject, bulk_stream)
        fake.misbehave(Fault.RATE_LIMITED, retry_after=7.0, as_date=as_date)

        pages = read_all(subject, bulk_stream, partition=self.partition(fake, bulk_stream))

        assert 7.0 <= sum(clock.waits) <= 20.0
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

    def test_vanished_list_is_an_error_and_not_an_empty_one(
        self, fake: Any, subject: Connector, bulk_stream: str
    ) -> None:
        self.warm(fake, subject, bulk_stream)
        fake.misbehave(Fault.GONE, times=ALWAYS)

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
