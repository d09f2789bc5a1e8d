"""The fake's reads: lists with all their walls, single records, related lists, deletions, search, COQL, metadata."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.zoho_crm import fake_coql
from connectors.zoho_crm.fake_base import API, MODULE, FakeBase, failure
from connectors.zoho_crm.fake_book import Row, instant
from connectors.zoho_crm.fake_schema import field_metadata, module_metadata
from connectors.zoho_crm.fake_search import matches
from syncd.sdk.fake import Answer, Request, route

PAGE: Final = 200
MAX_FIELDS: Final = 50
PAGE_TOKEN_LIFE: Final = timedelta(hours=24)
_LIST: Final = frozenset({"fields", "page", "per_page", "page_token", "sort_by", "sort_order", "ids", "approved"})
_NOTES: Final = frozenset({"fields", "page", "per_page", "sort_by", "sort_order", "ids"})
_SORTS: Final = ("id", "Created_Time", "Modified_Time")


@dataclass(frozen=True, slots=True)
class _PageToken:
    bound_to: tuple[Any, ...]
    ends_at: datetime
    behind: tuple[Any, str]
    page: int


class FakeReads(FakeBase):
    """Reads. The walls are attributes, so that a test need not fill them with real rows.

    Assumptions of ours, as Zoho does not say: a page token continues behind the last row it gave; `If-Modified-Since`
    includes its own second; rows of one second come by id; a list of deletions with nothing newer answers 304.
    `since_is_exclusive`, `ignores_sort` and `refuses_unknown_fields` turn three of these assumptions round.
    """

    def __init__(self) -> None:
        super().__init__()
        self.page_wall = 2_000
        self.token_wall = 100_000
        self.since_is_exclusive = False
        self.ignores_sort = False
        self.refuses_unknown_fields = False
        self.search_delay = timedelta(0)
        self._page_tokens: dict[str, _PageToken] = {}

    # -- lists ------------------------------------------------------------------------------------------------

    @route("GET", rf"{API}/(?!Notes\b){MODULE}", params=_LIST)
    def list_records(self, request: Request) -> Answer:
        """List a module."""
        return self.lacks_module(request.groups[0], "READ") or self._listed(request, request.groups[0], by_token=True)

    @route("GET", rf"{API}/Notes", params=_NOTES)
    def list_notes(self, request: Request) -> Answer:
        """List all notes, for administrators."""
        if not self.is_admin:
            return self.lacks_module("Notes", "READ") or failure(403, "NOT_SUPPORTED", "the module is not supported")
        return self.lacks_module("Notes", "READ") or self._listed(request, "Notes", by_token=False)

    @route(
        "GET",
        rf"{API}/{MODULE}/(\d+)/(Notes|Tasks|Contacts|Deals)",
        params=frozenset({"fields", "page", "per_page", "ids"}),
    )
    def list_related(self, request: Request) -> Answer:
        """List what belongs to one record."""
        module, remote_id, related = request.groups
        if refused := self.lacks_module(module, "READ") or self.lacks_module(related, "READ"):
            return refused
        if remote_id not in self.book.rows[module]:
            return failure(400, "INVALID_DATA", "the related id given seems to be invalid", resource_path_index=1)
        if wrong := self._wrong_fields(request, related):
            return wrong
        rows = [row for row in self.book.rows[related].values() if _belongs(row, remote_id)]
        return self._paged(request, sorted(rows, key=lambda row: (row["Created_Time"], row["id"])), related)

    @route("GET", rf"{API}/{MODULE}/(\d+)", params=frozenset({"fields"}))
    def get_record(self, request: Request) -> Answer:
        """Give one record, 204 when there is none."""
        module, remote_id = request.groups
        row = self.book.rows.get(module, {}).get(remote_id)
        return self.lacks_module(module, "READ") or (Answer(200, {"data": [row]}) if row else Answer(204))

    @route("GET", rf"{API}/(?!Notes\b){MODULE}/deleted", params=frozenset({"type", "page", "per_page"}))
    def list_deleted(self, request: Request) -> Answer:
        """List deletions, newest first."""
        module, kind = request.groups[0], request.query.get("type", "all")
        if refused := self.lacks_module(module, "READ"):
            return refused
        if kind not in ("all", "recycle", "permanent"):
            return failure(400, "PATTERN_NOT_MATCHED", "Please check whether the input values are correct")
        rows = self._since(request, self.book.tombstones(module, kind), "deleted_time")
        return self._paged(request, rows, None)

    def _listed(self, request: Request, module: str, *, by_token: bool) -> Answer:
        query = request.query
        if wrong := self._wrong_fields(request, module):
            return wrong
        if "page" in query and "page_token" in query:
            return failure(400, "AMBIGUITY_DURING_PROCESSING", "ambiguity between page and page_token")
        sort_by, order = query.get("sort_by", "id"), query.get("sort_order", "desc")
        if sort_by not in _SORTS or order not in ("asc", "desc"):
            return failure(400, "INVALID_DATA", "invalid sort", param_name="sort_by")
        if self.ignores_sort:
            sort_by, order = "id", "desc"
        rows = self._since(request, list(self.book.rows[module].values()), "Modified_Time")
        if wanted := query.get("ids"):
            rows = [row for row in rows if row["id"] in wanted.split(",")]
        rows = sorted(rows, key=lambda row: _key(row, sort_by), reverse=order == "desc")
        if not by_token:
            return self._paged(request, rows, module, sort=(sort_by, order))
        return self._by_token(request, rows, module, (sort_by, order))

    def _by_token(self, request: Request, rows: list[Row], module: str, sort: tuple[str, str]) -> Answer:
        bound = (module, request.query.get("fields"), sort, request.headers.get("if-modified-since"))
        if (text := request.query.get("page_token")) is None:
            return self._paged(request, rows, module, sort=sort, bound=bound)
        token = self._page_tokens.get(text)
        if token is None or token.bound_to != bound:
            return failure(400, "TOKEN_BOUND_DATA_MISMATCH", "the page_token belongs to another request")
        if token.ends_at < self.now():
            return failure(400, "EXPIRED_VALUE", "the page_token has expired", param_name="page_token")
        if token.page * PAGE > self.token_wall:
            return failure(400, "PAGINATION_LIMIT_EXCEEDED", "pagination limit exceeded", limit=self.token_wall)
        descends = sort[1] == "desc"
        rest = [row for row in rows if _key(row, sort[0]) != token.behind]
        rest = [row for row in rest if (_key(row, sort[0]) < token.behind) is descends]
        return self._paged(request, rest, module, sort=sort, bound=bound, number=token.page)

    def _paged(
        self,
        request: Request,
        rows: Sequence[Row],
        module: str | None,
        *,
        sort: tuple[str, str] | None = None,
        bound: tuple[Any, ...] | None = None,
        number: int | None = None,
    ) -> Answer:
        """Cut one page out of `rows`; `number` says which page a token stands for, `rows` then begin there."""
        size = int(request.query.get("per_page", PAGE))
        page = int(request.query.get("page", 1))
        if not 1 <= size <= PAGE or page < 1:
            return failure(400, "INVALID_DATA", "invalid page", param_name="per_page")
        if page * size > self.page_wall and number is None:
            return failure(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "use page_token", limit=self.page_wall)
        if not rows:
            return Answer(304 if "if-modified-since" in request.headers else 204)
        start = 0 if number else (page - 1) * size
        part = rows[start : start + size]
        more = start + size < len(rows)
        token = self._new_page_token(part, sort, bound, (number or page) + 1) if more and bound and sort else None
        info: dict[str, Any] = {"per_page": size, "count": len(part), "page": number or page, "more_records": more}
        if sort:
            info |= {"sort_by": sort[0], "sort_order": sort[1], "next_page_token": token, "previous_page_token": None}
            info["page_token_expiry"] = self.book.stamp(self.now() + PAGE_TOKEN_LIFE) if token else None
        return Answer(200, {"data": [self._chosen(row, request, module) for row in part], "info": info})

    def _new_page_token(self, part: Sequence[Row], sort: tuple[str, str], bound: tuple[Any, ...], page: int) -> str:
        text = secrets.token_hex(24)
        self._page_tokens[text] = _PageToken(bound, self.now() + PAGE_TOKEN_LIFE, _key(part[-1], sort[0]), page)
        return text

    def _chosen(self, row: Row, request: Request, module: str | None) -> Row:
        fields = request.query.get("fields")
        if fields is None or module is None:
            return row
        return {"id": row["id"], **{name: row.get(name) for name in fields.split(",") if name in row}}

    def _wrong_fields(self, request: Request, module: str) -> Answer | None:
        fields = request.query.get("fields", "")
        if not fields:
            message = "One of the expected parameter is missing"
            return failure(400, "REQUIRED_PARAM_MISSING", message, param_name="fields")
        names = fields.split(",")
        if len(names) > MAX_FIELDS:
            return failure(400, "LIMIT_EXCEEDED", "too many fields", param_name="fields", limit=MAX_FIELDS)
        unknown = [name for name in names if name not in self.book.fields[module]]
        if unknown and self.refuses_unknown_fields:
            return failure(400, "INVALID_DATA", "invalid field", param_name="fields", api_name=unknown[0])
        return None

    def _since(self, request: Request, rows: list[Row], name: str) -> list[Row]:
        header = request.headers.get("if-modified-since")
        if header is None:
            return rows
        since = datetime.fromisoformat(header)
        if self.since_is_exclusive:
            return [row for row in rows if instant(row[name]) > since]
        return [row for row in rows if instant(row[name]) >= since]

    # -- queries ----------------------------------------------------------------------------------------------

    @route(
        "GET",
        rf"{API}/{MODULE}/search",
        params=frozenset({"criteria", "email", "phone", "word", "fields", "page", "per_page"}),
    )
    def search(self, request: Request) -> Answer:
        """Search a module; new records are found after `search_delay`."""
        module = request.groups[0]
        if refused := self.lacks_module(module, "READ") or self.lacks("ZohoSearch.securesearch.READ"):
            return refused
        if sum(key in request.query for key in ("criteria", "email", "phone", "word")) != 1:
            return failure(400, "REQUIRED_PARAM_MISSING", "one of criteria, email, phone, word", param_name="criteria")
        seen_until = self.now() - self.search_delay
        rows = [row for row in self.book.rows[module].values() if instant(row["Modified_Time"]) <= seen_until]
        try:
            found = [row for row in rows if matches(row, request.query)]
        except ValueError as err:
            return failure(400, "INVALID_QUERY", str(err))
        if int(request.query.get("page", 1)) * int(request.query.get("per_page", PAGE)) > self.page_wall:
            return failure(400, "LIMIT_REACHED", "search limit reached", limit=self.page_wall)
        return self._paged(request, found, module)

    @route("POST", rf"{API}/coql", body=frozenset({"select_query"}))
    def coql(self, request: Request) -> Answer:
        """Answer a query."""
        self.writes -= 1  # a query changes no record
        text = request.body.get("select_query") if isinstance(request.body, Mapping) else None
        if not isinstance(text, str):
            return failure(400, "MANDATORY_NOT_FOUND", "required field not found", api_name="select_query")
        try:
            query = fake_coql.parse(text, self.book.find)
        except fake_coql.CoqlError as err:
            return failure(400, err.code, "error occurred while parsing the query", **err.details)
        if refused := self.lacks("ZohoCRM.coql.READ") or self.lacks_module(query.module, "READ"):
            return refused
        known = set(self.book.fields[query.module])
        unknown = [c for c in (*query.columns, *query.used) if c.split(".")[0] not in known]
        if query.module == "Notes" or unknown:
            return failure(
                400, "INVALID_QUERY", "invalid query", column_name=(unknown or ["Notes"])[0], reason="unknown"
            )
        if long := [c for c in query.used if self.book.fields[query.module][c.split(".")[0]].kind == "textarea"]:
            return failure(400, "INVALID_QUERY", "invalid query", column_name=long[0], reason="not usable in criteria")
        return self._queried(query)

    def _queried(self, query: fake_coql.Query) -> Answer:
        rows = sorted(filter(query.where, self.book.rows[query.module].values()), key=lambda row: int(row["id"]))
        for column, descends in reversed(query.order):
            rows.sort(key=lambda row: fake_coql.sort_key(self.book.find(row, column)), reverse=descends)
        part = rows[query.offset : query.offset + query.limit]
        if not part:
            return Answer(204)
        columns = dict.fromkeys([*query.columns, "id"])
        data = [{column: self.book.find(row, column) for column in columns} for row in part]
        more = query.offset + query.limit < len(rows)
        return Answer(200, {"data": data, "info": {"count": len(part), "more_records": more}})

    # -- people and metadata ----------------------------------------------------------------------------------

    @route("GET", rf"{API}/users", params=frozenset({"type", "page", "per_page", "ids"}))
    def list_users(self, request: Request) -> Answer:
        """List the users."""
        if refused := self.lacks("ZohoCRM.users.READ", "ZohoCRM.users.ALL"):
            return refused
        users = list(self.book.users.values())
        if request.query.get("type") == "CurrentUser":
            users = users[:1]
        users = self._since(request, users, "Modified_Time")
        answer = self._paged(request, users, None)
        if answer.status != 200:
            return answer
        return Answer(200, {"users": answer.body["data"], "info": answer.body["info"]})

    @route("GET", rf"{API}/org")
    def get_org(self, _: Request) -> Answer:
        """Give the organisation."""
        org = {
            "id": "554023000000000100",
            "company_name": "Lighthouse 灯塔科技",
            "zgid": "80000099",
            "license_details": {"paid": True, "paid_type": "enterprise", "trial_type": None},
            "time_zone": str(self.book.zone),
            "currency": "Chinese Yuan - CNY",
        }
        return self.lacks("ZohoCRM.org.READ", "ZohoCRM.org.ALL") or Answer(200, {"org": [org]})

    @route("GET", rf"{API}/settings/modules")
    def list_modules(self, _: Request) -> Answer:
        """List the modules."""
        return self.lacks(
            "ZohoCRM.settings.ALL", "ZohoCRM.settings.modules.READ", "ZohoCRM.settings.modules.ALL"
        ) or Answer(200, {"modules": module_metadata()})

    @route("GET", rf"{API}/settings/fields", params=frozenset({"module", "type"}))
    def list_fields(self, request: Request) -> Answer:
        """List the fields of one module."""
        if refused := self.lacks("ZohoCRM.settings.ALL", "ZohoCRM.settings.fields.READ", "ZohoCRM.settings.fields.ALL"):
            return refused
        module = request.query.get("module", "")
        if module not in self.book.fields:
            return failure(400, "INVALID_MODULE", "the module name given seems to be invalid")
        fields = [f for f in self.book.fields[module].values() if not f.name.startswith("$")]
        return Answer(200, {"fields": [field_metadata(module, f, n) for n, f in enumerate(fields)]})


def _key(row: Row, name: str) -> tuple[Any, str]:
    value = row[name]
    return (int(value) if name == "id" else instant(value)), row["id"]


def _belongs(row: Row, remote_id: str) -> bool:
    links = (row.get(name) for name in ("Parent_Id", "What_Id", "Who_Id", "Account_Name", "Contact_Name"))
    return any(isinstance(link, Mapping) and link.get("id") == remote_id for link in links)
