"""The contract suite on Worktile, in the two shapes that its lists are known in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import SecretStr

from connectors.worktile import Worktile, WorktileConfig
from connectors.worktile.fake import Fake
from syncd.sdk import Command, ConnectorContext
from syncd.sdk.testing import ConnectorContract, ContractHarness, ReadingContract


class OtherFake(Fake):
    """The other shape: `value`, no total, members under `_id`, comments without ids, a real 401."""

    def __init__(self) -> None:
        super().__init__()
        self.list_key = "value"
        self.counts = False
        self.says_more = False
        self.member_key = "_id"
        self.comments_without_ids = True
        self.expired_status = 401


class WorktileHarness(ContractHarness):
    """What the cases need to know of Worktile."""

    def connector(self, fake: Fake, context: ConnectorContext) -> Worktile:
        config = WorktileConfig(
            base_url=f"{fake.url}/open-api",
            client_id=fake.client_id,
            client_secret=SecretStr(fake.client_secret),
            comment_days=30,
            allow_writes=True,
        )
        return Worktile(config, context=context)

    def partition(self, fake: Fake, stream: str) -> str:
        return _project(fake) if stream in ("tasks", "comments") else ""

    def populate(self, fake: Fake, stream: str, count: int, *, at: datetime) -> list[str]:
        before = fake.now()
        project = _project(fake)
        fake.set_clock(at)
        task = fake.add_task(project, "commented") if stream == "comments" and count else ""
        makers: dict[str, Any] = {
            "projects": lambda n: fake.add_project(f"项目 {n}"),
            "users": lambda n: fake.add_member(f"成员 {n}"),
            "tasks": lambda n: fake.add_task(project, f"task {n}"),
            "comments": lambda n: fake.add_comment(task, f"comment {n}"),
        }
        ids = [makers[stream](n) for n in range(count)]
        fake.set_clock(before)
        return ids

    def touch(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        raise NotImplementedError("no stream is incremental")

    def remove(self, fake: Fake, stream: str, remote_id: str, *, at: datetime) -> None:
        stock = {"users": fake.tenant.members}.get(stream) or getattr(fake.tenant, stream)
        del stock[remote_id]

    def command(self, fake: Fake, operation: str, key: str) -> Command:
        payload = {"template_name": "任务管理", "name": f"Site refit {key[:6]}", "visibility": 1}
        return Command(operation, key, payload)

    def effects(self, fake: Fake, operation: str) -> int:
        return len(fake.tenant.projects)


class TestWorktile(WorktileHarness, ConnectorContract):
    """The shape of the tenant API as it was seen last."""

    fake_class = Fake


class TestWorktileInItsOtherShape(WorktileHarness, ReadingContract):
    """Lists under another name, without a count or an end; comments have tests of their own."""

    fake_class = OtherFake
    fixed_streams = frozenset({"comments"})


def _project(fake: Fake) -> str:
    return next(iter(fake.tenant.projects), None) or fake.add_project("Orbit rollout", identifier="ORB")
