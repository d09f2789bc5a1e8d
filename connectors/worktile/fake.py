"""Worktile's tenant API imitated on loopback.

`Fake.tenant` holds the data and the ways to let a history happen; this module is the vendor's dialect.
Inferred, and so a choice of the fake: the order of lists, the answer to `create_project`, that archived tasks stay in
the lists, ids as keys of comments, code 1001 for a bad request, and every status but 200, 401, 403, 429, 502.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from connectors.worktile.tenant import Item, Tenant
from syncd.sdk.fake import Answer, Call, FakeServer, Fault, Request, route

_ROOT: Final = "/open-api"
_TOKEN: Final = frozenset({"access_token"})
_PAGING: Final = _TOKEN | {"page_index", "page_size"}
_LIFETIME: Final = timedelta(hours=2)
_MOST_ROWS: Final = 100
_MOST_IDS: Final = 20
_HIDDEN: Final = frozenset({"properties", "task_type", "completed_at", "parent_id", "parent_ids", "derived_ids"})
_HTML: Final = {"Content-Type": "text/html"}
TEMPLATES: Final = frozenset({"任务管理", "敏捷开发", "项目管理"})


class Fake(FakeServer):
    """Worktile on loopback.

    `list_key` is where lists are ("items" or "value"), `member_key` where a member's id is ("uid" or "_id");
    `counts` shows `total`, `says_more` shows `has_more`; `expired_status` is 200 or 401; `details_without` are tasks
    that the details leave out, `most_details` how many tasks they show at once; `comments_without_ids` drops their
    `_id`; `shows_made` answers a create with the object.
    More than `most_at_once` requests at the same time are refused with a page of HTML.
    """

    public_paths = (f"{_ROOT}/tenant-access-token",)

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant(self.now, self.lock)
        self.list_key = "items"
        self.member_key = "uid"
        self.counts = True
        self.says_more = True
        self.newest_first = False
        self.expired_status = 200
        self.details_without: set[str] = set()
        self.most_details = _MOST_IDS
        self.comments_without_ids = False
        self.shows_made = True
        self.most_at_once = 8
        self.client_id = "wt-client-41d0"
        self.client_secret = "wt-secret-9c27be"
        self._tokens: dict[str, datetime] = {}
        self._inside = 0
        self._door = threading.Lock()
        self.add_member = self.tenant.add_member
        self.add_project = self.tenant.add_project
        self.add_task = self.tenant.add_task
        self.add_milestone = self.tenant.add_milestone
        self.add_comment = self.tenant.add_comment
        self.set_state = self.tenant.set_state

    def revoke_tokens(self) -> None:
        """Make every token invalid, as resetting the secret does."""
        self._tokens.clear()

    # -- dialect ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer, unless too many are inside."""
        with self._door:
            self._inside += 1
            crowded = self._inside > self.most_at_once
        try:
            if not crowded:
                return super().handle(request)
            self.calls.append(Call(request.method, request.path, request.query, 429))
            return self.rate_limited({}), None
        finally:
            with self._door:
                self._inside -= 1

    def authorize(self, request: Request) -> Answer | None:
        """Refuse a token in the query that was not issued here or has ended; the header must not contradict it."""
        token = request.query.get("access_token", "")
        bearer = request.headers.get("authorization", f"Bearer {token}")
        end = self._tokens.get(token)
        is_good = end is not None and self.now() < end and bearer == f"Bearer {token}"
        return None if is_good else self.expired()

    def error(self, status: int, message: str, code: str = "1001") -> Answer:
        """Answer in the vendor's envelope; the code is a number."""
        return Answer(status, {"ok": False, "error_code": int(code), "error_message": message})

    def expired(self) -> Answer:
        """Answer that the token is not valid: nearly always inside a 200."""
        return self.error(self.expired_status, "invalid access token", "1103")

    def error_in_200(self) -> Answer:
        """Answer an error with status 200."""
        return self.error(200, "系统繁忙")

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Answer 429 with the page of the server in front of the API."""
        return _page_of_html(429, "429 Too Many Requests", headers)

    def forbidden(self) -> Answer:
        """Answer 403 as a page, too."""
        return _page_of_html(403, "403 Forbidden")

    def server_error(self) -> Answer:
        """Answer that there is nothing behind the server in front."""
        return _page_of_html(502, "502 Bad Gateway")

    # -- sign-in ----------------------------------------------------------------------------------------------

    @route(
        "POST",
        f"{_ROOT}/tenant-access-token",
        body=frozenset({"client_id", "client_secret"}),
        changes_nothing=True,
    )
    def issue_token(self, request: Request) -> Answer:
        """Issue a tenant token; there is no refresh token."""
        given = request.body if isinstance(request.body, dict) else {}
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return self.error(200, f"client_secret {given.get('client_secret')} invalid", "1101")
        access = f"eyJ{len(self.calls):08x}.{len(self._tokens):04x}"
        self._tokens[access] = self.now() + _LIFETIME
        return Answer(body={"tenant_access_token": access, "expires_in": int(_LIFETIME.total_seconds())})

    # -- lists ------------------------------------------------------------------------------------------------

    @route("GET", f"{_ROOT}/mission/get-projects-by-page", params=_PAGING)
    def projects(self, request: Request) -> Answer:
        """List projects."""
        return self._page(self.tenant.projects.values(), request)

    @route("GET", f"{_ROOT}/contact/get-members-by-page", params=_PAGING)
    def members(self, request: Request) -> Answer:
        """List the team."""
        return self._page(self.tenant.members.values(), request, self._member)

    @route("GET", f"{_ROOT}/mission/get-project-tasks-by-page", params=_PAGING | {"project_id"})
    def tasks(self, request: Request) -> Answer:
        """List the tasks of a project, archived ones too, without their properties."""
        project = request.query.get("project_id", "")
        if project not in self.tenant.projects:
            return self.error(200, "项目不存在")
        found = (task for task in self.tenant.tasks.values() if task["project_id"] == project)
        return self._page(found, request, lambda task: {k: v for k, v in task.items() if k not in _HIDDEN})

    def _page(self, items: Iterable[Item], request: Request, show: Callable[[Item], Item] = dict) -> Answer:
        try:
            index, size = int(request.query["page_index"]), int(request.query["page_size"])
        except (KeyError, ValueError):
            return self.error(200, "page_index 或 page_size 错误")
        if index < 0 or not 1 <= size <= _MOST_ROWS:
            return self.error(200, "page_index 或 page_size 错误")
        found = list(items)[::-1] if self.newest_first else list(items)
        told: Item = {self.list_key: [show(item) for item in found[index * size : (index + 1) * size]]}
        told |= {"total": len(found)} if self.counts else {}
        told |= {"has_more": (index + 1) * size < len(found)} if self.says_more else {}
        return Answer(body=told)

    def _member(self, member: Item) -> Item:
        rest = {key: value for key, value in member.items() if key != "uid"}
        return {self.member_key: member["uid"], **rest}

    # -- tasks ------------------------------------------------------------------------------------------------

    @route("GET", f"{_ROOT}/mission/get-tasks-by-ids", params=_TOKEN | {"task_ids", "fields"})
    def tasks_by_ids(self, request: Request) -> Answer:
        """Show tasks with the properties that were asked for, as a bare array; unknown ids are passed over."""
        ids = [task for task in request.query.get("task_ids", "").split(",") if task]
        if not 1 <= len(ids) <= _MOST_IDS:
            return self.error(200, "task_ids 错误")
        fields = set(request.query.get("fields", "").split(","))
        known = [self.tenant.tasks[task] for task in ids if task in self.tenant.tasks]
        shown = [_with(task, fields) for task in known if task["_id"] not in self.details_without]
        return Answer(body=shown[: self.most_details])

    @route("GET", f"{_ROOT}/mission/tasks/([^/]+)", params=_TOKEN | {"columns"})
    def task(self, request: Request) -> Answer:
        """Show one task, wrapped twice; without `columns` it is little more than an id."""
        task = self.tenant.tasks.get(request.groups[0])
        if task is None:
            return self.error(404, "任务不存在")
        columns = set(request.query.get("columns", "").split(","))
        shown: Item = {"_id": task["_id"], "title": task["title"]}
        if "properties" in columns:
            shown["properties"] = {key: {"value": value} for key, value in task["properties"].items()}
        if "comments" in columns:
            found = (c for c in self.tenant.comments.values() if c["task"] == task["_id"])
            shown["comments"] = [self._comment(comment) for comment in found]
        return Answer(body={"data": {"value": shown}})

    def _comment(self, comment: Item) -> Item:
        hidden = {"task", "_id"} if self.comments_without_ids else {"task"}
        return {key: value for key, value in comment.items() if key not in hidden}

    # -- the one documented write -------------------------------------------------------------------------------

    @route(
        "POST",
        f"{_ROOT}/mission/project",
        params=_TOKEN,
        body=frozenset({"template_name", "name", "visibility", "members", "ext"}),
    )
    def create_project(self, request: Request) -> Answer:
        """Make a project from a template; the first member administers it. Names need not be unique."""
        body = request.body if isinstance(request.body, dict) else {}
        members = body.get("members", [])
        if body.get("template_name") not in TEMPLATES or not body.get("name"):
            return self.error(200, "template_name 或 name 错误")
        if unknown := [uid for uid in members if uid not in self.tenant.members]:
            return self.error(200, f"成员 {unknown[0]} 不存在")
        made = self.tenant.add_project(
            body["name"], visibility=body.get("visibility", 1), by=members[0] if members else ""
        )
        return Answer(body={"data": {"value": self.tenant.projects[made]}} if self.shows_made else {"ok": True})


def _with(task: Item, fields: set[str]) -> Item:
    shown = {key: value for key, value in task["properties"].items() if key in fields}
    return {**task, "properties": shown}


def _page_of_html(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    page = f"<html><head><title>{text}</title></head><body><center>nginx</center></body></html>"
    return Answer(status, raw=page.encode(), headers={**(headers or {}), **_HTML})
