"""Through the engine: what has not changed costs no write, what is gone is seen, half a read deletes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.worktile.fake import Fake
from syncd import settings
from syncd.engine import run
from syncd.engine.pull import PullResult, StreamProgress
from syncd.engine.run import Order
from syncd.engine.workspace import Workspace
from syncd.sdk.budget import Budget
from syncd.sdk.fake import Fault
from syncd.sdk.testing import Clock
from syncd.store import open_store
from syncd.store.tables import metadata

SERVICE = """\
connections:
  studio:
    connector: worktile
    timezone: Asia/Shanghai
    owns: [Project, Milestone, Task]
    allow_private_hosts: [127.0.0.1]
    config: {{base_url: "{url}/open-api", client_id: {client}, client_secret: env:WT_SECRET, comment_days: 0}}
"""
ACCOUNT = """\
account: Acme
locale: zh-CN
timezone: Asia/Shanghai
projects:
  - name: Orbit
    from: [{{connection: studio, project: {project}}}]
"""


class Service:
    """A service with one Worktile connection on an empty database."""

    def __init__(self, space: Workspace, project: str) -> None:
        self._space = space
        self.project = project

    def pull(self) -> PullResult:
        (result,) = run.execute(self._space, Order(only="pull")).pulls
        return result

    def tasks(self, result: PullResult) -> StreamProgress:
        return next(p for p in result.streams if (p.place.stream, p.place.partition) == ("tasks", self.project))

    def live(self) -> int:
        table = metadata.tables["entities"]
        query = sa.select(sa.func.count()).where(table.c.kind == "Task", table.c.deleted_at.is_(None))
        with self._space.store.read() as connection:
            return connection.execute(query).scalar_one()


@pytest.fixture
def service(fake: Fake, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose project has 130 tasks, none of them read yet."""
    project = fake.add_project("Orbit", identifier="ORB")
    for number in range(130):
        fake.add_task(project, f"task {number}")
    monkeypatch.setenv("WT_SECRET", fake.client_secret)
    monkeypatch.setattr("syncd.engine.workspace.Budget", partial(Budget, clock=clock.monotonic))
    folder = tmp_path / "config"
    (folder / "accounts").mkdir(parents=True)
    (folder / "syncd.yaml").write_text(SERVICE.format(url=fake.url, client=fake.client_id), "utf-8")
    (folder / "accounts" / "acme.yaml").write_text(ACCOUNT.format(project=project), "utf-8")
    store = open_store(f"sqlite:///{tmp_path / 'syncd.db'}")
    space = Workspace(settings.load(folder), store, now=clock.now)
    monkeypatch.setattr(space, "wait", clock.wait)
    yield Service(space, project)
    space.close()
    store.close()


def test_second_read_of_the_same_writes_nothing(service: Service) -> None:
    first = service.tasks(service.pull()).balance

    second = service.tasks(service.pull()).balance

    assert (first.read, first.written, first.parked) == (130, 130, 0)
    assert (second.read, second.written, second.unchanged) == (130, 0, 130)


def test_changed_task_is_the_only_one_written(fake: Fake, clock: Clock, service: Service) -> None:
    service.pull()
    clock.wait(3600.0)
    fake.set_state(next(iter(fake.tenant.tasks)), "已完成")

    balance = service.tasks(service.pull()).balance

    assert (balance.written, balance.unchanged) == (1, 129)


def test_deleted_tasks_are_seen_by_the_next_read(fake: Fake, service: Service) -> None:
    service.pull()
    for task in list(fake.tenant.tasks)[5:10]:
        fake.tenant.delete(task)

    progress = service.tasks(service.pull())

    assert (progress.vanished, progress.quarantined, service.live()) == (5, 0, 125)


def test_many_deletions_at_once_wait_for_a_person(fake: Fake, service: Service) -> None:
    service.pull()
    for task in list(fake.tenant.tasks)[5:25]:
        fake.tenant.delete(task)

    progress = service.tasks(service.pull())

    assert (progress.vanished, progress.quarantined, service.live()) == (0, 20, 130)


@pytest.mark.parametrize("fault", [Fault.ERROR_IN_200, Fault.TRUNCATED, Fault.NOT_JSON, Fault.FORBIDDEN])
def test_read_that_breaks_in_the_middle_deletes_nothing(fake: Fake, service: Service, fault: Fault) -> None:
    service.pull()
    for task in list(fake.tenant.tasks)[5:10]:
        fake.tenant.delete(task)
    fake.misbehave(fault, path="get-project-tasks-by-page", after=1, times=99)

    progress = service.tasks(service.pull())

    assert progress.error is not None
    assert (progress.vanished, service.live()) == (0, 130)


def test_archived_task_stays_and_is_no_longer_open(fake: Fake, service: Service) -> None:
    service.pull()
    fake.tenant.archive(next(iter(fake.tenant.tasks)))

    progress = service.tasks(service.pull())

    assert (progress.vanished, progress.balance.written, service.live()) == (0, 1, 130)
