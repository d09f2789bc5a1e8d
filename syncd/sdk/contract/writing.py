"""Contract cases on writing: once, with a receipt; and what may be known when the answer is lost."""
# ruff: noqa: S101, PT017

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from syncd.errors import (
    AuthError,
    ConnectorError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RejectedError,
    TransientError,
)
from syncd.sdk.connector import Command, Connector, Delivery, Receipt
from syncd.sdk.contract.alteration import is_login
from syncd.sdk.contract.description import ALWAYS, DescriptionContract
from syncd.sdk.contract.harness import CONNECTION, Clock, context_for
from syncd.sdk.fake import FakeServer, Fault

KEY = "5f0c8e7a1b2d4c3f9e8d7c6b5a493827"
OTHER_KEY = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


class WritingContract(DescriptionContract):
    """Cases for every operation of the spec, by its delivery class."""

    def spoil_the_write(self, fake: Any, subject: Connector, operation: str, fault: Fault, *, times: int = 1) -> None:
        """Plan `fault` for the request that carries `operation` out, found by doing it once under another key."""
        seen = len(fake.calls) if isinstance(fake, FakeServer) else 0
        subject.write(self.command(fake, operation, OTHER_KEY))
        if not isinstance(fake, FakeServer):
            fake.misbehave(fault, times=times)
            return
        methods = [call.method for call in fake.calls[seen:] if not is_login(fake, call.path)]
        method = next(m for m in reversed(methods) if m not in ("GET", "HEAD"))
        sent_before = methods.count(method) - 1
        fake.misbehave(fault, method=method, after=sent_before, times=times, retry_after=7.0)

    def test_write_takes_effect_once_and_gives_a_receipt(self, fake: Any, subject: Connector, operation: str) -> None:
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        receipt = subject.write(command)

        assert self.effects(fake, operation) - before == 1
        assert isinstance(receipt, Receipt)
        assert isinstance(receipt.remote_id, str)
        assert receipt.remote_id != ""

    def test_plan_mode_sends_nothing(self, fake: Any, clock: Clock, operation: str) -> None:
        connector = self.connector(fake, context_for(clock, read_only=True))
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation), getattr(fake, "writes", 0)

        with pytest.raises(ReadOnlyError):
            connector.write(command)

        assert (self.effects(fake, operation), getattr(fake, "writes", 0)) == before
        connector.close()

    def test_same_key_twice_takes_effect_once(self, fake: Any, subject: Connector, keyed_operation: str) -> None:
        command = self.command(fake, keyed_operation, KEY)
        before = self.effects(fake, keyed_operation)

        first = subject.write(command)
        second = subject.write(command)

        assert self.effects(fake, keyed_operation) - before == 1
        assert first.remote_id == second.remote_id

    def test_find_sees_nothing_before_the_write(self, fake: Any, subject: Connector, findable_operation: str) -> None:
        command = self.command(fake, findable_operation, KEY)

        assert subject.find(command) is None

    def test_find_sees_our_write_and_no_other(self, fake: Any, subject: Connector, findable_operation: str) -> None:
        command = self.command(fake, findable_operation, KEY)
        receipt = subject.write(command)

        found = subject.find(command)

        assert found is not None
        assert found.remote_id == receipt.remote_id
        assert subject.find(replace(command, idempotency_key=OTHER_KEY)) is None

    def test_find_writes_nothing(self, fake: Any, subject: Connector, findable_operation: str) -> None:
        command = self.command(fake, findable_operation, KEY)
        before = self.effects(fake, findable_operation)

        subject.find(command)
        subject.find(replace(command, idempotency_key=OTHER_KEY))

        assert self.effects(fake, findable_operation) == before

    def test_find_fails_loudly(self, fake: Any, subject: Connector, findable_operation: str) -> None:
        command = self.command(fake, findable_operation, KEY)
        subject.check()
        fake.misbehave(Fault.SERVER_ERROR, times=ALWAYS)

        with pytest.raises(TransientError):
            subject.find(command)

    def test_line_cut_before_a_write_leaves_no_effect(self, fake: Any, subject: Connector, operation: str) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.RESET)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        try:
            subject.write(command)
            expected = 1
        except (OutcomeUnknownError, TransientError):
            expected = 0

        assert self.effects(fake, operation) - before == expected
        assert expected == 0 or subject.spec.operation(operation).delivery is Delivery.KEYED

    def test_garbled_answer_to_a_write_is_no_failure(self, fake: Any, subject: Connector, operation: str) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.TRUNCATED)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        with suppress(OutcomeUnknownError):
            subject.write(command)

        assert self.effects(fake, operation) - before == 1

    def test_token_that_expires_before_a_write_is_renewed_or_named(
        self, fake: Any, subject: Connector, operation: str
    ) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.EXPIRED_TOKEN)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        try:
            subject.write(command)
            expected = 1
        except AuthError as err:
            expected = 0
            assert CONNECTION in str(err)

        assert self.effects(fake, operation) - before == expected

    def test_lost_answer_of_a_keyed_write_is_repeated_to_one_effect(
        self, fake: Any, subject: Connector, keyed_operation: str
    ) -> None:
        self.spoil_the_write(fake, subject, keyed_operation, Fault.LOST_ANSWER)
        command = self.command(fake, keyed_operation, KEY)
        before = self.effects(fake, keyed_operation)

        try:
            subject.write(command)
        except OutcomeUnknownError:
            subject.write(command)

        assert self.effects(fake, keyed_operation) - before == 1

    def test_lost_answer_of_a_findable_write_is_found(
        self, fake: Any, subject: Connector, findable_operation: str
    ) -> None:
        self.spoil_the_write(fake, subject, findable_operation, Fault.LOST_ANSWER)
        command = self.command(fake, findable_operation, KEY)
        before = self.effects(fake, findable_operation)

        with pytest.raises(OutcomeUnknownError):
            subject.write(command)

        assert self.effects(fake, findable_operation) - before == 1
        assert subject.find(command) is not None

    def test_lost_answer_of_a_blind_write_is_unknown_and_not_repeated(
        self, fake: Any, subject: Connector, blind_operation: str
    ) -> None:
        self.spoil_the_write(fake, subject, blind_operation, Fault.LOST_ANSWER)
        command = self.command(fake, blind_operation, KEY)
        before = self.effects(fake, blind_operation)

        with pytest.raises(OutcomeUnknownError):
            subject.write(command)

        assert self.effects(fake, blind_operation) - before == 1

    def test_rate_limit_on_a_write_says_how_long(self, fake: Any, subject: Connector, operation: str) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.RATE_LIMITED)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        try:
            subject.write(command)
        except RateLimitedError as err:
            assert err.retry_after is not None
            assert self.effects(fake, operation) == before
        else:
            assert subject.spec.operation(operation).delivery is Delivery.KEYED
            assert self.effects(fake, operation) - before == 1

    def test_server_error_on_a_write_is_unknown(self, fake: Any, subject: Connector, operation: str) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.SERVER_ERROR)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        try:
            subject.write(command)
        except (OutcomeUnknownError, TransientError):
            assert self.effects(fake, operation) == before
        else:
            assert subject.spec.operation(operation).delivery is Delivery.KEYED
            assert self.effects(fake, operation) - before == 1

    def test_lost_right_on_a_write_is_an_auth_error(self, fake: Any, subject: Connector, operation: str) -> None:
        self.spoil_the_write(fake, subject, operation, Fault.FORBIDDEN, times=ALWAYS)
        command = self.command(fake, operation, KEY)
        before = self.effects(fake, operation)

        with pytest.raises(AuthError):
            subject.write(command)

        assert self.effects(fake, operation) == before

    def test_empty_payload_is_rejected(self, fake: Any, subject: Connector, operation: str) -> None:
        command = replace(self.command(fake, operation, KEY), payload={})
        before = self.effects(fake, operation)

        with pytest.raises(RejectedError):
            subject.write(command)

        assert self.effects(fake, operation) == before

    def test_missing_target_is_rejected(self, fake: Any, subject: Connector, targeted_operation: str) -> None:
        command = replace(self.command(fake, targeted_operation, KEY), target_id=None)

        with pytest.raises(RejectedError):
            subject.write(command)

    def test_unknown_operation_is_an_error(self, subject: Connector) -> None:
        with pytest.raises((KeyError, ConnectorError), match="no_such_operation"):
            subject.write(Command("no_such_operation", KEY, {}))
