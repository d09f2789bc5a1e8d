"""What the contract suite asks of a connector's test class, and the world that its cases run in."""
# ruff: noqa: S101

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final

import pytest

from syncd.sdk.budget import Budget, Limits
from syncd.sdk.connector import Command, Connector, ConnectorContext, ConnectorSpec, Delivery, Page
from syncd.sdk.fake import Fault
from syncd.sdk.guard import AddressGuard

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AT: Final = NOW - timedelta(hours=2)  # when the records of a case were changed last
CONNECTION: Final = "contract_case"
_NOTHING: Final = "not applicable"


class Clock:
    """Time for tests: stands still, moves when somebody waits, and remembers every wait. Thread-safe."""

    def __init__(self, start: datetime = NOW) -> None:
        self._now = start
        self._start = start
        self._lock = threading.Lock()
        self._followers: list[Callable[[datetime], None]] = []
        self.waits: list[float] = []

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the clock was made."""
        return (self._now - self._start).total_seconds()

    def wait(self, seconds: float) -> None:
        """Move forward instead of sleeping."""
        with self._lock:
            self.waits.append(seconds)
            self._now += timedelta(seconds=seconds)
            for follow in self._followers:
                follow(self._now)

    def drive(self, fake: Any) -> None:
        """Let a fake with a clock of its own show this one."""
        if set_clock := getattr(fake, "set_clock", None):
            self._followers.append(set_clock)
            set_clock(self._now)


def context_for(clock: Clock, *, read_only: bool = False, guard: AddressGuard | None = None) -> ConnectorContext:
    """Return a context on `clock` that never sleeps and may talk to the fake on loopback."""
    return ConnectorContext(
        connection=CONNECTION,
        budget=Budget(Limits(concurrency=4), clock=clock.monotonic, wait=clock.wait),
        guard=guard or AddressGuard(private_hosts=frozenset({"127.0.0.1", "localhost"})),
        read_only=read_only,
        now=clock.now,
        wait=clock.wait,
    )


class ContractHarness:
    """The interface that a connector's test class fills in, and the fixtures of its cases.

    `populate` returns ids in the form of `Record.remote_id`; every `at` is aware UTC in whole seconds.
    """

    fake_class: ClassVar[Any]
    fixed_streams: ClassVar[frozenset[str]] = frozenset()
    faults_without: ClassVar[frozenset[Fault]] = frozenset()
    same_stamp_count: ClassVar[int] = 520  # more than the vendor's two largest pages

    def connector(self, fake: Any, context: ConnectorContext) -> Connector:
        """Return the connector configured against `fake.url`."""
        raise NotImplementedError

    def populate(self, fake: Any, stream: str, count: int, *, at: datetime) -> list[str]:
        """Add `count` records stamped `at` to a stream of the fake and return their remote ids."""
        raise NotImplementedError

    def touch(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        """Change a record visibly, with update stamp `at`."""
        raise NotImplementedError

    def remove(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        """Delete a record at the vendor, as hard as the vendor can."""
        raise NotImplementedError

    def partition(self, fake: Any, stream: str) -> str:
        """Return the partition to read; "" when the stream has none."""
        return ""

    def command(self, fake: Any, operation: str, key: str) -> Command:
        """Return a valid command, its target made in the fake when it needs one."""
        raise NotImplementedError

    def effects(self, fake: Any, operation: str) -> int:
        """Return how many times the operation has taken effect in the fake."""
        raise NotImplementedError

    # -- fixtures ---------------------------------------------------------------------------------------------

    @pytest.fixture
    def clock(self) -> Clock:
        """Test time."""
        return Clock()

    @pytest.fixture
    def fake(self, clock: Clock) -> Iterator[Any]:
        """The vendor, running; at the end it must not have refused a parameter."""
        with self.fake_class() as fake:
            clock.drive(fake)
            yield fake
            assert list(getattr(fake, "refused", ())) == []

    @pytest.fixture
    def context(self, clock: Clock) -> ConnectorContext:
        """What the engine would lend."""
        return context_for(clock)

    @pytest.fixture
    def subject(self, fake: Any, context: ConnectorContext) -> Iterator[Connector]:
        """The connector under test."""
        connector = self.connector(fake, context)
        yield connector
        connector.close()

    # -- parameters -------------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test for each stream, operation and fault that a case speaks of."""
        test_class: Any = type(self)
        for name, values in _parameters(test_class).items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, values or [pytest.param(_NOTHING, id=_NOTHING)])

    @pytest.fixture(autouse=True)
    def _applicable(self, request: pytest.FixtureRequest) -> None:
        if is_inapplicable(request.node):
            pytest.skip("the connector declares nothing that this case speaks of")


def is_inapplicable(item: Any) -> bool:
    """Say whether `item` is a contract case without anything to test; `tests/conftest.py` deselects those."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and _NOTHING in callspec.params.values()


def read_all(
    connector: Connector, stream: str, cursor: Mapping[str, Any] | None = None, *, partition: str = ""
) -> list[Page]:
    """Read a stream to its end and check that exactly its last page says so."""
    pages = list(connector.read(stream, cursor, partition=partition))
    assert pages, f"{stream}: a read yields at least one page"
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
    return pages


def ids_of(pages: list[Page], *, deleted: bool = False) -> list[str]:
    """Return the remote ids of the pages' records in order; tombstones instead with `deleted`."""
    return [record.remote_id for page in pages for record in page.records if record.deleted is deleted]


@cache
def spec_of(test_class: Any) -> ConnectorSpec:
    """Return the spec of the connector that a test class makes."""
    test = test_class()
    with test.fake_class() as fake:
        connector = test.connector(fake, context_for(Clock()))
        connector.close()
    spec: ConnectorSpec = connector.spec
    return spec


@cache
def _parameters(test_class: Any) -> Mapping[str, list[Any]]:
    spec = spec_of(test_class)
    bulk = [s for s in spec.streams if s.name not in test_class.fixed_streams]
    return {
        "stream": [s.name for s in spec.streams],
        "bulk_stream": [s.name for s in bulk],
        "partitioned_stream": [s.name for s in bulk if s.partitioned],
        "incremental_stream": [s.name for s in bulk if s.incremental],
        "operation": [o.name for o in spec.operations],
        "targeted_operation": [o.name for o in spec.operations if o.needs_target],
        **{f"{kind}_operation": [o.name for o in spec.operations if o.delivery is kind] for kind in Delivery},
        "fault": [f for f in Fault if f not in test_class.faults_without],
    }
