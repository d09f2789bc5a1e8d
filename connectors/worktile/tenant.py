"""What the fake holds: one team with its own task types and states, and the ways to let a history happen."""
# ruff: noqa: A002

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

Item = dict[str, Any]

TYPES: Final = {
    "zh": ("任务", "缺陷", "里程碑", "风险", "变更申请"),
    "en": ("Task", "Bug", "Milestone", "Risk", "Change request"),
}
STATES: Final = {
    "zh": {"未开始": 1, "进行中": 2, "阻塞": 2, "待客户确认": 2, "挂起": 2, "已完成": 3, "已作废": 3, "已取消": 4},
    "en": {
        "Not started": 1,
        "In progress": 2,
        "Blocked": 2,
        "Waiting for client": 2,
        "Done": 3,
        "Scrapped": 3,
        "Cancelled": 4,
    },
}
FINISHED: Final = 3


class Tenant:
    """State of one team. `now` is the fake's clock; every change stamps `updated_at` with it.

    Dates are written as the team's midnight in `timezone`. All methods take and return ids.
    """

    def __init__(self, now: Callable[[], datetime], lock: threading.RLock) -> None:
        self.timezone = ZoneInfo("Asia/Shanghai")
        self.members: dict[str, Item] = {}
        self.projects: dict[str, Item] = {}
        self.tasks: dict[str, Item] = {}
        self.comments: dict[str, Item] = {}
        self.types: dict[str, dict[str, Item]] = {}
        self.states: dict[str, dict[str, Item]] = {}
        self._now = now
        self._lock = lock
        self._counts: dict[str, int] = {}
        self._named: dict[tuple[str, str], str] = {}

    # -- seeding ----------------------------------------------------------------------------------------------

    def add_member(self, display_name: str, *, name: str = "", status: int = 1) -> str:
        """Add a person of the team."""
        with self._lock:
            number = self._count("member")
            uid = f"3c1f0a7d{number:024x}"
            self.members[uid] = {
                "uid": uid,
                "name": name or f"member{number}",
                "display_name": display_name,
                "avatar": "",
                "status": status,
                "display_name_pinyin": "",
            }
            return uid

    def add_project(
        self, name: str, *, identifier: str = "", language: str = "zh", visibility: int = 1, by: str = ""
    ) -> str:
        """Add a project; its task types and states have names in `language` ("zh" or "en")."""
        with self._lock:
            project = self._id("project")
            self.projects[project] = {
                "_id": project,
                "name": name,
                "identifier": identifier,
                "visibility": visibility,
                "is_archived": 0,
                "created_at": self.stamp(),
                "created_by": by,
            }
            self.types[project] = {t: {"_id": self.name_id("type", t), "name": t} for t in TYPES[language]}
            self.states[project] = {
                state: {"_id": self.name_id("state", state), "name": state, "type": kind}
                for state, kind in STATES[language].items()
            }
            return project

    def add_state(self, project: str, name: str, kind: int) -> None:
        """Give a project a state of its own; `kind` is what Worktile calls its type."""
        self.states[project][name] = {"_id": self.name_id("state", name), "name": name, "type": kind}

    def add_type(self, project: str, name: str) -> None:
        """Give a project a task type of its own."""
        self.types[project][name] = {"_id": self.name_id("type", name), "name": name}

    def add_task(
        self,
        project: str,
        title: str,
        *,
        type: str | None = None,
        state: str | None = None,
        assignee: str | None = None,
        start: date | None = None,
        due: date | None = None,
        parent: str = "",
        tags: Sequence[str] = (),
        priority: str | None = None,
        desc: str = "",
        by: str = "",
        properties: Item | None = None,
    ) -> str:
        """Add a task of the project's first type in its first state, unless told; `properties` are custom ones."""
        with self._lock:
            task, number = self._id("task"), self._count(f"tasks of {project}")
            prefix = self.projects[project]["identifier"] or "T"
            self.tasks[task] = {
                "_id": task,
                "title": title,
                "identifier": f"{prefix}-{number}",
                "project_id": project,
                "created_by": by,
                "created_at": self.stamp(),
                "updated_at": self.stamp(),
                "completed_at": 0,
                "is_archived": 0,
                "task_type": self.types[project][type or next(iter(self.types[project]))],
                "parent_id": parent,
                "parent_ids": [parent] if parent else [],
                "derived_ids": [],
                "properties": {
                    "assignee": assignee or "",
                    "participant": [],
                    "start": self.day(start),
                    "due": self.day(due),
                    "priority": {"_id": self.name_id("priority", priority), "name": priority} if priority else None,
                    "tag": [{"_id": self.name_id("tag", tag), "name": tag, "color": "#F6C659"} for tag in tags],
                    "desc": desc,
                    "attachment": [],
                    **(properties or {}),
                },
            }
            if parent:
                self.tasks[parent]["derived_ids"].append(task)
            self.set_state(task, state or next(iter(self.states[project])))
            return task

    def add_milestone(self, project: str, title: str, due: date, **values: Any) -> str:
        """Add a task of the type that is called milestone; Worktile has no other kind of milestone."""
        kind = next(names[2] for names in TYPES.values() if names[2] in self.types[project])
        return self.add_task(project, title, type=kind, due=due, **values)

    def add_comment(self, task: str, content: str, *, by: str = "") -> str:
        """Comment on a task; whether that changes the task is not known, and here it does not."""
        with self._lock:
            comment = self._id("comment")
            self.comments[comment] = {
                "_id": comment,
                "task": task,
                "created_by": by,
                "content": content,
                "created_at": self.stamp(),
                "attachments": [],
            }
            return comment

    # -- history ----------------------------------------------------------------------------------------------

    def set_state(self, task: str, state: str) -> None:
        """Move a task to the state called `state`."""
        with self._lock:
            found = self.tasks[task]
            entered = self.states[found["project_id"]][state]
            done = entered["type"] == FINISHED
            self.update(task, task_state=entered, state_type=entered["type"], completed_at=self.stamp() if done else 0)

    def set_property(self, task: str, key: str, value: Any) -> None:
        """Change a property; a `date` becomes the team's midnight."""
        shown = self.day(value) if isinstance(value, date) else value
        self.update(task, properties={**self.tasks[task]["properties"], key: shown})

    def update(self, task: str, **values: Any) -> None:
        """Set plain fields of a task and stamp it."""
        with self._lock:
            self.tasks[task].update({**values, "updated_at": self.stamp()})

    def archive(self, task: str) -> None:
        """Take a task out of sight; the lists go on showing it."""
        self.update(task, is_archived=1)

    def delete(self, task: str) -> None:
        """Delete a task: it is gone without a trace, and so are its comments."""
        with self._lock:
            del self.tasks[task]
            self.comments = {key: comment for key, comment in self.comments.items() if comment["task"] != task}

    # -- rules ------------------------------------------------------------------------------------------------

    def stamp(self) -> int:
        """Return the clock in unix seconds."""
        return int(self._now().timestamp())

    def day(self, value: date | None) -> Item | None:
        """Return a whole day as Worktile writes it: the team's midnight."""
        if value is None:
            return None
        return {"date": int(datetime.combine(value, time(), self.timezone).timestamp()), "with_time": 0}

    def name_id(self, kind: str, name: str) -> str:
        """Return the id of a state, tag, priority or type: one id for one name."""
        if (kind, name) not in self._named:
            self._named[kind, name] = self._id(kind)
        return self._named[kind, name]

    def _id(self, kind: str) -> str:
        return f"66{sum(kind.encode()):06x}{self._count(kind):016x}"

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]
