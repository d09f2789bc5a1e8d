"""The contract suite on the Redmine connector."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.redmine import Redmine, RedmineConfig
from connectors.redmine.fake import Fake
from connectors.redmine.state import shown
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.fake import Fault
from syncd.sdk.testing import ConnectorContract

PROJECT = "portal"


class PortalFake(Fake):
    """An imitated Redmine with the project of the cases; the key's user may see all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.portal = self.add_project(PROJECT, "Portal")


class TestRedmine(ConnectorContract):
    """Inherits every contract case."""

    fake_class = PortalFake
    faults_without: ClassVar[frozenset[Fault]] = frozenset({Fault.ERROR_IN_200})

    def connector(self, fake: Any, context: ConnectorContext) -> Redmine:
        return Redmine(RedmineConfig(base_url=fake.url, api_key=SecretStr(fake.key)), context=context)

    def partition(self, fake: Any, stream: str) -> str:
        return PROJECT if stream in ("issues", "journals", "relations") else ""

    def populate(self, fake: Any, stream: str, count: int, *, at: datetime) -> list[str]:
        match stream:
            case "projects":
                start = len(fake.book.projects)
                return [
                    fake.add_project(f"more-{start + n}", f"More {start + n}", at=at)["identifier"]
                    for n in range(count)
                ]
            case "users":
                start = len(fake.book.users)
                rows = [fake.add_user(f"dev-{start + n:05}", "Dev", str(n), at=at) for n in range(count)]
            case "statuses":
                return [f"issue_statuses/{fake.add_status(f'State {n}')['id']}" for n in range(count)]
            case "custom_fields":
                rows = [fake.add_custom_field(f"Field {n}") for n in range(count)]
            case "versions":
                rows = [fake.add_version(fake.portal, f"1.{n}", at=at) for n in range(count)]
            case "issues":
                states = ("New", "Closed", "In Progress")
                return [
                    str(fake.add_issue(fake.portal, f"Task {n}", at=at, status=states[n % 3])["id"])
                    for n in range(count)
                ]
            case "journals":
                issue = fake.add_issue(fake.portal, "Talk", at=at)["id"]
                rows = [fake.add_journal(issue, f"Remark {n}", at=at) for n in range(count)]
            case _:
                end = fake.add_issue(fake.portal, "End", at=at)["id"]
                starts = [fake.add_issue(fake.portal, f"Start {n}", at=at)["id"] for n in range(count)]
                rows = [fake.add_relation(start, end) for start in starts]
        return [f"{stream}/{row['id']}" for row in rows]

    def touch(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        number = int(remote_id.rpartition("/")[2])
        if stream == "issues":
            fake.change_issue(number, at=at, subject=shown(at))
            return
        # An edited comment shows when its issue changes next.
        issue, _ = fake.book.journals[number]
        fake.edit_journal(number, f"edited {shown(at)}")
        fake.change_issue(issue, at=at)

    def remove(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        book = fake.book
        if stream == "projects":
            del book.projects[book.project(remote_id)["id"]]
        elif stream == "issues":
            book.drop_issue(int(remote_id))
        else:
            del getattr(book, stream)[int(remote_id.rpartition("/")[2])]

    def command(self, fake: Any, operation: str, key: str) -> Command:
        target = str(fake.add_issue(fake.portal, "Report")["id"])
        if operation == "create_comment":
            return Command(operation, key, {"notes": "进度 80 % 🙂"}, target)
        return Command(operation, key, {"subject": "Report, done", "done_ratio": 100}, target)

    def effects(self, fake: Any, operation: str) -> int:
        if operation == "create_comment":
            return sum("80 %" in row["notes"] for _, row in fake.book.journals.values())
        return sum(issue.row["subject"] == "Report, done" for issue in fake.book.issues.values())
