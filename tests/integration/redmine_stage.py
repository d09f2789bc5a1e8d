"""A Redmine that others wrote, as a person uses it, and a configuration of ours that reads it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from syncd import settings
from syncd.engine import run
from syncd.engine.pull import StreamProgress
from syncd.engine.run import Listener, Order, Report
from syncd.engine.workspace import Workspace
from syncd.model.entities import Milestone, Task, entity_id
from syncd.store import Store, records

SCRIPT: Final = Path(__file__).parents[1] / "servers" / "redmine.sh"
RESOLVED: Final = 3
CLOSED: Final = 5
DEVELOPER: Final = 4
SERVICE = """\
connections:
  rm:
    connector: redmine
    owns: [Project, Milestone, Task]
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{url}", api_key: env:REAL_REDMINE_KEY, projects: [{project}]}}
"""
ACCOUNT = """\
account: Acme
locale: en
timezone: Asia/Shanghai
projects:
  - name: Portal
    from:
      - {{connection: rm, project: {project}, issue: {issue}}}
audiences:
  pm: {{contacts: [li@acme.example]}}
plan:
  - {{audience: pm, channel: rm, content: brief, when: friday 16:00}}
show:
  tasks: {{types: ["*"], fields: [title, status, due_date]}}
"""


class Server:
    """Redmine as a person with the administrator's key uses it, on a project of its own."""

    def __init__(self) -> None:
        self.url = os.environ["SYNCD_TEST_REDMINE"]
        self.key = os.environ["SYNCD_TEST_REDMINE_KEY"]
        self.name = f"p-{uuid4().hex[:12]}"
        self._people: list[int] = []
        self._http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)
        self.project = self.post("projects", project={"name": f"Portal {self.name}", "identifier": self.name})

    def ask(self, method: str, path: str, *, key: str = "", **body: Any) -> Any:
        """Send a request; what Redmine refuses fails the test."""
        # A person's browser comes back after a restart; a line that is kept open would not.
        headers = {"X-Redmine-API-Key": key or self.key, "Connection": "close"}
        answer = self._http.request(method, f"/{path}", headers=headers, json=body or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def post(self, path: str, **body: Any) -> Any:
        """Make something and return it."""
        return next(iter(self.ask("POST", f"{path}.json", **body).values()))

    def version(self, name: str, **fields: Any) -> Any:
        """Make a version."""
        return self.post(f"projects/{self.name}/versions", version={"name": name, **fields})

    def issue(self, subject: str, **fields: Any) -> int:
        """Make an issue and return its number."""
        return int(self.post("issues", issue={"project_id": self.name, "subject": subject, **fields})["id"])

    def change(self, number: int, **fields: Any) -> None:
        """Change an issue."""
        self.ask("PUT", f"issues/{number}.json", issue=fields)

    def notes_of(self, number: int) -> list[str]:
        """Return the comments of an issue."""
        row = self.ask("GET", f"issues/{number}.json?include=journals")["issue"]
        return [journal["notes"] for journal in row["journals"] if journal["notes"]]

    def member(self) -> tuple[int, str]:
        """Make a developer of the project; return id and key."""
        login = f"u{uuid4().hex[:8]}"
        person = {"login": login, "firstname": "Mei", "lastname": "Li", "mail": f"{login}@agency.invalid"}
        made = self.post("users", user={**person, "password": "not a secret"})
        self.post(f"projects/{self.name}/memberships", membership={"user_id": made["id"], "role_ids": [DEVELOPER]})
        self._people.append(made["id"])
        return int(made["id"]), str(made["api_key"])

    def close(self) -> None:
        """Delete the project and its people, and close the sockets."""
        self.ask("DELETE", f"projects/{self.name}.json")
        for number in self._people:
            self.ask("DELETE", f"users/{number}.json")
        self._http.close()


@dataclass
class Desk:
    """A configuration with one client, its database, and what came out of the last run."""

    folder: Path
    store: Store
    server: Server

    def write(self, issue: int) -> None:
        """Write syncd.yaml and the client's file."""
        (self.folder / "accounts").mkdir(parents=True)
        names = {"url": self.server.url, "project": self.server.name, "issue": issue}
        (self.folder / "syncd.yaml").write_text(SERVICE.format(**names), "utf-8")
        (self.folder / "accounts" / "acme.yaml").write_text(ACCOUNT.format(**names), "utf-8")

    def run(
        self, *, told: Callable[[StreamProgress], None] = lambda progress: None, patient: bool = True, **wishes: Any
    ) -> Report:
        """Do one run; an impatient one tries again at once."""
        space = Workspace(settings.load(self.folder), self.store)
        if not patient:
            space.wait = lambda seconds: space.check_stop()  # type: ignore[method-assign]
        try:
            space.validate()
            return run.execute(space, Order(**wishes), listener=Listener(read=told))
        finally:
            space.close()

    def tasks(self) -> dict[str, Task]:
        """Return the stored tasks by title."""
        with self.store.read() as connection:
            found = records.entities_of(connection, "Task", source="rm")
        assert len({task.ref.remote_id for task in found}) == len(found)
        return {task.title: task for task in found if isinstance(task, Task)}

    def milestone(self, number: int) -> Milestone:
        """Return a stored milestone."""
        with self.store.read() as connection:
            (found,) = records.load_entities(connection, [entity_id("rm", "versions", f"versions/{number}")])
        assert isinstance(found, Milestone)
        return found

    def changes(self) -> dict[tuple[str, str], tuple[Any, Any]]:
        """Return every field that a later run changed: (remote id, field) → (old, new)."""
        with self.store.read() as connection:
            kinds = ("Project", "Milestone", "Task", "Activity", "User")
            found = [one for kind in kinds for one in records.entities_of(connection, kind, source="rm")]
            kept = records.changes_of(connection, [one.id for one in found])
        names = {one.id: one.ref.remote_id for one in found}
        return {
            (names[entity], field): (json.loads(old or "null"), json.loads(new or "null"))
            for entity, rows in kept.items()
            for field, old, new, _ in rows
        }


def control(verb: str) -> None:
    """Start or stop the server."""
    subprocess.run([SCRIPT, verb], check=True, capture_output=True, timeout=120)
