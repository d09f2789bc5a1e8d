"""The fake's writes: create, update, upsert, delete, notes; judged element by element."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from connectors.zoho_crm.fake_base import API, MODULE, FakeBase, failure, refusal
from connectors.zoho_crm.fake_book import Row, instant
from connectors.zoho_crm.fake_schema import CHECK_FIELDS, Field
from syncd.sdk.fake import Answer, Request, route

MAX_RECORDS: Final = 100
_KEYS: Final = frozenset(
    {"data", "trigger", "apply_feature_execution", "skip_feature_execution", "lar_id", "$append_values"}
)
_TRIGGERS: Final = {"workflow", "approval", "blueprint", "pathfinder", "orchestration"}
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MAX_LENGTH: Final = {"text": 255, "email": 100, "textarea": 32_000, "phone": 30, "website": 450, "picklist": 120}
Element = dict[str, Any]


class FakeWrites(FakeBase):
    """Writes. `unique` names fields that may not repeat, `locked` records that may not change.

    `all_failed_status`: Zoho's documents leave open whether it is 400 or 202 when every element of a write has failed.
    `triggers` holds the `trigger` of every write, None where it was absent; `updates` what updates have set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unique: dict[str, set[str]] = {}
        self.locked: set[str] = set()
        self.all_failed_status = 400
        self.triggers: list[Any] = []
        self.updates: list[tuple[str, Row]] = []

    @route("POST", rf"{API}/(?!Notes\b){MODULE}", body=_KEYS)
    def create_records(self, request: Request) -> Answer:
        """Create records."""
        module = request.groups[0]
        return self._each(request, module, lambda row, n: self._created(module, row, n), "CREATE", "WRITE")

    @route("POST", rf"{API}/Notes", body=frozenset({"data"}))
    def create_notes(self, request: Request) -> Answer:
        """Create notes."""
        return self._each(request, "Notes", lambda row, n: self._created("Notes", row, n), "CREATE", "WRITE")

    @route("POST", rf"{API}/{MODULE}/(\d+)/Notes", body=frozenset({"data"}))
    def create_notes_of(self, request: Request) -> Answer:
        """Create notes of one record."""
        module, remote_id = request.groups
        parent = {"module": {"api_name": module}, "id": remote_id}
        return self._each(
            request, "Notes", lambda row, n: self._created("Notes", {**row, "Parent_Id": parent}, n), "CREATE", "WRITE"
        )

    @route("PUT", rf"{API}/{MODULE}(?:/(\d+))?", body=_KEYS)
    def update_records(self, request: Request) -> Answer:
        """Update records."""
        module, remote_id = request.groups
        limit = request.headers.get("if-unmodified-since")

        def one(row: Row, number: int) -> Element:
            return self._updated(module, {**row, "id": remote_id or row.get("id")}, number, limit)

        return self._each(request, module, one, "UPDATE", "WRITE")

    @route("POST", rf"{API}/{MODULE}/upsert", body=_KEYS | {"duplicate_check_fields"})
    def upsert_records(self, request: Request) -> Answer:
        """Create or update records by the fields that tell duplicates apart."""
        module = request.groups[0]
        if module in ("Tasks", "Notes"):
            return failure(400, "INVALID_MODULE", "the given module is not supported in this api")
        keys = request.body.get("duplicate_check_fields") or [CHECK_FIELDS[module]]
        return self._each(request, module, lambda row, n: self._upserted(module, row, n, keys), "CREATE", "WRITE")

    @route("DELETE", rf"{API}/{MODULE}(?:/(\d+))?", params=frozenset({"ids", "wf_trigger"}))
    def delete_records(self, request: Request) -> Answer:
        """Move records to the recycle bin."""
        module, remote_id = request.groups
        if refused := self.lacks_module(module, "DELETE"):
            return refused
        ids = [remote_id] if remote_id else request.query.get("ids", "").split(",")
        return _answer([self._removed(module, one) for one in ids], 200, self.all_failed_status)

    def _each(self, request: Request, module: str, one: Any, *actions: str) -> Answer:
        if refused := self.lacks_module(module, *actions):
            return refused
        body = request.body if isinstance(request.body, Mapping) else {}
        rows = body.get("data")
        if not isinstance(rows, list) or not rows:
            return failure(400, "MANDATORY_NOT_FOUND", "required field not found", api_name="data")
        if len(rows) > MAX_RECORDS:
            return failure(400, "LIMIT_EXCEEDED", "too many records", limit=MAX_RECORDS)
        if set(body.get("trigger", ())) - _TRIGGERS:
            return failure(400, "INVALID_DATA", "invalid data", api_name="trigger")
        self.triggers.append(body.get("trigger"))
        success = 201 if request.method == "POST" and "upsert" not in request.path else 200
        return _answer([one(row, number) for number, row in enumerate(rows)], success, self.all_failed_status)

    # -- one element ------------------------------------------------------------------------------------------

    def _created(self, module: str, values: Row, number: int) -> Element:
        missing = [f.name for f in self.book.fields[module].values() if f.mandatory and not values.get(f.name)]
        if missing:
            return refusal(
                "MANDATORY_NOT_FOUND",
                "required field not found",
                api_name=missing[0],
                json_path=f"$.data[{number}].{missing[0]}",
            )
        wrong = self._wrong(module, values, number) or self._repeats(module, values, None)
        return wrong or self._success(self.book.add(module, values), "record added")

    def _updated(self, module: str, values: Row, number: int, limit: str | None) -> Element:
        remote_id = str(values.pop("id"))
        row = self.book.rows[module].get(remote_id)
        if row is None:
            return refusal("INVALID_DATA", "the id given seems to be invalid", id=remote_id)
        if remote_id in self.locked:
            return refusal("RECORD_LOCKED", "the record is locked", id=remote_id)
        if limit and instant(row["Modified_Time"]) > datetime.fromisoformat(limit):
            return refusal("ALREADY_MODIFIED", "the record has been modified", id=remote_id)
        if wrong := self._wrong(module, values, number) or self._repeats(module, values, remote_id):
            return wrong
        self.updates.append((remote_id, values))
        return self._success(self.book.edit(module, remote_id, values), "record updated")

    def _upserted(self, module: str, values: Row, number: int, keys: Sequence[str]) -> Element:
        for key in keys:
            found = self._same(module, key, values.get(key)) if values.get(key) else None
            if found:
                element = self._updated(module, {**values, "id": found["id"]}, number, None)
                return {**element, "duplicate_field": key, "action": "update"}
        return {**self._created(module, values, number), "duplicate_field": None, "action": "insert"}

    def _removed(self, module: str, remote_id: str) -> Element:
        if remote_id not in self.book.rows[module]:
            return refusal("INVALID_DATA", "the id given seems to be invalid", id=remote_id)
        self.book.remove(module, remote_id)
        return {"code": "SUCCESS", "details": {"id": remote_id}, "message": "record deleted", "status": "success"}

    def _same(self, module: str, name: str, value: Any) -> Row | None:
        wanted = str(value).casefold()
        return next((r for r in self.book.rows[module].values() if str(r.get(name)).casefold() == wanted), None)

    def _repeats(self, module: str, values: Row, own_id: str | None) -> Element | None:
        for name in sorted(self.unique.get(module, set()) & set(values)):
            found = self._same(module, name, values[name])
            if found and found["id"] != own_id:
                details = {"api_name": name, "id": found["id"], "module": {"api_name": module}}
                return refusal("DUPLICATE_DATA", "duplicate data", **details)
        return None

    def _wrong(self, module: str, values: Row, number: int) -> Element | None:
        """Refuse unknown fields and wrong values; the former is stricter than Zoho, so that a slip is seen."""
        for name, value in values.items():
            field = self.book.fields[module].get(name)
            problem = _problem(field, value) if field else {"expected_data_type": "a field of the module"}
            if field and not problem and value is not None and field.kind in ("lookup", "parent", "ownerlookup"):
                problem = self._dead_link(field, value)
            if problem:
                path = f"$.data[{number}].{name}"
                return refusal("INVALID_DATA", "invalid data", api_name=name, json_path=path, **problem)
        return None

    def _dead_link(self, field: Field, value: Mapping[str, Any]) -> dict[str, Any]:
        remote_id = str(value.get("id"))
        if field.kind == "ownerlookup":
            return {} if remote_id in self.book.users else {"expected_data_type": "id of a user"}
        if field.kind == "parent":
            module = (value.get("module") or {}).get("api_name")
            return {} if module in self.book.rows and remote_id in self.book.rows[module] else {"id": remote_id}
        return {} if self.book.target(field.lookup, remote_id) else {"id": remote_id}

    def _success(self, row: Row, message: str) -> Element:
        names = ("Modified_Time", "Modified_By", "Created_Time", "id", "Created_By")
        details = {name: row[name] for name in names} | {"$approval_state": "approved"}
        return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def _answer(elements: list[Element], success: int, all_failed: int) -> Answer:
    failed = [element["status"] == "error" for element in elements]
    if len(elements) == 1 and elements[0]["code"] == "ALREADY_MODIFIED":
        return Answer(412, {"data": elements})
    status = all_failed if all(failed) else 207 if any(failed) else success
    return Answer(status, {"data": elements})


def _problem(field: Field, value: Any) -> dict[str, Any]:
    """Return the details of an INVALID_DATA, empty when the value fits the field."""
    if value is None:
        return {}
    match field.kind:
        case "lookup" | "ownerlookup" | "parent":
            return {} if isinstance(value, Mapping) and value.get("id") else {"expected_data_type": "jsonobject"}
        case "integer":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "currency" | "double":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            fits = isinstance(value, bool)
        case "date":
            fits = isinstance(value, str) and _is_date(value)
        case "email":
            fits = isinstance(value, str) and bool(_MAIL.fullmatch(value))
        case "text_tag":
            fits = isinstance(value, list)
        case _:
            fits = isinstance(value, str)
    if not fits:
        return {"expected_data_type": field.kind}
    limit = _MAX_LENGTH.get(field.kind)
    return {"maximum_length": limit} if limit and isinstance(value, str) and len(value) > limit else {}


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
