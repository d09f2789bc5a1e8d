"""Figures for Prometheus, read from the database when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd.daemon.scheduler import Service
from syncd.store import cursors, firings, health, outbox, parked, records, runs

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(service: Service) -> bytes:
    """Return the figures in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(service))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """Yield all families from one snapshot of the database."""
        now = self._service.space.now()
        with self._service.store.read() as database:
            yield _gauge(
                "syncd_leading", "1 while this process leads.", [((), float(self._service.state == "leading"))]
            )
            yield from _freshness(database, now)
            yield _gauge(
                "syncd_records",
                "Live records held.",
                [(key, count) for key, count in records.counts(database).items()],
                "connection",
                "stream",
            )
            yield _gauge(
                "syncd_connection_up",
                "0 while a connection is down or paused.",
                [((name,), float(state["state"] == health.UP)) for name, state in health.all_of(database).items()],
                "connection",
            )
            yield _gauge(
                "syncd_outbox_commands",
                "Commands by state.",
                [((state,), count) for state, count in outbox.state_counts(database).items()],
                "state",
            )
            yield _gauge(
                "syncd_parked_records",
                "Open parked records.",
                [((name,), count) for name, count in parked.open_counts(database).items()],
                "connection",
            )
            yield _gauge("syncd_firings", "Slots that have fired.", [((), firings.count(database, "plan:"))])
            yield from _last_run(runs.latest(database), now)


def _freshness(database: Any, now: datetime) -> Iterable[Metric]:
    samples = [
        ((p.place.connection, p.place.stream, p.place.partition), (now - p.as_of).total_seconds())
        for p in cursors.all_of(database)
        if p.as_of is not None
    ]
    yield _gauge(
        "syncd_data_age_seconds", "Age of the last complete read.", samples, "connection", "stream", "partition"
    )


def _last_run(rows: list[Any], now: datetime) -> Iterable[Metric]:
    for row in rows:
        balance = runs.balance_of(row)
        off = balance.read - balance.written - balance.unchanged - balance.skipped - balance.parked
        yield _gauge(
            "syncd_last_run_age_seconds", "Since the last run began.", [((), (now - row["started_at"]).total_seconds())]
        )
        yield _gauge("syncd_last_run_unbalanced", "Records of the last run that are not accounted for.", [((), off)])


def _gauge(name: str, text: str, samples: Iterable[tuple[Any, float]], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric([str(value) for value in values], number)
    return family
