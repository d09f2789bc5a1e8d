"""Run `syncd serve` for minutes with a two-minute plan, a SIGHUP and a kill -9, and count what it did.

    python tests/acceptance/serve_soak.py --data DIR [--minutes 10]

The vendors are those of `syncd lab`, started in this process so that what reaches them can be counted. Exits with 1
when a slot that was due was not sent exactly once, when a firing is missing or doubled, or when files stay open.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from syncd.lab import open_fake

REPOSITORY: Final = "bitcoin-core/secp256k1"
SCHEDULE: Final = "plan:wallet:every 2m"
_STEP: Final = timedelta(minutes=2)
_SAMPLE_SECONDS: Final = 5.0
_SLACK_FILES: Final = 10
_AFTER_SLOT: Final = timedelta(seconds=0.9)  # while its digest is composed or sent
SERVICE: Final = """\
database: "sqlite:///{folder}/syncd.db"
web: {{listen: "127.0.0.1:{port}"}}
connections:
  gh:
    connector: github
    allow_private_hosts: [127.0.0.1]
    owns: [Project, Milestone, Task]
    pull: {{repositories: 1m, milestones: 1m, issues: 1m, comments: 1m}}
    config: {{base_url: "{github}", repositories: [{repository}], token: env:SOAK_TOKEN}}
  mail:
    connector: email
    allow_private_hosts: [127.0.0.1]
    config: {{smtp: "{smtp}", from: "Reports <reports@agency.example>"}}
"""
ACCOUNT: Final = """\
account: Wallet AG
timezone: Asia/Shanghai
author: {author}
projects:
  - name: Signature library
    from: [{{connection: gh, project: {repository}}}]
audiences:
  pm: {{contacts: [pm@wallet.example]}}
plan:
  - {{audience: pm, channel: mail, when: every 2m}}
"""


@dataclass
class Soak:
    """The vendors, the process under test, and what was seen of it."""

    folder: Path
    github: Any
    mail: Any
    port: int
    process: subprocess.Popen[bytes] | None = None
    samples: list[tuple[float, int]] = field(default_factory=list)  # RSS in MB, open files
    births: list[int] = field(default_factory=list)  # the index of each process's first sample
    told: list[str] = field(default_factory=list)
    exit_code: int | None = None
    stop_seconds: float = 0.0

    def write(self, author: str) -> None:
        """Write the configuration."""
        accounts = self.folder / "config" / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        values = {"repository": REPOSITORY, "folder": self.folder, "port": self.port}
        service = SERVICE.format(github=self.github.url, smtp=self.mail.url, **values)
        (self.folder / "config" / "syncd.yaml").write_text(service, "utf-8")
        (accounts / "wallet.yaml").write_text(ACCOUNT.format(author=author, repository=REPOSITORY), "utf-8")

    def start(self) -> None:
        """Start the service."""
        log = (self.folder / "serve.log").open("ab")
        environment = {**os.environ, "SOAK_TOKEN": self.github.token}
        command = [sys.executable, "-m", "syncd", "serve", "--config", str(self.folder / "config")]
        self.process = subprocess.Popen(command, env=environment, stderr=log, cwd=self.folder)
        self.births.append(len(self.samples))

    def kill(self) -> None:
        """End the service as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End the service as an orchestrator does."""
        assert self.process is not None
        began = datetime.now(UTC)
        self.process.send_signal(signal.SIGTERM)
        self.exit_code = self.process.wait(30)
        self.stop_seconds = (datetime.now(UTC) - began).total_seconds()

    def sample(self) -> None:
        """Note the size and the open files of the process."""
        assert self.process is not None
        folder = Path(f"/proc/{self.process.pid}")
        pages = int((folder / "statm").read_text("ascii").split()[1])
        self.samples.append((pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list((folder / "fd").iterdir()))))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with closing(sqlite3.connect(self.folder / "syncd.db")) as database:
            return database.execute(query).fetchall()

    def metrics(self) -> str:
        """Return the service's own figures."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:  # loopback
            return str(answer.read().decode())


def run(soak: Soak, minutes: float) -> None:
    """Live through the time: SIGHUP after a quarter of it, kill -9 at a slot about the middle."""
    began = datetime.now(UTC)
    hup_at = began + timedelta(minutes=minutes / 4)
    kill_at = _slot_after(began + timedelta(minutes=minutes / 2) - _STEP) + _AFTER_SLOT
    end_at = _slot_after(began + timedelta(minutes=minutes)) + timedelta(seconds=30)
    soak.write("Zhao Min")
    soak.start()
    _sampled_until(soak, hup_at)
    soak.write("Li Wei")
    assert soak.process is not None
    soak.process.send_signal(signal.SIGHUP)
    _sampled_until(soak, kill_at)
    soak.kill()
    _wait(5.0)
    soak.start()
    _wait(5.0)
    _sampled_until(soak, end_at)
    soak.told = [
        line for line in soak.metrics().splitlines() if re.match(r"syncd_(outbox|slots|connection|last)", line)
    ]
    soak.end()


