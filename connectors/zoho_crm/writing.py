"""Writing: one record a call, judged by its own element of the answer and never by the HTTP status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.zoho_crm.changes import listing_of
from connectors.zoho_crm.errors import PAGE_WALL, describe
from syncd.sdk import (
    ApiClient,
    Command,
    ContractError,
    Delivery,
    Json,
    OperationSpec,
    Outcome,
    OutcomeUnknownError,
    Receipt,
    RejectedError,
    Reply,
    TransientError,
)
from syncd.sdk.paging import page_numbers

OPERATIONS: Final = (
    OperationSpec("create_note", Delivery.FINDABLE, max_bytes=32_000),
    OperationSpec("create_task", Delivery.FINDABLE, max_bytes=32_000),
    OperationSpec("upsert", Delivery.KEYED, needs_target=False),
    OperationSpec("update", Delivery.KEYED),
)
PAGE_SIZE: Final = 200
_PARENT: Final = "parent"  # the one payload key of create_note, create_task and update that is ours
_TITLE_LENGTH: Final = 120
_SUBJECT_LENGTH: Final = 255
_TASK_BY_MARK: Final = "select id, Subject from Tasks where Subject like '%{mark}%' limit 1"
_NO_UPSERT: Final = frozenset({"Tasks", "Events", "Calls", "Notes"})
_OUTCOMES: Final = {"insert": Outcome.CREATED, "update": Outcome.UPDATED}


@dataclass(frozen=True, slots=True)
class Target:
    """A record that a command is aimed at."""

    module: str
    id: str

    @property
    def path(self) -> str:
        """The record's path behind the API version."""
        return f"{self.module}/{self.id}"


class Writer:
    """Carries commands out. `path` is the API path with version, `trigger` the automations that writes may start."""

    def __init__(self, api: ApiClient, path: str, trigger: Sequence[str] | None) -> None:
        self._api = api
        self._path = path
        self._trigger = {} if trigger is None else {"trigger": list(trigger)}
        self._writes: dict[str, Callable[[Command], Receipt]] = {
            "create_note": self._create_note,
            "create_task": self._create_task,
            "upsert": self._upsert,
            "update": self._update,
        }
        self._finds: dict[str, Callable[[Command], Receipt | None]] = {
            "create_note": self._find_note,
            "create_task": self._find_task,
        }

    def write(self, command: Command) -> Receipt:
        """Carry `command` out once."""
        return self._writes[_known(command, self._writes)](command)

    def find(self, command: Command) -> Receipt | None:
        """Look the mark of `command` up."""
        return self._finds[_known(command, self._finds)](command)

    # -- notes ------------------------------------------------------------------------------------------------

    def _create_note(self, command: Command) -> Receipt:
        target = _target(command)
        note = {
            **_fields(command),
            "Note_Title": marked(str(command.payload.get("Note_Title") or ""), command, limit=_TITLE_LENGTH),
            "Note_Content": _needed(command, "Note_Content"),
            "Parent_Id": {"module": {"api_name": target.module}, "id": target.id},
        }
        return self._create("Notes", note, {})

    def _find_note(self, command: Command) -> Receipt | None:
        """Look through the notes of the parent; a list, so what was written shows at once."""
        target, mark = _target(command), mark_of(command)

        def fetch(number: int) -> tuple[Sequence[Json], None, bool]:
            params = {"fields": "Note_Title,Created_Time", "per_page": PAGE_SIZE, "page": number}
            listing = listing_of(self._api.get(f"{self._path}/{target.path}/Notes", params))
            return listing.rows, None, listing.more

        try:
            for part in page_numbers(fetch):
                for note in part.items:
                    if mark in str(note.get("Note_Title") or ""):
                        return Receipt(str(note["id"]), Outcome.UNCHANGED)
        except ContractError as err:
            raise _find_error(err, target) from err
        return None

    # -- tasks ------------------------------------------------------------------------------------------------

    def _create_task(self, command: Command) -> Receipt:
        target = _target(command)
        link = "Who_Id" if target.module in ("Contacts", "Leads") else "What_Id"
        task = {
            **_fields(command),
            "Subject": marked(_needed(command, "Subject"), command, limit=_SUBJECT_LENGTH),
            link: {"id": target.id},
            "$se_module": target.module,
        }
        return self._create("Tasks", task, self._trigger)

    def _find_task(self, command: Command) -> Receipt | None:
        """Query for the mark in the subject, wherever the task was moved to; the mark needs no escaping."""
        query = _TASK_BY_MARK.format(mark=mark_of(command))
        listing = listing_of(self._api.search(f"{self._path}/coql", {"select_query": query}))
        return Receipt(str(listing.rows[0]["id"]), Outcome.UNCHANGED) if listing.rows else None

    # -- any record -------------------------------------------------------------------------------------------

    def _upsert(self, command: Command) -> Receipt:
        module, record, keys = _upsert_parts(command)
        body = {"data": [record], "duplicate_check_fields": keys, **self._trigger}
        element = self._send_keyed("POST", f"{module}/upsert", body)
        action = str(element.get("action"))
        return Receipt(_id_of(element), _OUTCOMES.get(action, Outcome.UPDATED), detail=f"{module} by {', '.join(keys)}")

    def _update(self, command: Command) -> Receipt:
        target = _target(command)
        fields = _fields(command)
        if not fields:
            raise RejectedError(f"update {target.path}: the payload names no field")
        element = self._send_keyed("PUT", target.path, {"data": [fields], **self._trigger})
        return Receipt(_id_of(element), Outcome.UPDATED)

    def _create(self, module: str, record: Json, trigger: Json) -> Receipt:
        element = _element(self._api.post(f"{self._path}/{module}", {"data": [record], **trigger}))
        _raise_failed(element, module, unknown=OutcomeUnknownError)
        return Receipt(_id_of(element), Outcome.CREATED)

    def _send_keyed(self, method: str, path: str, body: Json) -> Json:
        """Send what may be sent twice."""
        element = _element(self._api.request(method, f"{self._path}/{path}", json=body, idempotent=True))
        _raise_failed(element, path, unknown=TransientError)
        return element


