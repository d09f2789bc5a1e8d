"""PingCode's open API imitated on loopback: three generations of paths over one team.

`Fake.tenant` holds the data and the ways to let a history happen; this module is the vendor's dialect.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors.pingcode import query
from connectors.pingcode.query import BadRequestError
from connectors.pingcode.tenant import ROOT, Item, Tenant
from syncd.sdk.fake import Answer, FakeServer, Request, route

PAGING: Final = frozenset({"page_index", "page_size"})
INCLUDED: Final = frozenset({"include_deleted", "include_archived", "include_public_image_token"})
_LIST_A: Final = PAGING | INCLUDED | frozenset(
    {"identifier", "project_ids", "type_ids", "parent_ids", "assignee_ids", "state_ids", "sprint_ids", "version_ids",
     "keywords", "start_between", "end_between", "created_between", "updated_between"}
)  # fmt: skip
_LIST_BC: Final = PAGING | INCLUDED | frozenset(
    {"identifier", "project_id", "type_id", "parent_id", "assignee_id", "state_id", "sprint_id", "version_id",
     "release_id", "keywords"}
)  # fmt: skip
_PROJECTS: Final = PAGING | INCLUDED | frozenset({"identifier", "type", "keywords"})
_OF_PROJECT: Final = PAGING | frozenset({"name", "status", "created_between", "updated_between"})
_PRINCIPAL: Final = frozenset({"principal_type", "principal_id"})
_ITEM_KEYS: Final = frozenset(
    {"project_id", "type_id", "title", "description", "start_at", "end_at", "priority_id", "state_id", "assignee_id",
     "parent_id", "sprint_id", "version_id", "version_ids", "release_ids", "board_id", "entry_id", "swimlane_id",
     "story_points", "estimated_workload", "remaining_workload", "participant_ids", "properties"}
)  # fmt: skip
_COMMENT_KEYS: Final = _PRINCIPAL | frozenset({"content", "reply_comment_id", "created_at", "created_by"})
_SEARCH_KEYS: Final = frozenset(
    {"filter", "keywords", "include_deleted", "include_archived", "page_size", "page_index"}
)
_PLAIN_KEYS: Final = ("description", "start_at", "end_at", "parent_id", "story_points", "estimated_workload")
_MONTH: Final = 30 * 24 * 3600
_AREA: Final = r"/v1/(project|pjm)"


class Fake(FakeServer):
    """PingCode on loopback.

    `generations` are the ones that answer; `rate_headers` is the 429 dialect ("pc" or "cloud"); `drops_types` leaves
    `type` out of work items, as seen live; `drops_properties` loses custom properties that a create sends, in silence;
    `newest_first` turns lists around.
    """

    public_paths = ("/v1/auth/token",)

    def __init__(self, *, generations: str = "ab") -> None:
        super().__init__()
        self.tenant = Tenant(self.now, self.lock)
        self.generations = generations
        self.rate_headers = "pc"
        self.drops_types = False
        self.drops_properties = False
        self.newest_first = False
        self.duration_tokens = False
        self.client_id = "pc-client-7c1b4f"
        self.client_secret = "pc-secret-5b0e9a39"
        self._tokens: set[str] = set()
        self.add_user = self.tenant.add_user
        self.add_project = self.tenant.add_project
        self.add_work_item = self.tenant.add_work_item
        self.add_milestone = self.tenant.add_milestone
        self.add_phase = self.tenant.add_phase
        self.add_sprint = self.tenant.add_sprint
        self.add_version = self.tenant.add_version
        self.add_comment = self.tenant.add_comment
        self.set_state = self.tenant.set_state

    def revoke_tokens(self) -> None:
        """Make every token invalid, as resetting the secret does."""
        self._tokens.clear()

    # -- dialect ----------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer | None:
        """Refuse a bearer that was not issued here."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if token in self._tokens else self.expired()

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Answer in the vendor's envelope; the code is a string of digits."""
        usual = {400: "100003", 404: "100002", 429: "100038", 500: "100000"}
        return Answer(status, {"code": code or usual.get(status, str(status)), "message": message})

    def rate_limited(self, headers: Mapping[str, str]) -> Answer:
        """Answer 429 with the wait under the header of the deployment."""
        answer = self.error(429, "请求频率过高")
        seconds = headers.get("Retry-After", "")
        if not seconds.replace(".", "").isdigit():
            return Answer(answer.status, answer.body, headers)
        if self.rate_headers == "pc":
            return Answer(answer.status, answer.body, {"x-pc-retry-after": seconds})
        reason = {"X-RateLimit-Reason": "pingcode-team", "X-RateLimit-Team-Remaining": "0"}
        return Answer(answer.status, answer.body, {"X-RateLimit-Retry-After": seconds, **reason})

    def _answer(self, generation: str, build: Callable[[], Answer]) -> Answer:
        """Answer a path of `generation` (one or several letters), 404 when the server speaks none of them."""
        if not set(generation) & set(self.generations):
            return self.error(404, "no such path")
        try:
            return build()
        except BadRequestError as err:
            return self.error(400, str(err), err.code)

    def _area(self, area: str) -> str:
        return "a" if area == "project" else "bc"

    # -- sign-in and directory --------------------------------------------------------------------------------

    @route(
        "GET", "/v1/auth/token", params=frozenset({"grant_type", "client_id", "client_secret", "code", "refresh_token"})
    )
    def token(self, request: Request) -> Answer:
        """Issue an enterprise token; `expires_in` is a point in time, though documented as a duration."""
        given = request.query.get("client_id"), request.query.get("client_secret")
        if request.query.get("grant_type") != "client_credentials" or given != (self.client_id, self.client_secret):
            return self.error(400, f"client_secret {given[1]} 错误", "100024")
        access = f"0f8d3a6e-{len(self.calls):08x}-{len(self._tokens):04x}"
        self._tokens.add(access)
        end = int(max(time.time(), self.now().timestamp())) + _MONTH
        return Answer(
            body={
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": _MONTH if self.duration_tokens else end,
            }
        )

    @route("GET", "/v1/directory/team")
    def team(self, request: Request) -> Answer:
        """Who the token belongs to."""
        return Answer(body={"id": "5f0c1d9e4b", "url": f"{ROOT}/directory/team", "name": "示例科技"})

    @route("GET", "/v1/directory/users", params=PAGING | {"name", "keywords", "department_ids"})
    def directory(self, request: Request) -> Answer:
        """List everybody."""
        return self._answer("abc", lambda: self._page(list(self.tenant.users.values()), request.query))

    # -- projects and what hangs on them ----------------------------------------------------------------------

    @route("GET", f"{_AREA}/projects", params=_PROJECTS)
    def projects(self, request: Request) -> Answer:
        """List projects."""

        def build() -> Answer:
            found = query.visible(self.tenant.projects.values(), request.query)
            return self._page([p for p in found if query.equals(p, request.query, "identifier", "type")], request.query)

        return self._answer(self._area(request.groups[0]), build)

    @route("GET", f"{_AREA}/projects/([^/]+)")
    def project(self, request: Request) -> Answer:
        """Show a project by its id."""
        area, project = request.groups
        return self._answer(self._area(area), lambda: Answer(body=self._known(self.tenant.projects, project, "100003")))

    @route("GET", f"{_AREA}/projects/([^/]+)/(sprints|versions|releases)", params=_OF_PROJECT)
    def of_project(self, request: Request) -> Answer:
        """List the sprints or versions of a project."""
        area, project, kind = request.groups
        generation = {"versions": "ab", "releases": "c"}.get(kind, "abc")

        def build() -> Answer:
            owner = self._known(self.tenant.projects, project, "100003")
            if kind == "sprints" and owner["type"] not in ("scrum", "hybrid"):
                raise BadRequestError("该项目没有迭代")
            stock = self.tenant.sprints if kind == "sprints" else self.tenant.versions
            return self._page([i for i in stock.values() if i["project"]["id"] == project], request.query)

        return self._answer("".join(set(self._area(area)) & set(generation)), build)

    @route("GET", f"{_AREA}/(work_item|workitem)/types", params=PAGING | {"project_id"})
    def work_item_types(self, request: Request) -> Answer:
        """List the types of a project."""
        generation = query.generation_of(request.groups)
        project = request.query.get("project_id", "")
        return self._answer(generation, lambda: self._page(self.tenant.types.get(project, []), request.query))

    # -- work items -------------------------------------------------------------------------------------------

    @route("GET", "/v1/project/work_items", params=_LIST_A)
    def work_items_a(self, request: Request) -> Answer:
        """List work items in generation A: comma lists and ranges of time."""
        return self._answer("a", lambda: self._listed(query.in_generation_a, request, "a"))

    @route("GET", "/v1/pjm/work_items", params=_LIST_BC)
    def work_items_b(self, request: Request) -> Answer:
        """List work items in generation B: single ids, no times."""
        return self._answer("b", lambda: self._listed(query.in_generation_bc, request, "b"))

    @route("GET", "/v1/pjm/workitems", params=_LIST_BC)
    def work_items_c(self, request: Request) -> Answer:
        """List work items in generation C."""
        return self._answer("c", lambda: self._listed(query.in_generation_bc, request, "c"))

    def _listed(self, keep: Callable[..., bool], request: Request, generation: str) -> Answer:
        found = query.visible(self.tenant.work_items.values(), request.query)
        kept = [item for item in found if keep(item, request.query)]
        return self._page(kept, request.query, lambda item: self._shown(item, generation))

    @route("POST", "/v1/pjm/(work_items|workitems)/search", changes_nothing=True)
    def search(self, request: Request) -> Answer:
        """Search work items: one operator a field, all fields must hold, times by day."""
        generation = "c" if request.groups[0] == "workitems" else "b"

        def build() -> Answer:
            body = request.body if isinstance(request.body, dict) else {}
            payload = body.get("payload")
            if body.get("mode") != "query" or not isinstance(payload, dict):
                raise BadRequestError("mode 或 payload 错误", "100006")
            self._note_unknown(request, set(payload) - _SEARCH_KEYS)
            keep = query.filter_of(payload.get("filter") or {}, self.tenant.timezone)
            found = query.visible(self.tenant.work_items.values(), payload)
            return self._page([i for i in found if keep(i)], payload, lambda item: self._shown(item, generation))

        return self._answer(generation, build)

    @route("GET", f"{_AREA}/(work_items|workitems)/([^/]+)")
    def work_item(self, request: Request) -> Answer:
        """Show a work item by id or short id; its key is not understood."""
        generation = query.generation_of(request.groups)
        return self._answer(
            generation, lambda: Answer(body=self._shown(self._work_item(request.groups[2]), generation))
        )

    @route("POST", f"{_AREA}/(work_items|workitems)")
    def create_work_item(self, request: Request) -> Answer:
        """Create a work item; unknown fields are dropped in silence."""
        generation = query.generation_of(request.groups)

        def build() -> Answer:
            body = self._body(request, _ITEM_KEYS, needed=("project_id", "type_id", "title"))
            self._known(self.tenant.projects, body["project_id"], "100001")
            item = self.tenant.work_items[self._create(body)]
            return Answer(201, self._shown(item, generation))

        return self._answer(generation, build)

    def _create(self, body: Item) -> str:
        query.check_times(body, "start_at", "end_at")
        project, tenant = body["project_id"], self.tenant
        kind = next((t["id"] for t in tenant.types[project] if t["id"] == body["type_id"]), None)
        if kind is None:
            raise BadRequestError("类型不存在")
        if body.get("assignee_id") == "":
            raise BadRequestError("assignee_id 错误")
        item_id = tenant.add_work_item(
            project,
            body["title"],
            type=kind,
            assignee=body.get("assignee_id"),
            sprint=body.get("sprint_id"),
            versions=body.get("version_ids") or body.get("release_ids") or [v for v in [body.get("version_id")] if v],
            **{key: body[key] for key in _PLAIN_KEYS if key in body},
            properties={} if self.drops_properties else body.get("properties", {}),
        )
        if state := body.get("state_id"):
            self._transit(tenant.work_items[item_id], state)
        return item_id

    @route("PATCH", f"{_AREA}/(work_items|workitems)/([^/]+)")
    def update_work_item(self, request: Request) -> Answer:
        """Change a work item; a state must be reachable by the flow."""
        generation = query.generation_of(request.groups)

        def build() -> Answer:
            item = self._work_item(request.groups[2])
            body = self._body(request, _ITEM_KEYS - {"project_id", "type_id"})
            query.check_times(body, "start_at", "end_at")
            if state := body.get("state_id"):
                self._transit(item, state)
            plain = {k: body[k] for k in ("title", *_PLAIN_KEYS) if k in body}
            self.tenant.update(item, **plain, properties={**item["properties"], **body.get("properties", {})})
            return Answer(body=self._shown(item, generation))

        return self._answer(generation, build)

    @route("DELETE", f"{_AREA}/(work_items|workitems)/([^/]+)")
    def delete_work_item(self, request: Request) -> Answer:
        """Delete softly and show what was deleted."""
        generation = query.generation_of(request.groups)

        def build() -> Answer:
            item = self._work_item(request.groups[2])
            self.tenant.delete(item)
            return Answer(body=self._shown(item, generation))

        return self._answer(generation, build)

    # -- comments ---------------------------------------------------------------------------------------------

    @route("GET", "/v1/comments", params=PAGING | _PRINCIPAL)
    def comments(self, request: Request) -> Answer:
        """List the comments of a work item."""

        def build() -> Answer:
            item = self._principal(request.query)
            return self._page(self.tenant.comments_on(item["id"]), request.query)

        return self._answer("abc", build)

    @route("POST", "/v1/comments")
    def create_comment(self, request: Request) -> Answer:
        """Comment on a work item."""

        def build() -> Answer:
            body = self._body(request, _COMMENT_KEYS, needed=("principal_type", "principal_id", "content"))
            comment = self.tenant.add_comment(self._principal(body)["id"], body["content"])
            return Answer(201, self.tenant.comments[comment])

        return self._answer("abc", build)

    # -- parts ------------------------------------------------------------------------------------------------

    def _page(self, items: list[Item], asked: Mapping[str, Any], show: Callable[[Item], Item] = dict) -> Answer:
        index, size = query.window(asked)
        ordered = items[::-1] if self.newest_first else items
        part = [show(item) for item in ordered[index * size : (index + 1) * size]]
        return Answer(body={"page_size": size, "page_index": index, "total": len(items), "values": part})

    def _shown(self, item: Item, generation: str) -> Item:
        """Show a work item in the words of a generation; the image token differs each time."""
        shown = {**item, "public_image_token": f"opaque-{len(self.calls)}"}
        versions = shown.pop("versions")
        match generation:
            case "a":
                shown["version"] = versions[0] if versions else None
            case "b":
                shown["versions"] = versions
            case _:
                shown["releases"] = versions
        if self.drops_types:
            shown.pop("type")
        return shown

    def _work_item(self, name: str) -> Item:
        found = next((i for i in self.tenant.work_items.values() if name in (i["id"], i["short_id"])), None)
        if found is None:
            raise BadRequestError("工作项不存在", "100317")
        return found

    def _principal(self, asked: Mapping[str, Any]) -> Item:
        words = {"a": "work_item", "b": "work_item", "c": "workitem"}
        if asked.get("principal_type") not in {words[g] for g in self.generations}:
            raise BadRequestError("principal_type 不支持", "100049")
        return self._known(self.tenant.work_items, str(asked.get("principal_id")), "100317")

    def _known(self, stock: Mapping[str, Item], key: str, code: str) -> Item:
        if not re.fullmatch("[0-9a-f]{24}", key) or key not in stock:
            raise BadRequestError(f"{key} 不存在", code)
        return stock[key]

    def _transit(self, item: Item, state_id: str) -> None:
        state = next((s for s in self.tenant.states[item["project"]["id"]] if s["id"] == state_id), None)
        if state is None:
            raise BadRequestError("状态不存在", "100303")
        if not self.tenant.can_enter(item, state):
            raise BadRequestError("状态流转不允许", "100379")
        self.tenant.set_state(item["id"], state["name"])

    def _body(self, request: Request, known: frozenset[str], *, needed: tuple[str, ...] = ()) -> Item:
        """Return the fields that count: null is absent; unknown ones are dropped as the vendor does it, but noted."""
        body = request.body if isinstance(request.body, dict) else {}
        self._note_unknown(request, set(body) - known)
        kept = {key: value for key, value in body.items() if key in known and value is not None}
        if missing := [key for key in needed if not kept.get(key)]:
            raise BadRequestError(f"缺少 {missing[0]}", "100006")
        return kept

    def _note_unknown(self, request: Request, unknown: set[str]) -> None:
        if unknown:
            self.refused.append(f"{request.method} {request.path}: {', '.join(sorted(unknown))}")