def _sampled_until(soak: Soak, at: datetime) -> None:
    while (left := (at - datetime.now(UTC)).total_seconds()) > 0:
        _wait(min(left, _SAMPLE_SECONDS))
        soak.sample()


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _slot_after(at: datetime) -> datetime:
    start = at.replace(minute=0, second=0, microsecond=0)
    return start + ((at - start) // _STEP + 1) * _STEP


def due_slots(soak: Soak) -> list[datetime]:
    """Return the slots that were due between the first sight of the plan and the end."""
    first = soak.rows(f"SELECT min(due_at) FROM firings WHERE schedule = '{SCHEDULE}'")[0][0]
    slot, end = _slot_after(datetime.fromisoformat(first).replace(tzinfo=UTC)), datetime.now(UTC)
    found = []
    while slot <= end:
        found.append(slot)
        slot += _STEP
    return found


def report(soak: Soak) -> bool:
    """Print the table; say whether everything is as it should be."""
    due = due_slots(soak)
    fired = soak.rows(f"SELECT due_at, state FROM firings WHERE schedule = '{SCHEDULE}' AND state <> 'seen'")
    commands = soak.rows("SELECT state, count(*) FROM outbox GROUP BY state")
    unknown = dict(commands).get("unknown", 0)
    ids = Counter(str(sent.message["Message-ID"]) for sent in soak.mail.messages)
    done = sorted(datetime.fromisoformat(row[0]).replace(tzinfo=UTC) for row in fired if row[1] == "done")
    off = soak.rows("SELECT count(*) FROM runs WHERE read <> written + unchanged + skipped + parked")[0][0]
    lines = [json.loads(line) for line in (soak.folder / "serve.log").read_text("utf-8").splitlines()]
    paths = Counter(_stream(call.path) for call in soak.github.calls)
    life = soak.samples[soak.births[-1] :]
    first_life = soak.samples[: soak.births[-1]]
    checks: dict[str, tuple[Any, bool]] = {
        "slots due": (len(due), True),
        "firings done": (len(done), done == due),
        "firings otherwise": (len(fired) - len(done), len(fired) == len(done)),
        "mails": (len(soak.mail.messages), len(due) - unknown <= len(ids) <= len(due)),
        "mails twice": (sum(count - 1 for count in ids.values()), max(ids.values(), default=0) <= 1),
        "commands": (", ".join(f"{state} {count}" for state, count in commands), True),
        "runs": (soak.rows("SELECT count(*) FROM runs")[0][0], True),
        "runs off balance": (off, off == 0),
        "requests": (", ".join(f"{name} {count}" for name, count in paths.most_common()), True),
        "RSS MB, first process": (_span(first_life, 0), True),
        "RSS MB, second process": (_span(life, 0), True),
        "open files, first process": (_span(first_life, 1), _is_flat(first_life)),
        "open files, second process": (_span(life, 1), _is_flat(life)),
        "log lines": (len(lines), True),
        "warnings and worse": (_worse(lines), True),
        "reloads": (sum(line["event"] == "configuration reloaded" for line in lines), True),
        "exit code, seconds to stop": (f"{soak.exit_code}, {soak.stop_seconds:.1f}", soak.exit_code == 0),
    }
    table = Table("figure", "value", "")
    for name, (value, is_right) in checks.items():
        table.add_row(name, str(value), "" if is_right else "WRONG")
    console = Console(width=140)
    console.print(table)
    console.print("\n".join(soak.told), markup=False, highlight=False)
    return all(is_right for _, is_right in checks.values())


def _stream(path: str) -> str:
    return path.removeprefix(f"/repos/{REPOSITORY}").strip("/") or "repository"


def _span(samples: list[tuple[float, int]], part: int) -> str:
    values = [sample[part] for sample in samples]
    if not values:
        return "none"
    quarters = [values[len(values) * quarter // 4] for quarter in range(4)]
    return " → ".join(f"{value:.0f}" for value in [*quarters, values[-1]]) + f", {max(values):.0f} at most"


def _is_flat(samples: list[tuple[float, int]]) -> bool:
    """Whether the last third has no more open files than the third in the middle, but for a few."""
    third = len(samples) // 3
    if third == 0:
        return True
    return max(files for _, files in samples[-third:]) <= max(f for _, f in samples[third : 2 * third]) + _SLACK_FILES


def _worse(lines: list[dict[str, Any]]) -> str:
    counts = Counter(line["event"] for line in lines if line["level"] not in ("info", "debug"))
    return ", ".join(f"{event} {count}" for event, count in counts.items()) or "none"


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


def main() -> int:
    """Run the soak and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an export of a GitHub project")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, help="a folder for the database and the log, kept afterwards")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="syncd-soak-") as temporary:
        folder = wishes.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with open_fake("github", data=wishes.data) as github, open_fake("email") as mail:
            soak = Soak(folder, github, mail, _free_port())
            try:
                run(soak, wishes.minutes)
                return 0 if report(soak) else 1
            finally:
                if soak.process is not None and soak.process.poll() is None:
                    soak.process.kill()


if __name__ == "__main__":
    sys.exit(main())
