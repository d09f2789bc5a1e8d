"""The program as a process: interrupted, killed, twice at once, on a full disk, on a newer database."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd import settings
from syncd.engine.push import push
from syncd.engine.workspace import Workspace
from syncd.sdk.fake import Fault, Request
from tests.integration.bad_input.agency import Agency

PATIENCE = 60.0
SEED = 20260302


class Gate:
    """Holds back the first request of a path, so that a signal comes at a known moment."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: Request) -> None:
        if request.path.endswith(self.path) and not self.open.is_set():
            self.reached.set()
            self.open.wait(PATIENCE)


@contextmanager
def held_at(agency: Agency, path: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Gate]]:
    """Start a run and yield when the vendor has its request for `path` in hand."""
    gate = Gate(path)
    agency.pingcode.before_each(gate)
    child = agency.start("run", "acme", *arguments, "-c", "config")
    try:
        assert gate.reached.wait(PATIENCE)
        yield child, gate
    finally:
        gate.open.set()
        child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            assert stream is not None
            stream.close()


def ended(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=PATIENCE)
    return child.returncode, out, err


def completes(agency: Agency) -> None:
    outcome = agency.process("run", "acme", "-c", "config")
    assert (outcome.code, agency.effects) == (0, (1, 1)), outcome


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_interrupt_finishes_the_page_in_hand(agency: Agency, number: signal.Signals) -> None:
    with held_at(agency, "/search") as (child, gate):
        child.send_signal(number)
        assert child.stderr is not None
        assert "stopping after the page in hand" in child.stderr.readline()
        gate.open.set()
        code, _, err = ended(child)

    assert code == 130
    assert "interrupted; what was stored stays, the next run goes on from there" in err
    assert [row["state"] for row in agency.rows("runs")] == ["interrupted"]
    completes(agency)


def test_a_second_interrupt_ends_at_once_whatever_the_vendor_does(agency: Agency) -> None:
    with held_at(agency, "/search") as (child, _):
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        assert "once more to stop at once" in child.stderr.readline()
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        code, _, _ = ended(child)

    assert code == 130
    assert time.monotonic() - began < 5.0
    completes(agency)


def test_a_second_run_of_the_same_account_is_refused_with_who_holds_it(agency: Agency) -> None:
    with held_at(agency, "/search") as (child, gate):
        second = agency.process("run", "acme", "-c", "config")
        gate.open.set()
        code, _, _ = ended(child)

    assert second.code == 1
    assert "another run of 'acme' is under way" in second.err
    assert f":{child.pid}:" in second.err
    assert (code, agency.effects) == (0, (1, 1))
    assert agency.process("run", "acme", "-c", "config").code == 0
    assert agency.effects == (1, 1)


def test_a_run_that_is_killed_lets_the_next_one_go_on_at_once(agency: Agency) -> None:
    with held_at(agency, "/search") as (child, _):
        child.kill()
        child.wait()

    completes(agency)


def test_ten_kills_at_any_moment_lose_nothing_and_double_nothing(agency: Agency) -> None:
    chance = random.Random(SEED)
    for _ in range(10):
        child = agency.start("run", "acme", "-c", "config")
        try:
            child.wait(timeout=chance.uniform(0.6, 3.0))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.communicate()

    agency.process("run", "acme", "-c", "config")
    settle(agency)

    assert agency.process("run", "acme", "-c", "config").code == 0
    states = {row["connection"]: row["state"] for row in agency.rows("outbox")}
    assert states["crm"] == "sent"
    assert len(agency.zoho.records("Notes")) == 1
    assert states["mail"] in ("sent", "unknown")
    assert len(agency.mail.messages) == 1 or (states["mail"], len(agency.mail.messages)) == ("unknown", 0)
    assert len(agency.rows("communication_records")) == 1
    assert agency.on_config("db audit").code == 0
    with closing(sqlite3.connect(agency.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def settle(agency: Agency) -> None:
    """Push as a run two minutes from now would: what a killed run may have sent is looked up by then."""
    later = datetime.now(UTC) + timedelta(minutes=2)
    space = Workspace(settings.load(agency.config), agency.store, now=lambda: later)
    push(space)
    space.close()


def test_a_database_of_a_newer_version_is_left_alone(agency: Agency) -> None:
    agency.store.close()
    with closing(sqlite3.connect(agency.database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    wrong = agency.on_config("run acme")
    with closing(sqlite3.connect(agency.database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()

    assert wrong.code == 1
    for part in ("syncd.db", "newer version", "9999", "run the newer syncd", "backup"):
        assert part in wrong.err
    completes(agency)


def test_a_file_that_may_not_grow_is_told_as_a_full_disk(agency: Agency) -> None:
    agency.pingcode.tenant.update(
        agency.pingcode.tenant.work_items[agency.ids["export"]], description="long " * 400_000
    )

    def no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        room = agency.database.stat().st_size + 300_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    wrong = agency.process("run", "acme", "-c", "config", preexec_fn=no_room)

    assert wrong.code == 1, wrong
    assert "syncd.db" in wrong.err
    assert "the disk takes no more (disk I/O error): full, broken, or over a limit" in wrong.err
    assert "mend it and run again, nothing stored is lost" in wrong.err
    assert "Traceback" not in wrong.err
    completes(agency)


def test_a_full_disk_is_told_and_the_run_completes_when_there_is_room(agency: Agency, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        agency.service = agency.service.replace(str(agency.database), str(disk / "syncd.db"))
        agency.write()
        agency.pingcode.tenant.update(
            agency.pingcode.tenant.work_items[agency.ids["export"]], description="long " * 400_000
        )
        wrong = agency.process("run", "acme", "-c", "config")
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        completes(agency)
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert wrong.code == 1, wrong
    assert "the disk is full" in wrong.err
    assert "free some room and run again" in wrong.err
    assert "Traceback" not in wrong.err


def test_a_folder_that_cannot_be_written_is_told(agency: Agency) -> None:
    agency.service = agency.service.replace(str(agency.database), "/proc/no/syncd.db")
    agency.write()

    wrong = agency.on_config("run acme")

    assert wrong.code == 2
    assert "/proc/no" in wrong.err
    assert "choose another path" in wrong.err


def test_a_closed_pipe_is_no_traceback(agency: Agency) -> None:
    child = agency.start("schema")
    assert child.stdout is not None
    child.stdout.close()

    assert child.stderr is not None
    with child.stderr as stream:
        said = stream.read()
    child.wait(PATIENCE)

    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_a_vendor_that_hangs_is_left_after_its_time(agency: Agency) -> None:
    agency.pingcode.misbehave(Fault.TIMEOUT, path="/search$", times=1, seconds=0.3)

    completes(agency)
