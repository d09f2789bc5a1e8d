"""Figures for Prometheus, read from the database when they are asked for. Names of connections only, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd import __version__
from syncd.daemon.scheduler import Service, State
from syncd.store import Connection, cursors, firings, health, outbox, parked, records, runs

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_RUNS_LOOKED_AT: Final = 200
_PARTS: Final = ("read", "written", "unchanged", "skipped", "parked")
_FIRING_STATES: Final = ("running", "done", "failed")


def render(service: Service) -> bytes:
    """Return the figures in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Figures(service))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """Yield all families from one snapshot of the database; connections that are no longer there are left out."""
        now = self._service.now()
        names = self._service.config.service.connections.keys()
        yield from _process(self._service)
        with self._service.store.read() as database:
            yield _freshness(database, names, now)
            yield from _holdings(database, names)
            yield from _outbox(database, now)
            slots = firings.state_counts(database, "plan:")
            yield _gauge(
                "syncd_slots",
                "Slots of the communication plans by how they ended; failed ones sent no digest.",
                [((state,), slots.get(state, 0)) for state in _FIRING_STATES],
                "state",
            )
            yield from _last_runs(runs.latest(database, limit=_RUNS_LOOKED_AT), names, now)


def _process(service: Service) -> Iterable[Metric]:
    is_leading = service.state is State.LEADING
    yield _gauge("syncd_build_info", "The version that runs.", [((__version__,), 1)], "version")
    yield _gauge("syncd_leading", "1 while this process leads.", [((), is_leading)])
    yield _gauge("syncd_accounts", "Clients in the configuration.", [((), len(service.config.accounts))])
    upcoming = service.next_slot()
    if upcoming is not None:
        yield _gauge("syncd_next_slot_timestamp_seconds", "When the next digest is due.", [((), upcoming.timestamp())])


def _freshness(database: Connection, names: Iterable[str], now: datetime) -> Metric:
    """Return how old the data are; of a stream in partitions the oldest one counts."""
    oldest: dict[tuple[str, str], float] = {}
    for position in cursors.all_of(database):
        place = position.place
        if position.as_of is not None and place.connection in names:
            age = (now - position.as_of).total_seconds()
            key = (place.connection, place.stream)
            oldest[key] = max(age, oldest.get(key, 0.0))
    return _gauge("syncd_data_age_seconds", "Age of the last complete read.", oldest.items(), "connection", "stream")


def _holdings(database: Connection, names: Iterable[str]) -> Iterable[Metric]:
    held = [(key, count) for key, count in records.counts(database).items() if key[0] in names]
    yield _gauge("syncd_records", "Live records held.", held, "connection", "stream")
    states = [((name,), row["state"] == health.UP) for name, row in health.all_of(database).items() if name in names]
    yield _gauge("syncd_connection_up", "0 while a connection is down or paused.", states, "connection")
    waiting = parked.open_counts(database)
    yield _gauge(
        "syncd_parked_records",
        "Records that could not be used and wait for a person.",
        [((name,), waiting.get(name, 0)) for name in names],
        "connection",
    )


def _outbox(database: Connection, now: datetime) -> Iterable[Metric]:
    counts = outbox.state_counts(database)
    yield _gauge(
        "syncd_outbox_commands",
        "Commands by state; unknown and parked ones wait for a person.",
        [((state.value,), counts.get(state.value, 0)) for state in outbox.State],
        "state",
    )
    oldest = outbox.rows(database, states=[outbox.State.PENDING, outbox.State.CLAIMED], limit=1)
    age = (now - oldest[0].made_at).total_seconds() if oldest else 0.0
    yield _gauge("syncd_outbox_oldest_seconds", "Age of the oldest command that is still to be sent.", [((), age)])


def _last_runs(rows: list[Mapping[str, Any]], names: Iterable[str], now: datetime) -> Iterable[Metric]:
    """Yield the balance of each connection's newest read, and by how much it is off: anything but 0 is a fault."""
    newest: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        connection = str(msgspec.json.decode(row["scope"]).get("connection", ""))
        if connection in names and row["ended_at"] is not None:
            newest.setdefault(connection, row)
    balances = {name: runs.balance_of(row) for name, row in newest.items()}
    parts = [((name, part), getattr(balance, part)) for name, balance in balances.items() for part in _PARTS]
    yield _gauge("syncd_last_run_records", "What became of the last read's records.", parts, "connection", "part")
    off = [
        ((name,), balance.read - balance.written - balance.unchanged - balance.skipped - balance.parked)
        for name, balance in balances.items()
    ]
    yield _gauge("syncd_last_run_unbalanced", "Records of the last read that are not accounted for.", off, "connection")
    ages = [((name,), (now - row["started_at"]).total_seconds()) for name, row in newest.items()]
    yield _gauge("syncd_last_run_age_seconds", "Since the last read began.", ages, "connection")


def _gauge(name: str, text: str, samples: Iterable[tuple[Any, float]], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric([str(value) for value in values], number)
    return family
