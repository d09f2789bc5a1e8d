"""`syncd serve` as a process: signals, death, a second process, and what it writes to its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from syncd.store import firings
from tests.integration.daemon.agency import Agency, Gate, eventually, quiet


class Serve:
    """A running `syncd serve`."""

    def __init__(self, agency: Agency, name: str) -> None:
        agency.port = self.port = _free_port()
        self.folder = agency.write(name)
        self._log = agency.folder / f"{name}.log"
        with self._log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "syncd", "serve", "--config", str(self.folder)], stderr=stream, cwd=agency.folder
            )

    def status(self) -> str:
        """Return what it says it does; "" while it does not answer."""
        try:
            return str(httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).json()["status"])
        except httpx.TransportError:
            return ""

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of one event; every line is JSON."""
        lines = self._log.read_text("utf-8").splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [line for line in found if line["event"] == event]

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)


@contextmanager
def serving(agency: Agency, name: str = "serve") -> Iterator[Serve]:
    """Start a process, and leave none behind."""
    made = Serve(agency, name)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


def _miss_slots(agency: Agency) -> None:
    """Let the plan be known since three hours ago, so that the first start has a slot to catch up."""
    seen = datetime.now(UTC) - timedelta(hours=3)
    with agency.store.begin() as database:
        firings.register_all(database, ["plan:acme:every 30m"], at=seen, config_version="v", holder="gone")


def _many_issues(agency: Agency) -> None:
    for number in range(250):
        agency.github.add_issue("acme/portal", f"Task {number}")


def test_the_one_that_stands_by_goes_on_when_the_leader_is_killed(live: Agency) -> None:
    _many_issues(live)
    _miss_slots(live)
    gate = Gate("/portal/issues", after=1)
    live.github.before_each(gate)
    with serving(live, "first") as first, serving(live, "second") as second:
        assert gate.reached.wait(30.0)
        leader, other = (first, second) if first.said("lead taken") else (second, first)
        eventually(lambda: other.status() == "standby")

        leader.send(signal.SIGKILL)
        leader.process.wait()
        gate.open.set()

        eventually(lambda: other.status() == "leading", timeout=15)
        eventually(lambda: live.mails() == 1, timeout=60)
        assert quiet(lambda: live.mails() > 1, seconds=2)
        other.send(signal.SIGTERM)
        assert other.process.wait(10) == 0
    assert len(live.rows("records", stream="issues")) == 252
    assert len(live.slots("done")) == 1
    assert live.slots("running", "failed") == []


def test_a_service_killed_and_started_again_sends_nothing_twice(live: Agency) -> None:
    _miss_slots(live)
    with serving(live, "first") as first:
        eventually(lambda: live.mails() == 1, timeout=60)
        first.send(signal.SIGKILL)
        first.process.wait()

    with serving(live, "second") as second:
        eventually(lambda: second.said("lead taken"), timeout=15)
        assert quiet(lambda: live.mails() > 1, seconds=3)
        second.send(signal.SIGTERM)
        assert second.process.wait(10) == 0

    assert len(live.slots("done")) == 1


def test_sigterm_finishes_the_page_in_hand_and_the_next_start_goes_on(live: Agency) -> None:
    _many_issues(live)
    gate = Gate("/portal/issues", after=1)
    live.github.before_each(gate)
    with serving(live, "first") as first:
        assert gate.reached.wait(30.0)
        began = time.monotonic()
        first.send(signal.SIGTERM)
        gate.open.set()
        assert first.process.wait(10) == 0
        assert time.monotonic() - began < 10
        assert first.said("service stopped")[0]["clean"] is True
    stored = len(live.rows("records", stream="issues"))
    assert 100 <= stored < 252
    before = len(live.github.calls)

    with serving(live, "second"):
        eventually(lambda: len(live.rows("records", stream="issues")) == 252, timeout=60)

    asked = [call.query.get("since") for call in live.github.calls[before:] if call.path.endswith("/portal/issues")]
    assert asked[0] is not None


def test_sigterm_ends_within_ten_seconds_though_the_vendor_does_not_answer(live: Agency) -> None:
    gate = Gate("/portal/issues")
    live.github.before_each(gate)
    with serving(live) as only:
        assert gate.reached.wait(30.0)
        began = time.monotonic()

        only.send(signal.SIGTERM)

        assert only.process.wait(12) == 0
        assert time.monotonic() - began < 10
        assert only.said("service stopped")[0]["clean"] is False
    gate.open.set()


def test_sighup_takes_over_a_changed_plan_and_refuses_a_wrong_one(live: Agency) -> None:
    with serving(live) as only:
        eventually(lambda: only.status() == "leading", timeout=30)
        account = only.folder / "accounts" / "acme.yaml"
        account.write_text(account.read_text("utf-8").replace("every 30m", "every 20m"), "utf-8")
        only.send(signal.SIGHUP)
        eventually(lambda: only.said("configuration reloaded"))
        assert "plan:acme:every 20m" in {row["schedule"] for row in live.rows("firings")}

        account.write_text("account: [\n", "utf-8")
        only.send(signal.SIGHUP)

        eventually(lambda: only.said("configuration not reloaded"))
        assert only.status() == "leading"


def test_a_second_process_on_the_same_port_ends_before_it_works(live: Agency) -> None:
    with serving(live) as only:
        eventually(lambda: only.status() == "leading", timeout=30)

        second = subprocess.run(
            [sys.executable, "-m", "syncd", "serve", "--config", str(only.folder)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert second.returncode == 2
        assert "is another process using it?" in second.stderr
        assert "lead taken" not in second.stderr


def test_the_log_is_json_alone_and_tells_no_secret(live: Agency) -> None:
    live.mail.accounts["nobody"] = "secret"
    _miss_slots(live)
    with serving(live) as only:
        eventually(lambda: only.said("connection down"), timeout=60)
        only.send(signal.SIGTERM)
        only.process.wait(10)
        text = (live.folder / "serve.log").read_text("utf-8")

    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert {"service started", "lead taken", "slots missed", "command not sent"} <= set(events)
    assert os.environ["AGENCY_GITHUB"] not in text


def test_a_wrong_configuration_ends_the_start_with_exit_code_2(live: Agency, tmp_path: Path) -> None:
    live.when = "now and then"
    live.write()

    done = subprocess.run(
        [sys.executable, "-m", "syncd", "serve", "--config", str(tmp_path / "config")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert "now and then" in done.stderr