def mark_of(command: Command) -> str:
    """Return the short mark that tells our own writes apart; it stays readable in the CRM."""
    return f"syncd-{hashlib.blake2b(command.idempotency_key.encode(), digest_size=6).hexdigest()}"


def marked(text: str, command: Command, *, limit: int) -> str:
    """Return `text` with the mark behind it, cut so that both fit into `limit` characters."""
    mark = f"[{mark_of(command)}]"
    room = limit - len(mark) - 1
    return f"{text if len(text) <= room else text[: room - 1] + '…'} {mark}".strip()


def _target(command: Command) -> Target:
    """Return the record that `command` is aimed at.

    `target_id` is `Deals/554023000001200001`, or a bare id whose module `payload.parent` tells (module → id); without
    that it is an account.
    """
    module, _, remote_id = (command.target_id or "").rpartition("/")
    parent = command.payload.get(_PARENT)
    if not module and isinstance(parent, Mapping):
        module = next((str(name) for name, value in parent.items() if value == remote_id), "")
    module = module or "Accounts"
    if not remote_id.isdigit() or not _is_module(module):
        raise RejectedError(
            f"{command.operation}: target {command.target_id!r} is not a record; write Deals/554023000001200001"
        )
    return Target(module, remote_id)


def _is_module(name: str) -> bool:
    return name.isascii() and name.replace("_", "").isalnum()


def _fields(command: Command) -> dict[str, Any]:
    return {name: value for name, value in command.payload.items() if name != _PARENT}


def _known(command: Command, known: Mapping[str, object]) -> str:
    if command.operation not in known:
        raise RejectedError(f"{command.operation!r} is none of {', '.join(known)}")
    return command.operation


def _needed(command: Command, name: str) -> str:
    value = command.payload.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RejectedError(f"{command.operation}: payload.{name} is missing or empty")
    return value


def _upsert_parts(command: Command) -> tuple[str, Json, list[str]]:
    """Return module, record and keys; without a key value in the record Zoho would insert it again each time."""
    payload = command.payload
    if unknown := sorted(set(payload) - {"module", "record", "duplicate_check_fields"}):
        raise RejectedError(
            f"upsert: payload.{unknown[0]} is unknown; allowed are module, record, duplicate_check_fields"
        )
    module = str(payload.get("module") or command.target_id or "")
    record, keys = payload.get("record"), payload.get("duplicate_check_fields")
    if not _is_module(module) or module in _NO_UPSERT:
        raise RejectedError(f"upsert: {module!r} is not a module that Zoho upserts; set payload.module, e.g. Contacts")
    if not isinstance(record, Mapping) or not record:
        raise RejectedError("upsert: payload.record is missing or empty")
    if not isinstance(keys, list) or not keys or any(record.get(str(key)) in (None, "") for key in keys):
        raise RejectedError(
            "upsert: payload.duplicate_check_fields must list fields that payload.record has values for"
        )
    return module, record, [str(key) for key in keys]


def _element(reply: Reply) -> Json:
    """Return the one element of a write's answer."""
    body = reply.json
    elements = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(elements, list) or len(elements) != 1 or not isinstance(elements[0], Mapping):
        raise OutcomeUnknownError("the answer to a write does not hold exactly one element", status=reply.status)
    return elements[0]


def _raise_failed(element: Json, path: str, *, unknown: type[OutcomeUnknownError] | type[TransientError]) -> None:
    if element.get("status") == "success":
        return
    code = str(element.get("code"))
    text = f"{path}: {code}: {describe(element)}"
    if code == "INTERNAL_ERROR":
        raise unknown(text, code=code)
    raise RejectedError(text, code=code)


def _id_of(element: Json) -> str:
    details = element.get("details")
    remote_id = details.get("id") if isinstance(details, Mapping) else None
    if not remote_id:
        raise OutcomeUnknownError("the answer to a write names no record id")
    return str(remote_id)


def _find_error(err: ContractError, target: Target) -> Exception:
    if err.code == PAGE_WALL:
        return OutcomeUnknownError(
            f"{target.path}: more notes than Zoho lists by page; look for ours by hand",
            status=err.status,
            code=err.code,
        )
    if err.status in (400, 404):
        return RejectedError(f"{target.path}: Zoho does not know this record ({err})", status=err.status, code=err.code)
    return err
