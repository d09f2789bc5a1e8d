"""Acme's API: rows in memory, a keyset list, a token list, a numbered list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.sdk.fake import Answer, FakeServer, Request, route

PAGE = 50


class Fake(FakeServer):
    """Acme on loopback."""

    public_paths = ("/token",)

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, dict[str, Any]]] = {"tasks": {}, "notes": {}, "labels": {}, "contacts": {}}
        self.deleted: dict[str, str] = {}
        self.comments: list[dict[str, Any]] = []
        self.sent: list[Any] = []
        self.tokens: set[str] = set()
        self.refresh = "refresh-1-secret"
        self.serial = 0

    def add(self, kind: str, at: datetime) -> str:
        with self.lock:
            self.serial += 1
            row_id = f"{kind[0]}{self.serial:06d}"
            self.rows[kind][row_id] = {"id": row_id, "title": f"{kind} {self.serial}", "updated_at": at.isoformat()}
            return row_id

    def authorize(self, request: Request) -> Answer | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if token in self.tokens else self.expired()

    def error_in_200(self) -> Answer:
        return Answer(200, {"code": "BROKEN", "message": "something broke inside"})

    @route("POST", "/token", changes_nothing=True)
    def token(self, request: Request) -> Answer:
        if request.body["refresh_token"] != self.refresh:
            return self.error(400, "invalid_grant")
        self.serial += 1
        self.refresh = f"refresh-{self.serial}-secret"
        self.tokens.add(f"access-{self.serial}-secret")
        return Answer(200, {"access": f"access-{self.serial}-secret", "refresh": self.refresh, "expires_in": 3600})

    @route("GET", "/me")
    def me(self, request: Request) -> Answer:
        return Answer(200, {"name": "Robot"})

    @route("GET", "/users")
    def users(self, request: Request) -> Answer:
        return Answer(200, {"items": [{"id": "u1", "name": "Robot"}]})

    @route("GET", "/tasks", params=frozenset({"since", "after"}))
    def tasks(self, request: Request) -> Answer:
        rows = sorted(self.rows["tasks"].values(), key=lambda row: (row["updated_at"], row["id"]))
        after = (request.query.get("since", ""), request.query.get("after", ""))
        found = [row for row in rows if (row["updated_at"], row["id"]) > after]
        return Answer(200, {"items": found[:PAGE]})

    @route("GET", "/notes", params=frozenset({"since", "token"}))
    def notes(self, request: Request) -> Answer:
        since = request.query.get("since", "")
        dead = {i: {"id": i, "deleted": True, "updated_at": at} for i, at in self.deleted.items()}
        rows = sorted({**self.rows["notes"], **dead}.values(), key=lambda row: row["id"])
        found = [row for row in rows if row["updated_at"] >= since and row["id"] > request.query.get("token", "")]
        following = found[PAGE - 1]["id"] if len(found) > PAGE else None
        return Answer(200, {"items": found[:PAGE], "next": following})

    @route("GET", "/projects/(p[0-9])/labels", params=frozenset({"page"}))
    def labels(self, request: Request) -> Answer:
        rows = list(self.rows["labels"].values()) if request.groups == ("p1",) else []
        start = (int(request.query["page"]) - 1) * PAGE
        return Answer(200, {"items": rows[start : start + PAGE], "total": len(rows)})

    @route("GET", "/tasks/([a-z0-9]+)/comments")
    def list_comments(self, request: Request) -> Answer:
        return Answer(200, {"items": [c for c in self.comments if c["task"] == request.groups[0]]})

    @route("POST", "/tasks/([a-z0-9]+)/comments", body=frozenset({"body"}))
    def comment(self, request: Request) -> Answer:
        if request.groups[0] not in self.rows["tasks"] or "body" not in request.body:
            return self.error(422, "no such task, or no body")
        made = {"id": f"c{len(self.comments) + 1}", "task": request.groups[0], "body": request.body["body"]}
        self.comments.append(made)
        return Answer(201, made)

    @route("PUT", "/contacts/([a-z0-9-]+)", body=frozenset({"name"}))
    def upsert(self, request: Request) -> Answer:
        if "name" not in (request.body or {}):
            return self.error(422, "a contact needs a name")
        row = {"id": request.groups[0], **request.body}
        self.rows["contacts"][request.groups[0]] = row
        return Answer(200, row)

    @route("POST", "/messages", body=frozenset({"text"}))
    def send(self, request: Request) -> Answer:
        if not request.body.get("text"):
            return self.error(400, "no text")
        self.sent.append(request.body)
        return Answer(200, {"id": f"m{len(self.sent)}"})

    def change(self, kind: str, row_id: str, at: datetime, **fields: Any) -> None:
        with self.lock:
            if row := self.rows[kind].get(row_id):
                self.rows[kind][row_id] = {**row, **fields, "updated_at": at.isoformat()}

    def drop(self, kind: str, row_id: str, at: datetime) -> None:
        with self.lock:
            if self.rows[kind].pop(row_id, None) and kind == "notes":
                self.deleted[row_id] = at.isoformat()

    def error(self, status: int, message: str, code: str = "") -> Answer:
        body: Mapping[str, str] = {"code": code or f"E{status}", "message": message}
        return Answer(status, body)
