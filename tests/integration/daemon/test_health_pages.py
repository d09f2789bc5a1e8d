"""Health, readiness and metrics, asked over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from syncd.daemon.scheduler import Service
from syncd.errors import ConfigError
from syncd.sdk.fake import Fault
from syncd.web.app import WebServer
from tests.integration.daemon.agency import Agency, eventually


@contextmanager
def pages(service: Service) -> Iterator[httpx.Client]:
    """Serve the pages of a service and lend a client for them."""
    server = WebServer(service, "127.0.0.1:0")
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15) as client:
        yield client
    server.stop()
    assert not server.is_alive


def test_readiness_follows_the_life_of_the_service(local: Agency) -> None:
    service = local.service()
    with pages(service) as client:
        before = client.get("/readyz")
        service.start()
        leading = eventually(lambda: (got := client.get("/readyz")).json() == {"status": "leading"} and got)
        service.stop()
        after = client.get("/readyz")

    assert (before.status_code, before.json()) == (503, {"status": "stopped"})
    assert leading.status_code == 200
    assert (after.status_code, after.json()) == (503, {"status": "stopped"})


def test_one_that_stands_by_is_ready(local: Agency) -> None:
    local.started()
    second = local.service()
    second.start()
    with pages(second) as client:
        answer = eventually(lambda: (got := client.get("/readyz")).json() == {"status": "standby"} and got)
        figures = client.get("/metrics").text

    assert answer.status_code == 200
    assert "syncd_leading 0.0" in figures


def test_readiness_ends_with_the_database_and_health_does_not(local: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    service = local.started()
    with pages(service) as client:
        service.store.close()
        (local.folder / "syncd.db").rename(local.folder / "gone.db")
        (local.folder / "syncd.db").mkdir()

        assert client.get("/readyz").status_code == 503
        assert client.get("/readyz").json() == {"status": "database"}
        assert client.get("/metrics").status_code == 503
        assert client.get("/healthz").status_code == 200
        (local.folder / "syncd.db").rmdir()
        (local.folder / "gone.db").rename(local.folder / "syncd.db")


def test_metrics_tell_what_was_read_sent_and_parked(local: Agency) -> None:
    service = local.started()
    local.pass_time(minutes=20)
    eventually(lambda: local.mails() == 1)
    eventually(lambda: local.slots("done"))
    with pages(service) as client:
        answer = client.get("/metrics")
    figures = _figures(answer.text)

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert figures["syncd_leading"] == 1
    assert figures['syncd_records{connection="gh",stream="issues"}'] == 2
    assert figures['syncd_data_age_seconds{connection="gh",stream="issues"}'] <= 1200
    assert figures['syncd_connection_up{connection="gh"}'] == 1
    assert figures['syncd_connection_up{connection="mail"}'] == 1
    assert figures['syncd_outbox_commands{state="sent"}'] == 1
    assert figures['syncd_outbox_commands{state="unknown"}'] == 0
    assert figures["syncd_outbox_oldest_seconds"] == 0
    assert figures['syncd_parked_records{connection="gh"}'] == 0
    assert figures['syncd_slots{state="done"}'] == 1
    assert figures['syncd_slots{state="failed"}'] == 0
    assert figures['syncd_last_run_unbalanced{connection="gh"}'] == 0
    assert figures["syncd_next_slot_timestamp_seconds"] == 1772445600  # 2 March 2026, 10:00 UTC
    assert figures["process_open_fds"] > 0


def test_metrics_tell_of_a_connection_that_is_down_and_forget_one_that_is_removed(local: Agency) -> None:
    service = local.started()
    local.github.misbehave(Fault.GONE, times=1000)
    local.pass_time(minutes=19)
    eventually(lambda: local.said("connection down"))
    with pages(service) as client:
        down = _figures(client.get("/metrics").text)
        left = service.config.service.model_copy(
            update={"connections": {"mail": service.config.service.connections["mail"]}}
        )
        service.config = service.config.model_copy(update={"service": left})
        removed = client.get("/metrics").text

    assert down['syncd_connection_up{connection="gh"}'] == 0
    assert 'connection="gh"' not in removed


def test_metrics_hold_no_secret_and_no_address(local: Agency) -> None:
    service = local.started()
    local.pass_time(minutes=20)
    eventually(lambda: local.mails() == 1)
    with pages(service) as client:
        text = client.get("/metrics").text

    assert "ghp_" not in text
    assert "@" not in text
    assert "127.0.0.1" not in text


def test_a_port_that_is_taken_is_told(local: Agency) -> None:
    service = local.service()
    with pages(service) as client:
        second = WebServer(service, f"127.0.0.1:{client.base_url.port}")

        with pytest.raises(ConfigError, match="cannot listen on"):
            second.start()


def _figures(text: str) -> dict[str, float]:
    found = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}
