"""The fake's CRM and directory calls: strict about every key, with Fxiaoke's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.fxiaoke.fake_base import LOGIN, TRACED, FakeBase
from connectors.fxiaoke.fake_book import FOLLOW_UP_TYPES, LOOKUPS, OPERATORS, SYSTEM, Book, Row
from syncd.sdk.fake import Answer, Request, route

_PATH: Final = r"/cgi/crm/(v2|custom/v2)/data/"
_COMMON: Final = LOGIN | {"convertUserId", "convertMediaId"}
_LIST: Final = _COMMON | {"data", "includeNull", "returnTotalNum", "need_return_count_num"}
_WRITE: Final = _COMMON | {"data", "triggerApprovalFlow", "triggerWorkFlow", "hasSpecifyTime", "hasSpecifyCreatedBy"}
_QUERY_KEYS: Final = frozenset({"dataObjectApiName", "find_explicit_total_num", "search_query_info"})
_SEARCH_KEYS: Final = frozenset({"limit", "offset", "filters", "orders", "fieldProjection", "search_template_id"})
_MOST_ROWS: Final = 100
_FARTHEST: Final = 10_000


class FakeCalls(FakeBase):
    """Queries, single records, metadata, the address book, create and update.

    `largest_page` below 100 is a gateway that gives fewer rows than asked for; `list_on_top` puts the rows of own
    objects one level higher; `hidden` are objects that the acting user may not see, `unsearchable` fields without LIKE.
    `triggers` and `updates` are what writes have asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(self.now)
        self.largest_page = _MOST_ROWS
        self.list_on_top = False
        self.hidden: set[str] = set()
        self.inactive: set[str] = set()
        self.unsearchable: set[str] = set()
        self.sees_directory = True
        self.triggers: list[tuple[Any, Any]] = []
        self.updates: list[tuple[str, Row]] = []

    # -- reading ----------------------------------------------------------------------------------------------

    @route("POST", f"{_PATH}query", params=TRACED, body=_LIST, changes_nothing=True)
    def query(self, request: Request) -> Answer:
        """Return a page of an object's records."""
        data = request.body.get("data") or {}
        name, search = str(data.get("dataObjectApiName")), data.get("search_query_info") or {}
        if refused := self._closed(request, name) or self._unknown_keys(data, _QUERY_KEYS, search, _SEARCH_KEYS):
            return refused
        limit, offset, filters = search.get("limit", 20), search.get("offset", 0), search.get("filters", [])
        if not isinstance(limit, int) or not 1 <= limit <= _MOST_ROWS or offset % limit:
            return self.fail(12004, "limit is 1 to 100, offset a multiple of it")
        if offset > _FARTHEST:
            return self.fail(10013, "offset out of range 10000")
        if problem := self._bad_filter(name, filters):
            return self.fail(32000, problem)
        orders = search.get("orders") or [{"fieldName": "last_modified_time", "isAsc": False}]
        rows = self.book.select(name, filters, (orders[0]["fieldName"], bool(orders[0]["isAsc"])))
        page = [self._shown(row, request) for row in rows[offset : offset + min(limit, self.largest_page)]]
        total = len(rows) if data.get("find_explicit_total_num") or request.body.get("returnTotalNum") == 1 else 0
        listed = {"total": total, "offset": offset, "limit": limit, "dataList": page}
        if self.list_on_top and name.endswith("__c"):
            return self.ok(dataList=page)
        return self.ok(data=listed)

    @route("POST", f"{_PATH}get", params=TRACED, body=_COMMON | {"data", "includeNull"}, changes_nothing=True)
    def get(self, request: Request) -> Answer:
        """Return one record, an invalid one too (an assumption)."""
        data = request.body.get("data") or {}
        name = str(data.get("dataObjectApiName"))
        if refused := self._closed(request, name):
            return refused
        row = self.book.rows[name].get(str(data.get("objectDataId")))
        return self.ok(data=self._shown(row, request)) if row else self.broken_rule("数据不存在")

    @route("POST", "/cgi/crm/v2/object/list", params=TRACED, body=_COMMON, changes_nothing=True)
    def objects(self, request: Request) -> Answer:
        """Return the tenant's objects."""
        rows = [
            {
                "describeApiName": name,
                "describeDisplayName": name,
                "defineType": "custom" if name.endswith("__c") else "package",
                "isActive": name not in self.inactive,
            }
            for name in self.book.rows
        ]
        return self.ok(data={"objects": rows})

    @route(
        "POST",
        "/cgi/crm/v2/object/describe",
        params=TRACED,
        body=_COMMON | {"apiName", "includeDetail", "data"},
        changes_nothing=True,
    )
    def describe(self, request: Request) -> Answer:
        """Return the fields of an object."""
        name = str(request.body.get("apiName") or (request.body.get("data") or {}).get("apiName"))
        if name not in self.book.fields:
            return self.broken_rule("对象不存在")
        fields: dict[str, Any] = {
            field: {"api_name": field, "label": field, "type": "text", "is_active": True}
            for field in sorted(self.book.fields[name])
        }
        if name == "ActiveRecordObj":
            options = [{"value": value, "label": label} for value, label in FOLLOW_UP_TYPES.items()]
            fields["active_record_type"] |= {"type": "select_one", "options": options}
        return self.ok(data={"describe": {"api_name": name, "display_name": name, "fields": fields}})

    @route(
        "POST",
        "/cgi/user/list",
        params=TRACED,
        body=LOGIN | {"departmentId", "fetchChild", "showDepartmentIdsDetail"},
        changes_nothing=True,
    )
    def user_list(self, request: Request) -> Answer:
        """Return the employees of a department and those below; everybody is in the company."""
        if not self.sees_directory:
            return self.fail(20022, "no right to the address book")
        whole = request.body.get("departmentId") == 999999 and request.body.get("fetchChild") is True
        return self.ok(userList=[dict(user) for user in self.users.values()] if whole else [])

    @route("POST", "/cgi/user/get", params=TRACED, body=LOGIN | {"openUserId"}, changes_nothing=True)
    def user_get(self, request: Request) -> Answer:
        """Return one employee at the top of the answer."""
        if not self.sees_directory:
            return self.fail(20022, "no right to the address book")
        user = self.users.get(str(request.body.get("openUserId")))
        return self.ok(**user) if user else self.fail(30027, "employee not found")

    # -- writing ----------------------------------------------------------------------------------------------

    @route("POST", f"{_PATH}create", params=TRACED, body=_WRITE | {"includeDetailIds"})
    def create(self, request: Request) -> Answer:
        """Create one record; the object's name stands inside `object_data`."""
        data = request.body.get("data") or {}
        values = dict(data.get("object_data") or {})
        name = str(values.pop("dataObjectApiName", None))
        if values.pop("object_describe_api_name", name) != name:
            return self._not_done(self.fail(32000, "object_describe_api_name is another object"))
        if refused := self._closed(request, name) or self._bad_values(name, values):
            return self._not_done(refused)
        self._note_triggers(request)
        row = self.book.add(name, values, self._who(request))
        return self.ok(dataId=row["_id"])

    @route("POST", f"{_PATH}update", params=TRACED, body=_WRITE)
    def update(self, request: Request) -> Answer:
        """Change the fields that are sent."""
        values = dict((request.body.get("data") or {}).get("object_data") or {})
        name, remote_id = str(values.pop("dataObjectApiName", None)), str(values.pop("_id", ""))
        if refused := self._closed(request, name):
            return self._not_done(refused)
        row = self.book.rows[name].get(remote_id)
        if row is None or row["life_status"] == "invalid":
            return self._not_done(self.broken_rule("数据不存在或已作废"))
        if "owner" in values:
            return self._not_done(self.broken_rule("不支持修改负责人"))
        if refused := self._bad_values(name, values):
            return self._not_done(refused)
        self._note_triggers(request)
        self.updates.append((remote_id, values))
        self.book.edit(name, remote_id, values)
        return self.ok()

    # -- inside -----------------------------------------------------------------------------------------------

    def _closed(self, request: Request, name: str) -> Answer | None:
        """Refuse an object that is not there, not this path's, or not to be seen."""
        if name not in self.book.rows or name in self.inactive:
            return self.fail(32000, f"object {name} does not exist")
        if (request.groups[0] == "custom/v2") != name.endswith("__c"):
            return self.fail(32000, f"object {name} does not answer under this path")
        return self.broken_rule("无此操作的数据权限") if name in self.hidden else None

    def _unknown_keys(self, *pairs: Any) -> Answer | None:
        unknown = [key for body, known in zip(pairs[::2], pairs[1::2], strict=True) for key in set(body) - known]
        if not unknown:
            return None
        self.refused.append(f"query: {', '.join(unknown)}")
        return self.fail(12004, f"unknown parameter {', '.join(unknown)}")

    def _bad_filter(self, name: str, filters: Any) -> str:
        for one in filters:
            if set(one) != {"field_name", "operator", "field_values"} or not isinstance(one["field_values"], list):
                return "a filter has field_name, operator and a list of field_values"
            if one["field_name"] not in self.book.fields[name]:
                return f"unknown field {one['field_name']}"
            if one["operator"] not in OPERATORS:
                return f"unknown operator {one['operator']}"
            if one["field_name"] in self.unsearchable and one["operator"] == "LIKE":
                return f"field {one['field_name']} does not support LIKE"
        return ""

    def _bad_values(self, name: str, values: Row) -> Answer | None:
        """Refuse unknown fields (stricter than is known of Fxiaoke, so that a slip is seen) and dead links."""
        unknown = sorted(set(values) - (self.book.fields[name] - SYSTEM))
        if unknown:
            return self.broken_rule(f"字段不存在: {', '.join(unknown)}")
        for field, target in LOOKUPS.items():
            if field in values and values[field] not in self.book.rows[target]:
                return self.fail(201112011, f"{field}: 关联数据不存在")
        for link in values.get("related_object_data") or ():
            known = self.book.rows.get(link.get("describe_api_name"), {})
            if set(link) != {"describe_api_name", "id", "name"} or link["id"] not in known:
                return self.fail(201112011, "related_object_data: 关联数据不存在")
        if not set(values.get("owner") or ()) <= set(self.users):
            return self.fail(30027, "owner: employee not found")
        return None

    def _not_done(self, answer: Answer) -> Answer:
        """Return a refusal, which the base would count as a write, because its status is 200."""
        self.writes -= 1
        return answer

    def _note_triggers(self, request: Request) -> None:
        self.triggers.append((request.body.get("triggerApprovalFlow", True), request.body.get("triggerWorkFlow", True)))

    def _who(self, request: Request) -> str:
        user = request.headers.get("x-fs-userid")
        return self.crm_ids[user] if user else str(request.body["currentOpenUserId"])

    def _shown(self, row: Row, request: Request) -> Row:
        """Return a record with employees as the caller's style has them: FSUID by default in the body style only."""
        shown = self.book.view(row, self.users)
        if "authorization" in request.headers and not request.body.get("convertUserId"):
            crm_ids: Mapping[str, str] = {open_id: crm_id for crm_id, open_id in self.crm_ids.items()}
            for field in ("owner", "created_by", "last_modified_by"):
                shown[field] = [crm_ids.get(one, one) for one in shown.get(field) or ()]
        return shown
