"""The contract suite catches connectors that break the contract, each by the case that names the fault."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import structlog

from syncd import log
from syncd.errors import AuthError, ConnectorError, ContractError, OutcomeUnknownError, RejectedError
from syncd.sdk import Budget, Command, ConnectorContext, Cursor, Outcome, Page, Receipt, Record
from syncd.sdk.contract.harness import Clock, context_for
from syncd.sdk.fake import Fault
from tests.unit.sdk.acme.connector import Acme, AcmeConfig
from tests.unit.sdk.acme.fake import Fake
from tests.unit.sdk.test_contract_suite import TestAcme as Contract


class FirstPageOnly(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        yield replace(next(super().read(stream, cursor, partition=partition)), complete=True)


class NeverComplete(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, complete=False)


class AlwaysComplete(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, complete=True)


class SwallowsErrors(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        try:
            yield from super().read(stream, cursor, partition=partition)
        except ContractError:
            yield Page([], complete=True)


class SwallowsEverything(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        try:
            yield from super().read(stream, cursor, partition=partition)
        except ConnectorError:
            yield Page([], complete=True)


class IgnoresTheCursor(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        yield from super().read(stream, None, partition=partition)


class ReadsOnlyLater(Acme):
    """Starts behind the newest stamp it has seen."""

    def _tasks(self, since: datetime | None) -> Iterator[Page]:
        for page in super()._tasks(None):
            kept = [r for r in page.records if since is None or (r.updated_at and r.updated_at > since + OVERLAP)]
            yield replace(page, records=kept)


class BoundsTheTime(Acme):
    """Asks for changes up to the moment at which the read began."""

    def _tasks(self, since: datetime | None) -> Iterator[Page]:
        until = None
        for page in super()._tasks(since):
            until = until or max(r.updated_at for r in page.records if r.updated_at)
            yield replace(page, records=[r for r in page.records if r.updated_at and r.updated_at <= until])


class WalksByNumber(Acme):
    """Skips rows when the list moves: the offset is counted in a list sorted by change."""

    def _tasks(self, since: datetime | None) -> Iterator[Page]:
        read = 0
        while True:
            rows = [row for page in super()._tasks(since) for row in page.records][read : read + 50]
            read += 50
            yield Page(rows, complete=len(rows) < 50)
            if len(rows) < 50:
                return


class LocalStamps(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, records=[self._local(record) for record in page.records])

    def _local(self, record: Record) -> Record:
        at = record.updated_at
        return replace(record, updated_at=at and at.replace(tzinfo=None).astimezone(UTC))


class NestedCursor(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, cursor={"at": {"stamp": 1}})  # type: ignore[dict-item]


class RunsAhead(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, cursor={"updated_at": "2026-03-02T09:00:01Z"})


class PicksFields(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, records=[replace(r, data={"id": r.remote_id}) for r in page.records])


class HidesTombstones(Acme):
    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        for page in super().read(stream, cursor, partition=partition):
            yield replace(page, records=[record for record in page.records if not record.deleted])


class TrustsTheShape(Acme):
    def _fetch_tasks(self, after: Any) -> tuple[Any, bool]:
        items = self._api.get("/tasks").json["items"]
        return items, False


class OwnBudget(Acme):
    def __init__(self, config: AcmeConfig, context: ConnectorContext) -> None:
        own = Clock()
        budget = Budget(clock=own.monotonic, wait=own.wait)
        super().__init__(config, replace(context, budget=budget, wait=own.wait))


class WritesInPlanMode(Acme):
    def __init__(self, config: AcmeConfig, context: ConnectorContext) -> None:
        super().__init__(config, replace(context, read_only=False))


class IgnoresTheGuard(Acme):
    def __init__(self, config: AcmeConfig, context: ConnectorContext) -> None:
        super().__init__(config, context_for(Clock()))


class RepeatsLostWrites(Acme):
    def write(self, command: Command) -> Receipt:
        try:
            return super().write(command)
        except OutcomeUnknownError:
            return super().write(command)


class CallsLostWritesFailed(Acme):
    def write(self, command: Command) -> Receipt:
        try:
            return super().write(command)
        except OutcomeUnknownError as err:
            raise RejectedError(str(err)) from err


class FindsAnything(Acme):
    def find(self, command: Command) -> Receipt | None:
        return Receipt("c1", Outcome.UNCHANGED)


class FindsNothing(Acme):
    def find(self, command: Command) -> Receipt | None:
        return None


class FindsNothingOnErrors(Acme):
    def find(self, command: Command) -> Receipt | None:
        try:
            return super().find(command)
        except ConnectorError:
            return None


class TellsTheSecret(Acme):
    def check(self) -> Any:
        try:
            return super().check()
        except ConnectorError as err:
            raise AuthError(f"{err} with {self._config.refresh_token.get_secret_value()}") from err


OVERLAP = Acme.spec.stream("tasks").overlap
TASKS = {"bulk_stream": "tasks", "incremental_stream": "tasks", "stream": "tasks"}
BROKEN: list[tuple[type[Acme], str, dict[str, Any]]] = [
    (FirstPageOnly, "test_full_read_misses_none", {**TASKS, "count": 250}),
    (NeverComplete, "test_every_stream_can_be_read", TASKS),
    (AlwaysComplete, "test_full_read_misses_none", {**TASKS, "count": 250}),
    (SwallowsErrors, "test_vanished_list_is_an_error_and_not_an_empty_one", {**TASKS, "gone": Fault.GONE}),
    (SwallowsErrors, "test_vanished_list_is_an_error_and_not_an_empty_one", {**TASKS, "gone": Fault.NOT_FOUND}),
    (SwallowsErrors, "test_success_of_another_shape_is_an_error", {**TASKS, "body": {}}),
    (SwallowsEverything, "test_lasting_fault_is_an_error_after_bounded_tries", {**TASKS, "lasting": Fault.NOT_JSON}),
    (SwallowsEverything, "test_no_fault_looks_like_an_empty_list", {**TASKS, "fault": Fault.FORBIDDEN}),
    (SwallowsEverything, "test_lost_right_is_not_retried", TASKS),
    (IgnoresTheCursor, "test_since_alone_is_a_cursor", TASKS),
    (ReadsOnlyLater, "test_change_shown_late_is_seen_within_the_overlap", TASKS),
    (BoundsTheTime, "test_hot_record_is_seen", TASKS),
    (WalksByNumber, "test_moving_list_hides_no_record", {**TASKS, "full": True}),
    (LocalStamps, "test_stamps_do_not_depend_on_the_machines_zone", {**TASKS, "zone": "Asia/Shanghai"}),
    (NestedCursor, "test_cursor_is_flat_json", TASKS),
    (RunsAhead, "test_cursor_does_not_run_ahead_of_the_clock", {**TASKS, "count": 3}),
    (PicksFields, "test_unknown_field_passes_through_as_it_is", {**TASKS, "value": "🚀"}),
    (HidesTombstones, "test_removed_record_shows_as_declared", {"bulk_stream": "notes"}),
    (TrustsTheShape, "test_success_of_another_shape_is_an_error", {**TASKS, "body": {}}),
    (OwnBudget, "test_cool_down_holds_for_the_whole_connection", TASKS),
    (WritesInPlanMode, "test_plan_mode_sends_nothing", {"operation": "send"}),
    (IgnoresTheGuard, "test_private_address_is_refused_unless_allowed_by_name", {}),
    (
        RepeatsLostWrites,
        "test_lost_answer_of_a_blind_write_is_unknown_and_not_repeated",
        {"blind_operation": "send"},
    ),
    (RepeatsLostWrites, "test_lost_answer_of_a_findable_write_is_found", {"findable_operation": "comment"}),
    (CallsLostWritesFailed, "test_server_error_on_a_write_is_unknown", {"operation": "send"}),
    (FindsAnything, "test_find_sees_nothing_before_the_write", {"findable_operation": "comment"}),
    (FindsNothing, "test_find_sees_our_write_and_no_other", {"findable_operation": "comment"}),
    (FindsNothingOnErrors, "test_find_fails_loudly", {"findable_operation": "comment"}),
    (TellsTheSecret, "test_no_secret_is_in_an_error_or_a_log_line", {"fault": Fault.FORBIDDEN}),
]


@pytest.mark.parametrize(("broken", "case", "values"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_broken_connector_fails_its_case(
    broken: type[Acme], case: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Acme, case, values, monkeypatch)

    with pytest.raises((AssertionError, ConnectorError, LookupError, pytest.fail.Exception)):
        run(broken, case, values, monkeypatch)


def run(connector: type[Acme], case: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one case of the contract suite by hand, with the fixtures that it asks for."""

    made: list[Acme] = []

    class Tried(Contract):
        def connector(self, fake: Fake, context: ConnectorContext) -> Any:
            config = {"base_url": fake.url, "refresh_token": "refresh-1-secret"}
            made.append(connector(AcmeConfig.model_validate(config), context))
            return made[-1]

    def set_zone(name: str) -> None:
        patch.setenv("TZ", name)
        time.tzset()

    clock, lines, before = Clock(), StringIO(), structlog.get_config()
    context = context_for(clock)
    log.configure(stream=lines, json=True)
    with Fake() as fake, monkeypatch.context() as patch:
        clock.drive(fake)
        given = {"fake": fake, "clock": clock, "context": context, "subject": Tried().connector(fake, context)}
        given |= {"monkeypatch": patch, "log_lines": lines, "machine_zone": set_zone, **values}
        try:
            method = getattr(Tried(), case)
            method(**{name: given[name] for name in inspect.signature(method).parameters})
        finally:
            structlog.configure(**before)
            for subject in made:
                subject.close()
    time.tzset()
