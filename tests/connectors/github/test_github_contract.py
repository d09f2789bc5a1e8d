"""The contract suite on the GitHub connector."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.github import GitHub, GitHubConfig
from connectors.github.fake import Fake
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.fake import Fault
from syncd.sdk.paging import stamp
from syncd.sdk.testing import ConnectorContract

REPOSITORY = "acme/portal"


class PortalFake(Fake):
    """An imitated GitHub with the one repository of the cases."""

    def __init__(self) -> None:
        super().__init__()
        self.add_repository(REPOSITORY)


class TestGitHub(ConnectorContract):
    """Inherits every contract case."""

    fake_class = PortalFake
    fixed_streams = frozenset({"repositories"})
    faults_without: ClassVar[frozenset[Fault]] = frozenset({Fault.ERROR_IN_200})

    def connector(self, fake: Any, context: ConnectorContext) -> GitHub:
        config = GitHubConfig(base_url=fake.url, token=SecretStr(fake.token), repositories=(REPOSITORY,))
        return GitHub(config, context=context)

    def partition(self, fake: Any, stream: str) -> str:
        return "" if stream in ("repositories", "users") else REPOSITORY

    def populate(self, fake: Any, stream: str, count: int, *, at: datetime) -> list[str]:
        match stream:
            case "users":
                start = len(fake.repository(REPOSITORY).people)
                return [fake.add_user(REPOSITORY, f"dev-{start + n}")["login"] for n in range(count)]
            case "labels":
                start = len(fake.repository(REPOSITORY).labels)
                rows = [fake.add_label(REPOSITORY, f"area {start + n}") for n in range(count)]
            case "milestones":
                rows = [fake.add_milestone(REPOSITORY, f"Version {n}", at=at) for n in range(count)]
            case "issues":
                rows = [
                    fake.add_issue(REPOSITORY, f"Task {n}", at=at, is_pull_request=n % 2 == 1) for n in range(count)
                ]
            case _:
                issue = fake.add_issue(REPOSITORY, "Talk", at=at)
                rows = [fake.add_comment(REPOSITORY, issue["number"], f"Remark {n}", at=at) for n in range(count)]
        return [row["url"].partition("/repos/")[2] for row in rows]

    def touch(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        repository, number = fake.repository(REPOSITORY), int(remote_id.rpartition("/")[2])
        match stream:
            case "milestones":
                repository.milestones[number] |= {"description": stamp(at), "updated_at": stamp(at)}
            case "issues":
                fake.change_issue(REPOSITORY, number, at=at, body=stamp(at))
            case _:
                row = repository.comments.get(number)
                repository.comments.put(number, {**row, "body": stamp(at), "updated_at": stamp(at)})

    def remove(self, fake: Any, stream: str, remote_id: str, *, at: datetime) -> None:
        repository, tail = fake.repository(REPOSITORY), remote_id.rpartition("/")[2]
        match stream:
            case "users":
                del repository.people[remote_id]
            case "labels":
                del repository.labels[tail.replace("%20", " ")]
            case "milestones":
                del repository.milestones[int(tail)]
            case "issues":
                repository.issues.remove(int(tail))
            case _:
                repository.comments.remove(int(tail))

    def command(self, fake: Any, operation: str, key: str) -> Command:
        issue = fake.add_issue(REPOSITORY, "Portal")
        target = issue["url"].partition("/repos/")[2]
        if operation == "create_comment":
            return Command(operation, key, {"body": "进度 **80 %** 🙂"}, target)
        return Command(operation, key, {"title": "Portal, done", "state": "closed"}, target)

    def effects(self, fake: Any, operation: str) -> int:
        repository = fake.repository(REPOSITORY)
        if operation == "create_comment":
            return sum("80 %" in row["body"] for row in repository.comments)
        return sum(row["title"] == "Portal, done" for row in repository.issues)
