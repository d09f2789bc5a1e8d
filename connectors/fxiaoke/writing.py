"""Writing: one record a call, since Fxiaoke has no bulk call; what is created carries our mark."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.fxiaoke.config import FxiaokeConfig
from connectors.fxiaoke.errors import SYSTEM_BUSY
from connectors.fxiaoke.gateway import Gateway, condition
from connectors.fxiaoke.objects import ACCOUNT, FOLLOW_UP
from connectors.fxiaoke.reading import INVALID, walk
from syncd.sdk import (
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

OPERATIONS: Final = (
    OperationSpec("create_follow_up", Delivery.FINDABLE, max_bytes=32_000),
    OperationSpec("create_task", Delivery.FINDABLE, max_bytes=32_000),
    OperationSpec("update_field", Delivery.KEYED),
)
_PARENT: Final = "parent"  # the one payload key that is ours
_ID: Final = re.compile(r"[0-9A-Za-z]{8,64}")
_OBJECT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(Obj|__c)")
_MOST_PAGES: Final = 20
# Not changed by an update: Fxiaoke has a call of its own for it, or makes it itself.
_REFUSED_FIELDS: Final = {
    "owner": "Fxiaoke changes an owner by another call only",
    "_id": "a record keeps its id",
    "dataObjectApiName": "the object is told by the target",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an operation creates: the object, and the field that holds its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """A record that a command is aimed at."""

    name: str
    id: str


class Writer:
    """Carries commands out."""

    def __init__(self, gateway: Gateway, config: FxiaokeConfig) -> None:
        self._gateway = gateway
        self._config = config
        # Both are true unless said otherwise: a digest would start an approval, and whatever hangs on it.
        self._triggers: Json = {"triggerApprovalFlow": False, "triggerWorkFlow": config.trigger_workflow}
        self._kinds = {
            "create_follow_up": _Kind(FOLLOW_UP, "active_record_content"),
            "create_task": _Kind(config.task_object, config.task_text),
        }
        self._writes: dict[str, Callable[[Command], Receipt]] = {
            "create_follow_up": self._create,
            "create_task": self._create,
            "update_field": self._update,
        }

    def write(self, command: Command) -> Receipt:
        """Carry `command` out once."""
        if command.operation not in self._writes:
            raise RejectedError(f"{command.operation!r} is none of {', '.join(self._writes)}")
        return self._writes[command.operation](command)

    def find(self, command: Command) -> Receipt | None:
        """Look the mark of `command` up, in its field or in the text; what the query lets through is read again."""
        if command.operation not in self._kinds:
            raise RejectedError(f"{command.operation!r} leaves no mark to look for")
        kind, mark = self._kinds[command.operation], mark_of(command)
        try:
            return self._search(kind, mark)
        except ContractError as err:
            if err.code is None or self._config.key_field:
                raise
            raise ContractError(
                f"{err}; set key_field to a text field of {kind.name} that can carry our mark",
                status=err.status,
                code=err.code,
            ) from err

    def _search(self, kind: _Kind, mark: str) -> Receipt | None:
        key = self._config.key_field
        field, operator = (key, "EQ") if key else (kind.text, "LIKE")
        listings = walk(self._gateway, kind.name, [condition(field, operator, mark)])
        for number, listing in enumerate(listings, start=1):
            found = next((row for row in listing.rows if mark in str(row.get(field) or "")), None)
            if found:
                return Receipt(str(found["_id"]), Outcome.UNCHANGED)
            if listing.more and number == _MOST_PAGES:
                raise OutcomeUnknownError(
                    f"{kind.name}: Fxiaoke does not narrow {field!r} down to our mark {mark}; look for it by hand, "
                    "and set key_field to a text field of this object"
                )
        return None

    # -- records of our own -----------------------------------------------------------------------------------

    def _create(self, command: Command) -> Receipt:
        name, text = self._kinds[command.operation].name, self._kinds[command.operation].text
        fields = _fields(command)
        content = fields.get(text)
        if not isinstance(content, str) or not content.strip():
            raise RejectedError(f"{command.operation}: payload.{text} is missing or empty")
        target = self._target(command)
        related = self._related(target)
        record = {
            **self._defaults(name, related),
            **fields,
            **self._marked(text, content, command),
            **_links(name, related),
            "dataObjectApiName": name,
            "object_describe_api_name": name,
        }
        reply = self._send_once(name, {**self._triggers, "data": {"object_data": record}})
        return Receipt(_new_id(reply), Outcome.CREATED)

    def _marked(self, text: str, content: str, command: Command) -> Json:
        mark = mark_of(command)
        if self._config.key_field:
            return {text: content, self._config.key_field: mark}
        return {text: f"{content.rstrip()}\n\n[{mark}]"}

    def _defaults(self, name: str, target: Json) -> Json:
        """Return the owner, the target's where the configuration names nobody, and the kind of a follow-up."""
        owner = [self._config.writes_for] if self._config.writes_for else target.get("owner")
        kind = self._config.follow_up_type if name == FOLLOW_UP else None
        return {**({"owner": owner} if owner else {}), **({"active_record_type": kind} if kind else {})}

    def _related(self, target: Target) -> Json:
        """Return the record that is written about: a link has its name, and what is gone gets no follow-up."""
        try:
            row = self._gateway.record(target.name, target.id)
        except ContractError as err:
            if err.code is None:
                raise
            raise RejectedError(f"{target.name}/{target.id}: {err}", status=err.status, code=err.code) from err
        if row.get("life_status") == INVALID or row.get("is_deleted") is True:
            raise RejectedError(f"{target.name}/{target.id}: the record is invalid (作废) in Fxiaoke")
        return {**row, "_id": target.id, "object_describe_api_name": target.name}

    def _send_once(self, name: str, body: Json) -> Reply:
        try:
            return self._gateway.write(name, "create", body)
        except TransientError as err:
            if err.code not in SYSTEM_BUSY:
                raise
            raise OutcomeUnknownError(
                f"{err}; the record may have been made", status=err.status, code=err.code
            ) from err

    # -- any record -------------------------------------------------------------------------------------------

    def _update(self, command: Command) -> Receipt:
        target, fields = self._target(command), _fields(command)
        if not fields:
            raise RejectedError(f"update_field: the payload for {target.name}/{target.id} names no field")
        for field, reason in _REFUSED_FIELDS.items():
            if field in fields:
                raise RejectedError(f"update_field: payload.{field}: {reason}")
        record = {**fields, "_id": target.id, "dataObjectApiName": target.name}
        body = {**self._triggers, "data": {"object_data": record}}
        self._gateway.write(target.name, "update", body, idempotent=True)
        return Receipt(target.id, Outcome.UPDATED)

    def _target(self, command: Command) -> Target:
        """Return the record that `command` is aimed at.

        `target_id` is `NewOpportunityObj/66a0…`, or a bare id that `payload.parent` files under `opportunity`,
        `account` or an object's API name; without that it is an account.
        """
        name, _, remote_id = (command.target_id or "").rpartition("/")
        parent = command.payload.get(_PARENT)
        if not name and isinstance(parent, Mapping):
            name = next((str(key) for key, value in parent.items() if value == remote_id), "")
        usual = {"": ACCOUNT, "account": ACCOUNT, "opportunity": self._config.opportunity_object}
        name = usual.get(name, name)
        if not _ID.fullmatch(remote_id) or not _OBJECT.fullmatch(name):
            raise RejectedError(
                f"{command.operation}: target {command.target_id!r} is no record; "
                "write AccountObj/65f0c1d2e3a4b50001a1b2c3"
            )
        return Target(name, remote_id)


