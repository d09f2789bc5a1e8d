"""Writing: one message, its charts in its thread, and the message written anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from connectors.slack.files import Chart, Files, Upload, charts_of
from connectors.slack.message import compose, key_of
from connectors.slack.web import LARGEST_PAGE, Web
from syncd.sdk import (
    AuthError,
    Command,
    ConnectorContext,
    ConnectorError,
    ContractError,
    Outcome,
    OutcomeUnknownError,
    Receipt,
    RejectedError,
    Reply,
)

FIND_WITHIN: Final = timedelta(days=30)
_TARGET: Final = re.compile(r"([A-Z][A-Z0-9]{2,})/(\d{1,12}\.\d{1,9})")
_OPERATIONS: Final = ("post_message", "update_message")
# No previews of links: a digest has many.
_QUIET: Final = {"unfurl_links": False, "unfurl_media": False}


class Desk:
    """Writes to one channel, and to no other."""

    def __init__(self, web: Web, files: Files, channel: str, context: ConnectorContext) -> None:
        self._web = web
        self._files = files
        self._channel = channel
        self._context = context

    def write(self, command: Command) -> Receipt:
        """Carry `command` out once."""
        match command.operation:
            case "post_message":
                return self._post(command, self._thread(command))
            case "update_message":
                return self._update(command)
        raise RejectedError(f"{command.operation!r} is none of {', '.join(_OPERATIONS)}")

    def find(self, command: Command) -> Receipt | None:
        """Look for the message that carries the command's key: in its thread, else in the channel's last 30 days."""
        for message in self._candidates(self._thread(command)):
            if key_of(message) == command.idempotency_key:
                return self._receipt(message["ts"], Outcome.UNCHANGED)
        return None

    def _candidates(self, thread: str | None) -> Iterator[Mapping[str, Any]]:
        where: dict[str, Any] = {"channel": self._channel, "include_all_metadata": "true"}
        if thread:
            parts = self._web.pages("conversations.replies", {**where, "ts": thread}, size=LARGEST_PAGE)
        else:
            oldest = int((self._context.now() - FIND_WITHIN).timestamp())
            parts = self._web.pages("conversations.history", {**where, "oldest": f"{oldest}.000000"}, size=LARGEST_PAGE)
        for part in parts:
            yield from part.items

    def _post(self, command: Command, thread: str | None) -> Receipt:
        body = {"channel": self._channel, **compose(command), **_QUIET}
        if thread:
            body |= {"thread_ts": thread, "reply_broadcast": command.payload.get("reply_broadcast") is True}
        charts = charts_of(command.payload)
        uploads, trouble = self._upload(charts)
        ts = _ts_of(self._web.post("chat.postMessage", body))
        trouble = self._show(uploads, thread or ts) or trouble
        return self._receipt(ts, Outcome.CREATED, detail=f"without its charts: {trouble}" if trouble else "")

    def _upload(self, charts: list[Chart]) -> tuple[list[Upload], str]:
        """Bring the charts to Slack; what a retry cannot mend does not hold the message back."""
        try:
            return [self._files.upload(chart) for chart in charts], ""
        except (AuthError, ContractError, RejectedError) as err:
            return [], str(err)

    def _show(self, uploads: list[Upload], thread: str) -> str:
        """Show the charts; the message is out by now, so that whatever goes wrong is told and not raised."""
        if not uploads:
            return ""
        try:
            self._files.share(uploads, self._channel, thread)
        except ConnectorError as err:
            return str(err)
        return ""

    def _update(self, command: Command) -> Receipt:
        """Replace text and blocks of a message of ours; the mark in its metadata stays as it is."""
        ts = self._thread(command)
        if ts is None:
            raise RejectedError("update_message: no target; write CHANNEL/TS as the receipt of the message gives it")
        made = compose(command)
        body = {"channel": self._channel, "ts": ts, "text": made["text"], "blocks": made["blocks"]}
        return self._receipt(_ts_of(self._web.post("chat.update", body, idempotent=True)), Outcome.UPDATED)

    def _thread(self, command: Command) -> str | None:
        """Return the message that a command is aimed at, None for the channel itself."""
        if command.target_id is None or command.target_id == self._channel:
            return None
        found = _TARGET.fullmatch(command.target_id)
        if not found:
            raise RejectedError(f"{command.operation}: target {command.target_id!r} is not of the form C0123456/170.01")
        if found[1] != self._channel:
            raise RejectedError(f"{command.operation}: {found[1]} is not the connection's channel, {self._channel}")
        return found[2]

    def _receipt(self, ts: str, outcome: Outcome, *, detail: str = "") -> Receipt:
        return Receipt(f"{self._channel}/{ts}", outcome, detail=detail)


def _ts_of(reply: Reply) -> str:
    body = reply.json
    ts = body.get("ts") if isinstance(body, Mapping) else None
    if not isinstance(ts, str) or not ts:
        raise OutcomeUnknownError("the answer to a write names no ts", status=reply.status)
    return ts
