"""An imitated Slack workspace: channels, threads, metadata, files in three steps, and errors inside a 200."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from connectors.slack.fake_rules import calls_in, fault_of
from syncd.sdk.fake import Answer, FakeServer, Request, route

TOKEN: Final = "xoxb-1234567890-imitated"
BOT: Final[dict[str, Any]] = {"user": "U0BOT", "bot_id": "B0BOT"}
CHANNEL: Final = "C0CLIENT01"
SCOPES: Final = frozenset({"chat:write", "files:write", "channels:history"})
_LARGEST_PAGE: Final = 999
_HISTORY: Final = frozenset(
    {"channel", "cursor", "limit", "oldest", "latest", "inclusive", "include_all_metadata"}
)  # fmt: skip
_REPLIES: Final = _HISTORY | {"ts"}
_POST: Final = frozenset(
    {"channel", "text", "blocks", "attachments", "metadata", "thread_ts", "reply_broadcast", "unfurl_links",
     "unfurl_media", "username", "icon_emoji", "icon_url", "link_names", "parse", "mrkdwn", "markdown_text"}
)  # fmt: skip
_UPDATE: Final = frozenset(
    {"channel", "ts", "text", "blocks", "attachments", "metadata", "markdown_text", "file_ids", "reply_broadcast",
     "link_names", "parse"}
)  # fmt: skip
_UPLOAD: Final = frozenset({"filename", "length", "alt_txt", "snippet_type"})
_COMPLETE: Final = frozenset(
    {"files", "channel_id", "channels", "thread_ts", "initial_comment", "blocks"}
)  # fmt: skip
Message = dict[str, Any]


@dataclass(slots=True)
class Room:
    """A channel: its messages by ts, and whether the app may be there."""

    messages: dict[str, Message] = field(default_factory=dict)
    is_member: bool = True
    is_archived: bool = False


@dataclass(slots=True)
class File:
    """A file on its way: announced, received, shared."""

    title: str
    length: int
    content: bytes | None = None
    shared_in: list[tuple[str, str | None]] = field(default_factory=list)


class _Refusal(Exception):  # noqa: N818 an answer, not a fault of the fake
    def __init__(self, code: str, *details: str) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class Fake(FakeServer):
    """One workspace with one app in it. `calls_fired` are the mentions that its messages would have fired."""

    public_paths: ClassVar[tuple[str, ...]] = (r"/upload/v1/.*",)
    token: ClassVar[str] = TOKEN

    def __init__(self) -> None:
        super().__init__()
        self.scopes = set(SCOPES)
        self.rooms: dict[str, Room] = {CHANNEL: Room()}
        self.files: dict[str, File] = {}
        self.calls_fired: list[str] = []
        self.updates: list[tuple[str, str]] = []
        self.stale_cursors = 0
        self._number = 0

    def config(self) -> dict[str, Any]:
        """Return the `config:` block of a connection to this fake."""
        return {"token": TOKEN, "channel": CHANNEL, "base_url": f"{self.url}/api", "files_url": self.url}

    # -- the workspace by hand --------------------------------------------------------------------------------

    def posts(self, channel: str = CHANNEL) -> list[Message]:
        """Return the messages that stand in a channel itself, oldest first."""
        return [m for m in self._in_order(channel) if m.get("thread_ts", m["ts"]) == m["ts"]]

    def thread(self, ts: str, channel: str = CHANNEL) -> list[Message]:
        """Return the replies under a message, oldest first."""
        return [m for m in self._in_order(channel) if m.get("thread_ts") == ts and m["ts"] != ts]

    def add_message(self, text: str, *, at: datetime | None = None, channel: str = CHANNEL, **values: Any) -> str:
        """Let somebody write into a channel, or into a thread with `thread_ts`; return the ts."""
        with self.lock:
            ts = self._next_ts(at)
            base = {"type": "message", "user": "U1CLIENT", "text": text, "ts": ts}
            self.rooms[channel].messages[ts] = {**base, **values}
            return ts

    def edit(self, ts: str, *, at: datetime, channel: str = CHANNEL) -> None:
        """Let the author change a message."""
        with self.lock:
            message = self.rooms[channel].messages[ts]
            stamp = f"{int(at.timestamp())}.000000"
            self.rooms[channel].messages[ts] = {
                **message,
                "text": f"{message['text']} (again)",
                "edited": {"user": message.get("user"), "ts": stamp},
            }

    def remove(self, ts: str, channel: str = CHANNEL) -> None:
        """Delete a message."""
        with self.lock:
            del self.rooms[channel].messages[ts]

    # -- dialect ----------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer | None:
        """Want the token in the header."""
        given = request.headers.get("authorization", "")
        if not given:
            return self._failure("not_authed")
        return None if given == f"Bearer {TOKEN}" else self._failure("invalid_auth")

    def error(self, status: int, message: str, code: str = "") -> Answer:
        """Return an error: mostly inside a 200, unknown paths are unknown methods."""
        if status == 429 or status >= 500:
            return Answer(status, {"ok": False, "error": "ratelimited" if status == 429 else "internal_error"})
        return self._failure(code or ("unknown_method" if status in (404, 410) else "invalid_arguments"), message)

    def expired(self) -> Answer:
        """Return the answer to a rotated token past its end."""
        return self._failure("token_expired")

    def forbidden(self) -> Answer:
        """Return the answer to a token without the scope."""
        return self._lacks("chat:write")

    def error_in_200(self) -> Answer:
        """Return Slack's own trouble, told in a 200."""
        return self._failure("fatal_error")

    # -- methods ----------------------------------------------------------------------------------------------

    @route("GET", "/api/auth.test")
    def auth_test(self, request: Request) -> Answer:
        """Say who the token is."""
        me = {"url": "https://acme.slack.com/", "team": "Acme", "user": "syncd", "team_id": "T0ACME"}
        return self._success({**me, "user_id": BOT["user"], "bot_id": BOT["bot_id"]})

    @route("POST", "/api/auth.test", changes_nothing=True)
    def auth_test_by_form(self, request: Request) -> Answer:
        """Say who the token is."""
        return self.auth_test(request)

    @route("GET", "/api/conversations.history", params=_HISTORY)
    def history(self, request: Request) -> Answer:
        """List a channel, newest first."""
        return self._guarded(self._history, request.query)

    @route("POST", "/api/conversations.history", body=_HISTORY, changes_nothing=True)
    def history_by_form(self, request: Request) -> Answer:
        """List a channel, newest first."""
        return self._guarded(self._history, request.body)

    @route("GET", "/api/conversations.replies", params=_REPLIES)
    def replies(self, request: Request) -> Answer:
        """List a thread, oldest first behind its parent."""
        return self._guarded(self._replies, request.query)

    @route("POST", "/api/conversations.replies", body=_REPLIES, changes_nothing=True)
    def replies_by_form(self, request: Request) -> Answer:
        """List a thread, oldest first behind its parent."""
        return self._guarded(self._replies, request.body)

    @route("POST", "/api/chat.postMessage", body=_POST)
    def post_message(self, request: Request) -> Answer:
        """Post."""
        return self._guarded(self._post, request.body)

    @route("POST", "/api/chat.update", body=_UPDATE)
    def update(self, request: Request) -> Answer:
        """Replace a message of the app."""
        return self._guarded(self._update, request.body)

    @route("GET", "/api/files.getUploadURLExternal", params=_UPLOAD)
    def upload_url(self, request: Request) -> Answer:
        """Announce a file."""
        return self._guarded(self._announce, request.query)

    @route("POST", "/api/files.getUploadURLExternal", body=_UPLOAD)
    def upload_url_by_form(self, request: Request) -> Answer:
        """Announce a file; a JSON body is not understood."""
        if "json" in request.headers.get("content-type", ""):
            return self._failure("invalid_arguments")
        return self._guarded(self._announce, request.body)

    @route("POST", r"/upload/v1/(F\w+)")
    def upload(self, request: Request) -> Answer:
        """Take the bytes, without credentials."""
        file = self.files.get(request.groups[0])
        if file is None or len(request.raw) != file.length or "authorization" in request.headers:
            return Answer(400, raw=b"bad upload", headers={"Content-Type": "text/plain"})
        file.content = request.raw
        return Answer(200, raw=f"OK - {file.length}".encode(), headers={"Content-Type": "text/plain"})

    @route("POST", "/api/files.completeUploadExternal", body=_COMPLETE)
    def complete(self, request: Request) -> Answer:
        """Show uploaded files."""
        return self._guarded(self._complete, request.body)

    # -- what they do -----------------------------------------------------------------------------------------

    def _history(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("channels:history")
        room = self._room(asked)
        shown = [
            m
            for m in sorted(room.messages.values(), key=lambda m: str(m["ts"]), reverse=True)
            if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("subtype") == "thread_broadcast"
        ]
        return self._page(_between(shown, asked), asked, newest_first=True)

    def _replies(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("channels:history")
        room, parent = self._room(asked), str(asked.get("ts"))
        if parent not in room.messages:
            raise _Refusal("thread_not_found")
        under = [m for m in room.messages.values() if m.get("thread_ts") == parent and m["ts"] != parent]
        answer = self._page(_between(sorted(under, key=lambda m: str(m["ts"])), asked), asked, newest_first=False)
        answer["messages"].insert(0, _shown(room.messages[parent], asked))
        return answer

    def _page(self, messages: list[Message], asked: Mapping[str, Any], *, newest_first: bool) -> dict[str, Any]:
        limit = int(asked.get("limit") or 100)
        if not 1 <= limit <= _LARGEST_PAGE:
            raise _Refusal("invalid_limit")
        if asked.get("cursor"):
            edge = self._edge(str(asked["cursor"]))
            messages = [m for m in messages if (m["ts"] < edge if newest_first else m["ts"] > edge)]
        page, has_more = messages[:limit], len(messages) > limit
        following = base64.b64encode(f"next_ts:{page[-1]['ts']}".encode()).decode() if has_more else ""
        return {
            "messages": [_shown(m, asked) for m in page],
            "has_more": has_more,
            "response_metadata": {"next_cursor": following},
        }

    def _edge(self, cursor: str) -> str:
        if self.stale_cursors > 0:
            self.stale_cursors -= 1
            raise _Refusal("invalid_cursor")
        try:
            return base64.b64decode(cursor, validate=True).decode().removeprefix("next_ts:")
        except (binascii.Error, UnicodeDecodeError) as err:
            raise _Refusal("invalid_cursor") from err

    def _post(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("chat:write")
        body = _decoded(given, "blocks", "metadata", "attachments")
        room = self._room(body)
        self._accept(body)
        thread = body.get("thread_ts")
        if thread and room.messages.get(str(thread), {"thread_ts": "?"}).get("thread_ts", thread) != thread:
            raise _Refusal("cannot_reply_to_message")
        kept = {key: body[key] for key in ("blocks", "metadata", "thread_ts") if body.get(key)}
        text = str(body.get("text") or "")[:40_000]
        ts = self.add_message(text, channel=str(body["channel"]), **BOT, **kept)
        return {"channel": body["channel"], "ts": ts, "message": _shown(room.messages[ts], {})}

    def _update(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("chat:write")
        body = _decoded(given, "blocks", "metadata", "attachments")
        room, ts = self._room(body), str(body.get("ts"))
        if ts not in room.messages:
            raise _Refusal("message_not_found")
        if room.messages[ts].get("bot_id") != BOT["bot_id"]:
            raise _Refusal("cant_update_message")
        self._accept(body)
        old = room.messages[ts]
        message = {key: value for key, value in old.items() if key not in ("blocks", "text")}
        message["text"] = str(body.get("text") or "")
        message |= {key: body[key] for key in ("blocks", "metadata") if key in body}
        room.messages[ts] = message
        self.updates.append((ts, message["text"]))
        return {"channel": body["channel"], "ts": ts, "text": message["text"]}

    def _accept(self, body: Mapping[str, Any]) -> None:
        if fault := fault_of(body):
            raise _Refusal(*fault)
        self.calls_fired += calls_in(body)

    def _announce(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("files:write")
        if not asked.get("filename") or not str(asked.get("length", "")).isdigit():
            raise _Refusal("invalid_arguments")
        self._number += 1
        file_id = f"F{self._number:08d}"
        self.files[file_id] = File(str(asked["filename"]), int(asked["length"]))
        return {"upload_url": f"{self.url}/upload/v1/{file_id}", "file_id": file_id}

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._needs("files:write")
        body = _decoded(given, "files", "blocks")
        files = body.get("files") or []
        if any(one.get("id") not in self.files or self.files[one["id"]].content is None for one in files) or not files:
            raise _Refusal("file_not_found")
        for one in files:
            self.files[one["id"]].title = str(one.get("title") or self.files[one["id"]].title)
        for channel in filter(None, [body.get("channel_id"), *str(body.get("channels") or "").split(",")]):
            self._share([str(one["id"]) for one in files], str(channel), body)
        return {"files": [{"id": one["id"], "title": self.files[one["id"]].title} for one in files]}

    def _share(self, ids: Iterable[str], channel: str, body: Mapping[str, Any]) -> None:
        if channel not in self.rooms:
            raise _Refusal("invalid_channel")
        thread = body.get("thread_ts")
        shown: dict[str, Any] = {
            "files": [{"id": one} for one in ids],
            **({"thread_ts": thread} if thread else {}),
            **BOT,
        }
        self.add_message(str(body.get("initial_comment") or ""), channel=channel, **shown)
        for one in shown["files"]:
            self.files[one["id"]].shared_in.append((channel, thread))

    # -- helpers of the handlers ------------------------------------------------------------------------------

    def _guarded(self, act: Any, asked: Any) -> Answer:
        try:
            return self._success(act(asked if isinstance(asked, Mapping) else {}))
        except _Refusal as err:
            if err.code == "missing_scope":
                return self._lacks(err.details[0])
            return self._failure(err.code, *err.details)

    def _success(self, body: Mapping[str, Any]) -> Answer:
        return Answer(200, {"ok": True, **body}, {"X-OAuth-Scopes": ",".join(sorted(self.scopes))})

    def _failure(self, code: str, *details: str) -> Answer:
        told = {"response_metadata": {"messages": [f"[ERROR] {text}" for text in details if text]}}
        return Answer(200, {"ok": False, "error": code, **(told if any(details) else {})})

    def _lacks(self, scope: str) -> Answer:
        provided = ",".join(sorted(self.scopes - {scope}))
        return Answer(200, {"ok": False, "error": "missing_scope", "needed": scope, "provided": provided})

    def _needs(self, scope: str) -> None:
        if scope not in self.scopes:
            raise _Refusal("missing_scope", scope)

    def _room(self, asked: Mapping[str, Any]) -> Room:
        room = self.rooms.get(str(asked.get("channel")))
        if room is None:
            raise _Refusal("channel_not_found")
        if not room.is_member:
            raise _Refusal("not_in_channel")
        if room.is_archived:
            raise _Refusal("is_archived")
        return room

    def _in_order(self, channel: str) -> list[Message]:
        with self.lock:
            return sorted(self.rooms[channel].messages.values(), key=lambda m: str(m["ts"]))

    def _next_ts(self, at: datetime | None) -> str:
        self._number += 1
        return f"{int((at or self.now()).timestamp())}.{self._number:06d}"


def _between(messages: list[Message], asked: Mapping[str, Any]) -> list[Message]:
    """Keep what lies between `oldest` and `latest`, both left out."""
    oldest, latest = str(asked.get("oldest") or "0"), str(asked.get("latest") or "9")
    return [m for m in messages if oldest < m["ts"] < latest]


def _shown(message: Message, asked: Mapping[str, Any]) -> Message:
    """Return a message as lists show it: its metadata only to those who ask."""
    wanted = str(asked.get("include_all_metadata", "")).lower() in ("true", "1")
    return {key: value for key, value in message.items() if wanted or key != "metadata"}


def _decoded(body: Mapping[str, Any], *nested: str) -> dict[str, Any]:
    """Read the values that a form carries as JSON."""
    try:
        return {
            key: json.loads(value) if key in nested and isinstance(value, str) else value for key, value in body.items()
        }
    except ValueError as err:
        raise _Refusal("invalid_arguments", str(err)) from err