def mark_of(command: Command) -> str:
    """Return the short mark that tells our own writes apart; it stays readable in the CRM."""
    return f"syncd-{hashlib.blake2b(command.idempotency_key.encode(), digest_size=8).hexdigest()}"


def _fields(command: Command) -> dict[str, Any]:
    return {name: value for name, value in command.payload.items() if name != _PARENT}


def _links(name: str, target: Json) -> Json:
    """Return how a follow-up names its records: the target, and the account of one that has an account."""
    links = [{"describe_api_name": target["object_describe_api_name"], "id": target["_id"], "name": target.get("name")}]
    account, account_name = target.get("account_id"), target.get("account_id__r")
    if isinstance(account, str) and account and isinstance(account_name, str) and account_name:
        links.append({"describe_api_name": ACCOUNT, "id": account, "name": account_name})
    named = [{key: value for key, value in link.items() if value is not None} for link in links]
    if name != FOLLOW_UP:
        return {"related_object_data": named}
    return {"related_object_data": named, "related_api_names": [link["describe_api_name"] for link in named]}


def _new_id(reply: Reply) -> str:
    body = reply.json
    remote_id = body.get("dataId") if isinstance(body, Mapping) else None
    if not isinstance(remote_id, str) or not remote_id:
        raise OutcomeUnknownError("the answer to a create names no dataId; the record may have been made")
    return remote_id
