"""A PingCode team in memory: what the fake serves, with short ways to let a history happen.

Hand-made in the documented shapes. What the vendor leaves open and this model decides is listed in the README.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

Item = dict[str, Any]

ROOT: Final = "https://open.pingcode.com/v1"
SITE: Final = "https://acme.pingcode.com/pjm/workitems"
_FIRST: Final = {
    "project": "66a0c1d2",
    "work_item": "66b1c2d3",
    "state": "66c00000",
    "priority": "66c0d000",
    "version": "66d00000",
    "sprint": "66e00000",
    "tag": "66f10000",
    "comment": "67100000",
    "type": "66a1f000",
}
_SYSTEM_TYPES: Final = (
    ("epic", "史诗", "requirement"),
    ("feature", "特性", "requirement"),
    ("story", "用户故事", "requirement"),
    ("task", "任务", "task"),
    ("bug", "缺陷", "bug"),
    ("issue", "事务", "issue"),
)
_PLAN_TYPES: Final = {"zh": ("里程碑", "阶段"), "en": ("Milestone", "Stage")}
_STATES: Final = {
    "zh": (
        ("新建", "pending"),
        ("进行中", "in_progress"),
        ("待客户确认", "in_progress"),
        ("阻塞", "in_progress"),
        ("已完成", "completed"),
        ("已关闭", "closed"),
        ("已取消", "closed"),
    ),
    "en": (
        ("New", "pending"),
        ("In progress", "in_progress"),
        ("Waiting for client", "in_progress"),
        ("Blocked", "in_progress"),
        ("Done", "completed"),
        ("Closed", "closed"),
        ("Cancelled", "closed"),
    ),
}
_PROJECT_STATES: Final = {
    "未开始": "pending",
    "正常": "in_progress",
    "预警": "in_progress",
    "延期": "in_progress",
    "结束": "completed",
}
# A closed item is taken up again from its beginning.
_FORBIDDEN_FLOWS: Final = frozenset({("closed", "in_progress"), ("closed", "completed")})
_UNSET: Final = dict.fromkeys(
    ("board", "entry", "swimlane", "description", "completed_at", "story_points", "estimated_workload",
     "remaining_workload")
)  # fmt: skip
_STAGES: Final = {"pending": "未开始", "in_progress": "开发中", "published": "已发布"}


class Tenant:
    """State of one team. `now` is the fake's clock; every change stamps `updated_at` with it.

    Dates are written as the team's midnight in `timezone`. All methods return or take ids.
    """

    def __init__(self, now: Callable[[], datetime], lock: threading.RLock) -> None:
        self.timezone = ZoneInfo("Asia/Shanghai")
        self.users: dict[str, Item] = {}
        self.projects: dict[str, Item] = {}
        self.work_items: dict[str, Item] = {}
        self.sprints: dict[str, Item] = {}
        self.versions: dict[str, Item] = {}
        self.comments: dict[str, Item] = {}
        self.histories: dict[str, list[Item]] = {}
        self.types: dict[str, list[Item]] = {}
        self.states: dict[str, list[Item]] = {}
        self._now = now
        self._lock = lock
        self._counts: dict[str, int] = {}
        self._named: dict[tuple[str, str], str] = {}

    # -- seeding ----------------------------------------------------------------------------------------------

    def add_user(self, display_name: str, *, email: str = "", job: str = "", status: str = "enabled") -> str:
        """Add a person of the team."""
        with self._lock:
            number = self._count("user")
            user_id = f"3c1f0a7d{number:024x}"
            self.users[user_id] = {
                "id": user_id,
                "url": f"{ROOT}/directory/users/{user_id}",
                "name": email.partition("@")[0] or f"user{number}",
                "display_name": display_name,
                "avatar": None,
                "department": None,
                "job": {"id": f"{number:024x}", "url": "", "name": job} if job else None,
                "email": email or None,
                "mobile": None,
                "status": status,
                "employee_number": None,
            }
            return user_id

    def add_project(
        self,
        name: str,
        *,
        identifier: str,
        type: str = "hybrid",  # noqa: A002 - the vendor's word
        state: str = "正常",
        assignee: str | None = None,
        start: date | None = None,
        end: date | None = None,
        description: str = "",
        language: str = "zh",
    ) -> str:
        """Add a project; its work item types and states have names in `language` ("zh" or "en")."""
        with self._lock:
            project_id = self._id("project")
            self.projects[project_id] = {
                "id": project_id,
                "url": f"{ROOT}/pjm/projects/{project_id}",
                "identifier": identifier,
                "name": name,
                "type": type,
                "assignee": self._person(assignee),
                "scope_type": "organization",
                "scope_id": "66a0000000000000000000aa",
                "visibility": "private",
                "state": self._project_state(state),
                "start_at": self.day(start),
                "end_at": self.day(end),
                "description": description,
                "properties": {},
                "members": [],
                **self._born(),
            }
            self.types[project_id] = self._types_of(type, language)
            self.states[project_id] = [
                {"id": self._name_id("state", f"{language} {state_name}"), "name": state_name, "type": kind}
                for state_name, kind in _STATES[language]
            ]
            return project_id

    def set_project_state(self, project: str, state: str) -> None:
        """Change a project's health: 未开始, 正常, 预警, 延期 or 结束."""
        self.update(self.projects[project], state=self._project_state(state))

    def add_work_item(
        self,
        project: str,
        title: str,
        *,
        type: str = "task",  # noqa: A002 - the vendor's word
        state: str | None = None,
        assignee: str | None = None,
        start: date | None = None,
        end: date | None = None,
        parent: str | None = None,
        phase: str | None = None,
        sprint: str | None = None,
        versions: Sequence[str] = (),
        tags: Sequence[str] = (),
        priority: str | None = None,
        created_by: str | None = None,
        **values: Any,
    ) -> str:
        """Add a work item in its first state, or in `state`. `type` is an id or a name; `values` are plain fields."""
        with self._lock:
            owner = self.projects[project]
            item_id, number = self._id("work_item"), self._count(f"items of {project}")
            short_id = f"w{self._counts['work_item']:07x}"
            item = {
                "id": item_id,
                "url": f"{ROOT}/pjm/work_items/{item_id}",
                "project": _reference(owner, "identifier", "name", "type", "is_archived", "is_deleted"),
                "identifier": f"{owner['identifier']}-{number}",
                "title": title,
                "type": self.type_of(project, type)["id"],
                "start_at": self.day(start),
                "end_at": self.day(end),
                "parent_id": parent,
                "short_id": short_id,
                "html_url": f"{SITE}/{short_id}",
                "parent": _reference(self.work_items[parent], "identifier", "title", "type") if parent else None,
                "assignee": self._person(assignee),
                "state": self.states[project][0],
                "priority": {"id": self._name_id("priority", priority), "name": priority} if priority else None,
                "versions": [_reference(self.versions[v], "name", "start_at", "end_at", "stage") for v in versions],
                "sprint": _reference(self.sprints[sprint], "name", "start_at", "end_at", "status") if sprint else None,
                "phase": _reference(self.work_items[phase], "title", "identifier") if phase else None,
                **_UNSET,
                "properties": {},
                "tags": [{"id": self._name_id("tag", tag), "name": tag} for tag in tags],
                "participants": [],
                **self._born(created_by),
                **values,
            }
            self.work_items[item_id] = item
            self._enter(item, item["state"], None)
            if state:
                self.set_state(item_id, state)
            return item_id

    def add_milestone(self, project: str, title: str, end: date, **values: Any) -> str:
        """Add a work item of the milestone type; only waterfall and hybrid projects have it."""
        return self.add_work_item(project, title, type=self._plan_type(project, 0), end=end, **values)

    def add_phase(self, project: str, title: str, *, start: date, end: date, **values: Any) -> str:
        """Add a work item of the stage type; only waterfall and hybrid projects have it."""
        return self.add_work_item(project, title, type=self._plan_type(project, 1), start=start, end=end, **values)

    def set_state(self, item: str, state: str) -> None:
        """Move a work item to the state called `state`, whatever the flow says."""
        with self._lock:
            found = self.work_items[item]
            target = next(s for s in self.states[found["project"]["id"]] if s["name"] == state)
            self._enter(found, target, found["state"])

    def add_sprint(
        self, project: str, name: str, start: date, end: date, *, status: str = "pending", assignee: str | None = None
    ) -> str:
        """Add a sprint; `status` is pending, in_progress or completed."""
        with self._lock:
            sprint_id = self._id("sprint")
            self.sprints[sprint_id] = {
                "id": sprint_id,
                "url": f"{ROOT}/pjm/projects/{project}/sprints/{sprint_id}",
                "project": _reference(self.projects[project], "identifier", "name", "type"),
                "name": name,
                "status": status,
                "assignee": self._person(assignee),
                "start_at": self.day(start),
                "end_at": self.day(end),
                "description": "",
                "started_at": None,
                "completed_at": None,
                "categories": [],
                **self._born(),
            }
            return sprint_id

    def set_sprint_status(self, sprint: str, status: str) -> None:
        """Start or end a sprint."""
        at = {"in_progress": "started_at", "completed": "completed_at"}.get(status)
        self.update(self.sprints[sprint], status=status, **({at: self.stamp()} if at else {}))

    def add_version(
        self, project: str, name: str, start: date, end: date, *, stage: str = "pending", assignee: str | None = None
    ) -> str:
        """Add a version (release); `stage` is pending, in_progress or published."""
        with self._lock:
            version_id = self._id("version")
            self.versions[version_id] = {
                "id": version_id,
                "url": f"{ROOT}/pjm/projects/{project}/versions/{version_id}",
                "project": _reference(self.projects[project], "identifier", "name", "type"),
                "name": name,
                "start_at": self.day(start),
                "end_at": self.day(end),
                "stage": {"id": self._name_id("state", stage), "name": _STAGES[stage], "type": stage},
                "assignee": self._person(assignee),
                "progress": 0,
                "changelog": "",
                "operate_at": self.stamp(),
                "categories": [],
                **self._born(),
            }
            return version_id

    def set_version_stage(self, version: str, stage: str) -> None:
        """Move a version to the stage of type pending, in_progress or published."""
        reached = {"id": self._name_id("state", stage), "name": _STAGES[stage], "type": stage}
        self.update(self.versions[version], stage=reached, operate_at=self.stamp())

    def add_comment(self, item: str, content: str, *, by: str | None = None) -> str:
        """Comment on a work item; that leaves the item's `updated_at` alone."""
        with self._lock:
            comment_id = self._id("comment")
            self.comments[comment_id] = {
                "id": comment_id,
                "url": f"{ROOT}/comments/{comment_id}?principal_type=work_item&principal_id={item}",
                "content": content,
                "attachment_count": 0,
                "attachments": [],
                "is_reply_comment": 0,
                "replied_comment": None,
                "created_at": self.stamp(),
                "created_by": self._person(by),
                "is_deleted": 0,
            }
            return comment_id

    def update(self, item: Item, **values: Any) -> None:
        """Set plain fields of a stored object and stamp it; a `date` becomes the team's midnight."""
        with self._lock:
            days = {key: self.day(value) for key, value in values.items() if isinstance(value, date)}
            item.update({**values, **days, "updated_at": self.stamp()})

    def delete(self, item: Item) -> None:
        """Delete softly, as PingCode does with projects and work items."""
        self.update(item, is_deleted=1)

    # -- rules ------------------------------------------------------------------------------------------------

    def can_enter(self, item: Item, state: Item) -> bool:
        """Say whether the flow lets `item` go to `state`."""
        return (item["state"]["type"], state["type"]) not in _FORBIDDEN_FLOWS

    def comments_on(self, item: str) -> list[Item]:
        """Return the comments of a work item, oldest first."""
        return [c for c in self.comments.values() if c["url"].endswith(f"principal_id={item}")]

    def type_of(self, project: str, name: str) -> Item:
        """Return a type of a project by id or name; StopIteration when there is none."""
        return next(t for t in self.types[project] if name in (t["id"], t["name"]))

    def stamp(self) -> int:
        """Return the clock in unix seconds."""
        return int(self._now().timestamp())

    def day(self, value: date | None) -> int | None:
        """Return the team's midnight of a date in unix seconds."""
        return None if value is None else int(datetime.combine(value, time(), self.timezone).timestamp())

    def _enter(self, item: Item, state: Item, before: Item | None) -> None:
        completed = self.stamp() if state["type"] == "completed" else item["completed_at"]
        done = state["type"] in ("completed", "closed")
        history = self.histories.setdefault(item["id"], [])
        history.append({"from_state": before, "to_state": state, "created_at": self.stamp()})
        self.update(item, state=state, completed_at=completed if done else None)

    def _types_of(self, project_type: str, language: str) -> list[Item]:
        types = [{"id": slug, "name": name, "group": group} for slug, name, group in _SYSTEM_TYPES]
        if project_type in ("waterfall", "hybrid"):
            names = _PLAN_TYPES[language]
            types += [{"id": self._name_id("type", name), "name": name, "group": "plan"} for name in names]
        return types

    def _plan_type(self, project: str, position: int) -> str:
        return next(n[position] for n in _PLAN_TYPES.values() if any(t["name"] in n for t in self.types[project]))

    def _project_state(self, name: str) -> Item:
        return {"id": self._name_id("state", f"project {name}"), "name": name, "type": _PROJECT_STATES[name]}

    def _person(self, user: str | None) -> Item | None:
        return _reference(self.users[user], "name", "display_name", "avatar") if user else None

    def _born(self, by: str | None = None) -> Item:
        at, person = self.stamp(), self._person(by)
        return {
            "created_at": at,
            "created_by": person,
            "updated_at": at,
            "updated_by": person,
            "is_archived": 0,
            "is_deleted": 0,
        }

    def _id(self, kind: str) -> str:
        return f"{_FIRST[kind]}{self._count(kind):016x}"

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def _name_id(self, kind: str, name: str) -> str:
        """Return the id of a state, tag, priority or type: one id for one name."""
        if (kind, name) not in self._named:
            self._named[kind, name] = self._id(kind)
        return self._named[kind, name]


def _reference(item: Item, *keys: str) -> Item:
    return {key: item.get(key) for key in ("id", "url", *keys)}
