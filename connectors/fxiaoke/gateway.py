"""Fxiaoke's gateway: the few calls that we make, each one POST, each with a trace id of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.fxiaoke.grant import trace
from connectors.fxiaoke.objects import path_of
from syncd.sdk import ApiClient, ContractError, Json, Reply
from syncd.sdk.api import where

PAGE_SIZE: Final = 100  # the most that a query gives
_WHOLE_COMPANY: Final = 999999


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer of a query: rows, the vendor's count (None when not asked), whether more follow, its clock."""

    rows: Sequence[Json]
    total: int | None
    more: bool
    at: datetime | None


def condition(field: str, operator: str, *values: str) -> Json:
    """Return one filter of a query; values are always a list of texts, times in milliseconds."""
    return {"field_name": field, "operator": operator, "field_values": list(values)}


class Gateway:
    """The calls. `converts_ids` asks for employees as `FSUID_…`, which is the default of the body style alone."""

    def __init__(self, api: ApiClient, *, converts_ids: bool) -> None:
        self._api = api
        self._options: Json = {"convertUserId": True} if converts_ids else {}

    def query(self, name: str, filters: Sequence[Json], *, limit: int = PAGE_SIZE, counted: bool = False) -> Listing:
        """Return the rows of an object that fit all `filters`, by ascending `_id`, from the first one."""
        search = {
            "limit": limit,
            "offset": 0,
            "filters": list(filters),
            "orders": [{"fieldName": "_id", "isAsc": True}],
        }
        data = {"dataObjectApiName": name, "find_explicit_total_num": counted, "search_query_info": search}
        return _listing(
            self._read(path_of(name, "query"), {"includeNull": False, "data": data}), limit, counted=counted
        )

    def record(self, name: str, remote_id: str) -> Json:
        """Return one record; ContractError with a code when Fxiaoke does not give it."""
        body = {"includeNull": False, "data": {"dataObjectApiName": name, "objectDataId": remote_id}}
        reply = self._read(path_of(name, "get"), body)
        row = reply.member("data")
        if not isinstance(row, Mapping):
            raise ContractError(f"{where(reply.url)}: the answer's 'data' is no record")
        return row

    def objects(self) -> dict[str, bool]:
        """Return the API names of the tenant's objects, and whether each is active."""
        data = self._read("/cgi/crm/v2/object/list", {}).member("data")
        rows = data.get("objects") if isinstance(data, Mapping) else None
        if not isinstance(rows, list):
            raise ContractError("object/list: the answer has no list 'objects'")
        return {str(row.get("describeApiName")): row.get("isActive") is not False for row in rows}

    def fields(self, name: str) -> dict[str, Json]:
        """Return the fields of an object by API name."""
        body = {"apiName": name, "includeDetail": True}
        data = self._read("/cgi/crm/v2/object/describe", body).member("data")
        fields = data.get("describe", {}).get("fields") if isinstance(data, Mapping) else None
        if not isinstance(fields, Mapping):
            raise ContractError(f"object/describe of {name}: the answer has no 'fields'")
        return dict(fields)

    def employees(self) -> Reply:
        """Return the answer that holds all employees under `userList`."""
        body = {"departmentId": _WHOLE_COMPANY, "fetchChild": True, "showDepartmentIdsDetail": True}
        return self._api.search("/cgi/user/list", body, trace())

    def employee(self, open_user_id: str) -> Json:
        """Return one employee."""
        found: Json = self._api.search("/cgi/user/get", {"openUserId": open_user_id}, trace()).json
        return found

    def write(self, name: str, action: str, body: Json, *, idempotent: bool = False) -> Reply:
        """Send a write of one record."""
        return self._api.request(
            "POST", path_of(name, action), params=trace(), json={**self._options, **body}, idempotent=idempotent
        )

    def _read(self, path: str, body: Json) -> Reply:
        return self._api.search(path, {**self._options, **body}, trace())


def _listing(reply: Reply, limit: int, *, counted: bool) -> Listing:
    """Read a query's answer. Own objects were once seen with their rows one level higher."""
    body = reply.json
    data = body.get("data") if isinstance(body, Mapping) else None
    inner = data if isinstance(data, Mapping) else {}
    rows = inner.get("dataList", body.get("dataList") if isinstance(body, Mapping) else None)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and row.get("_id") for row in rows):
        raise ContractError(f"{where(reply.url)}: the answer has no list 'dataList' of records with an _id")
    told = inner.get("total")
    total = told if counted and isinstance(told, int) and told >= len(rows) else None
    size = inner.get("limit")
    given = min(size, limit) if isinstance(size, int) and size > 0 else limit
    more = len(rows) >= given or (total is not None and total > len(rows))
    if more and not rows:
        raise ContractError(f"{where(reply.url)}: Fxiaoke counts {total} records and gives none")
    return Listing(rows, total, more, reply.date)
