"""Acme: every kind of stream and operation that the contract knows, in one small connector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from syncd.errors import AuthError, RejectedError, TransientError
from syncd.sdk import (
    ApiClient,
    Command,
    ConnectorConfig,
    ConnectorContext,
    ConnectorSpec,
    Cursor,
    Deletes,
    Delivery,
    ErrorTable,
    Identity,
    OperationSpec,
    Outcome,
    Page,
    Receipt,
    Record,
    RenewableAuth,
    Role,
    StreamSpec,
    Token,
)
from syncd.sdk.paging import Position, Slice, keyset, page_numbers, resume_from, tokens

ERRORS = ErrorTable(
    codes={"BROKEN": TransientError},
    code_of=lambda body: body["code"],
    message_of=lambda body: body["message"],
    has_failed=lambda body: "code" in body,
)


class AcmeConfig(ConnectorConfig):
    """Where Acme is, and how to get in."""

    base_url: str
    refresh_token: SecretStr


class Acme:
    """Acme, REST v1."""

    spec: ClassVar = ConnectorSpec(
        name="acme",
        title="Acme",
        role=Role.PROJECTS,
        config=AcmeConfig,
        streams=(
            StreamSpec("tasks", incremental=True),
            StreamSpec("notes", incremental=True, deletes=Deletes.REPORTED),
            StreamSpec("labels", partitioned=True),
            StreamSpec("users"),
        ),
        operations=(
            OperationSpec("comment", Delivery.FINDABLE),
            OperationSpec("upsert_contact", Delivery.KEYED, needs_target=False),
            OperationSpec("send", Delivery.BLIND, needs_target=False),
        ),
    )

    def __init__(self, config: AcmeConfig, context: ConnectorContext) -> None:
        self._config = config
        auth = RenewableAuth(
            context.tokens,
            seed=config.refresh_token.get_secret_value(),
            renew=self._token_request,
            parse=lambda response: _token(response, context),
            now=context.now,
        )
        self._api = ApiClient(config.base_url, context, auth=auth, errors=ERRORS)

    def close(self) -> None:
        self._api.close()

    def check(self) -> Identity:
        return Identity(self._api.get("/me").json["name"])

    def partitions(self, stream: str) -> Sequence[str]:
        return ["p1", "p2"] if self.spec.stream(stream).partitioned else [""]

    def read(self, stream: str, cursor: Cursor | None, *, partition: str = "") -> Iterator[Page]:
        since = resume_from(cursor, self.spec.stream(stream).overlap)
        match stream:
            case "tasks":
                yield from self._tasks(since)
            case "notes":
                yield from self._notes(since)
            case "labels":
                for part in page_numbers(lambda number: self._labels(partition, number)):
                    yield Page(_records(stream, part.items), complete=part.last, total=part.total)
            case _:
                yield Page(_records(stream, self._api.get("/users").member("items")), complete=True)

    def _tasks(self, since: datetime | None) -> Iterator[Page]:
        start = Position(since.isoformat()) if since else None
        for part, reached in keyset(self._fetch_tasks, lambda row: Position(row["updated_at"], row["id"]), start):
            cursor = {"updated_at": reached.stamp, "id": reached.id} if reached else None
            yield Page(_records("tasks", part.items), cursor=cursor, complete=part.last)

    def _fetch_tasks(self, after: Position | None) -> tuple[Sequence[Any], bool]:
        params = {"since": after.stamp, "after": after.id} if after else {}
        items = self._api.get("/tasks", params).member("items")
        return items, len(items) == 50

    def _notes(self, since: datetime | None) -> Iterator[Page]:
        params = {"since": since.isoformat() if since else None}
        newest = since.isoformat() if since else None
        for part in tokens(lambda token: self._fetch_notes({**params, "token": token})):
            newest = max([row["updated_at"] for row in part.items] + [newest or ""]) or None
            cursor = {"updated_at": newest} if part.last and newest else None
            yield Page(_records("notes", part.items), cursor=cursor, complete=part.last)

    def _fetch_notes(self, params: dict[str, Any]) -> Slice:
        reply = self._api.get("/notes", params)
        return Slice(reply.member("items"), last=reply.member("next") is None, next=reply.member("next"))

    def _labels(self, project: str, number: int) -> tuple[Sequence[Any], int, bool]:
        reply = self._api.get(f"/projects/{project}/labels", {"page": number})
        return reply.member("items"), reply.member("total"), number * 50 < reply.member("total")

    def find(self, command: Command) -> Receipt | None:
        comments = self._api.get(f"/tasks/{command.target_id}/comments").member("items")
        ours = [c for c in comments if command.idempotency_key in c["body"]]
        return Receipt(ours[0]["id"], Outcome.UNCHANGED) if ours else None

    def write(self, command: Command) -> Receipt:
        if self.spec.operation(command.operation).needs_target and not command.target_id:
            raise RejectedError(f"{command.operation}: names no target")
        match command.operation:
            case "comment":
                body = command.payload.get("body")
                payload = {"body": f"{body} [{command.idempotency_key}]"} if body else {}
                made = self._api.post(f"/tasks/{command.target_id}/comments", payload).json
                return Receipt(made["id"], Outcome.CREATED)
            case "upsert_contact":
                path = f"/contacts/{command.idempotency_key}"
                made = self._api.request("PUT", path, json=command.payload, idempotent=True).json
                return Receipt(made["id"], Outcome.UPDATED)
            case _:
                return Receipt(self._api.post("/messages", command.payload).json["id"], Outcome.CREATED)

    def _token_request(self, grant: Token | None) -> httpx.Request:
        secret = grant.refresh if grant and grant.refresh else self._config.refresh_token.get_secret_value()
        return httpx.Request("POST", f"{self._config.base_url}/token", json={"refresh_token": secret})


def _token(response: httpx.Response, context: ConnectorContext) -> Token:
    if response.status_code >= 400:
        raise AuthError(f"the refresh token is refused: {response.json()['message']}")
    body = response.json()
    return Token(body["access"], context.now() + timedelta(seconds=body["expires_in"]), body["refresh"])


def _records(stream: str, items: Sequence[Any]) -> list[Record]:
    return [
        Record(
            stream,
            item["id"],
            item,
            datetime.fromisoformat(item["updated_at"]).astimezone(UTC) if "updated_at" in item else None,
            deleted=item.get("deleted", False),
        )
        for item in items
    ]
