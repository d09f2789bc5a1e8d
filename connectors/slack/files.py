"""Charts: uploaded in two steps that nobody sees, then shown in the thread of their message in a third.

Source: docs.slack.dev/messaging/working-with-files, read 2026-11-21.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from connectors.slack.web import Web
from syncd.sdk import ApiClient, ConnectorContext, ContractError, Json, OutcomeUnknownError, RejectedError

MOST_CHARTS: Final = 10
_PNG: Final = {"Content-Type": "image/png"}


class Chart(NamedTuple):
    """A picture, by the name that stands under it."""

    name: str
    png: bytes


class Upload(NamedTuple):
    """A picture that Slack holds and nobody sees yet."""

    file_id: str
    title: str


class Files:
    """Uploads pictures. `files_url` is where Slack takes them: another host than its API's, and without the token."""

    def __init__(self, web: Web, files_url: str, context: ConnectorContext) -> None:
        self._web = web
        self._store = ApiClient(files_url, context)

    def close(self) -> None:
        """Close the sockets."""
        self._store.close()

    def upload(self, chart: Chart) -> Upload:
        """Bring one picture to Slack; nothing shows until `share`, so that a second try does no harm."""
        asked = {"filename": f"{chart.name}.png", "length": len(chart.png), "alt_txt": chart.name}
        reply = self._web.get("files.getUploadURLExternal", asked)
        url, file_id = reply.member("upload_url"), reply.member("file_id")
        if not isinstance(url, str) or not isinstance(file_id, str):
            raise ContractError("files.getUploadURLExternal: upload_url or file_id is no text", status=reply.status)
        self._store.request("POST", url, content=chart.png, headers=_PNG, idempotent=True, raw=True)
        return Upload(file_id, chart.name)

    def share(self, uploads: Sequence[Upload], channel: str, thread_ts: str) -> None:
        """Show the pictures in a thread; Slack goes on working on them after its answer."""
        files = [{"id": upload.file_id, "title": upload.title} for upload in uploads]
        fields = {"files": msgspec.json.encode(files).decode(), "channel_id": channel, "thread_ts": thread_ts}
        reply = self._web.post_form("files.completeUploadExternal", fields)
        if not isinstance(reply.json, dict):
            raise OutcomeUnknownError("files.completeUploadExternal: the answer is empty", status=reply.status)


def charts_of(payload: Json) -> list[Chart]:
    """Return the pictures of a payload (name → PNG in base64); RejectedError names the one that is none."""
    charts = payload.get("charts") or {}
    if not isinstance(charts, Mapping):
        raise RejectedError("post_message: payload.charts must map names to PNG pictures in base64")
    return list(_decoded(charts))[:MOST_CHARTS]


def _decoded(charts: Mapping[str, object]) -> Iterator[Chart]:
    for name, text in charts.items():
        try:
            png = base64.b64decode(str(text), validate=True)
        except (binascii.Error, ValueError) as err:
            raise RejectedError(f"post_message: payload.charts.{name} is not base64") from err
        if not png.startswith(b"\x89PNG\r\n\x1a\n"):
            raise RejectedError(f"post_message: payload.charts.{name} is not a PNG picture")
        yield Chart(re.sub(r"[^\w.-]+", "-", str(name)).strip("-.")[:80] or "chart", png)
