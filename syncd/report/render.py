"""From a communication record to a digest that people read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Literal

from syncd.model.communication import CommunicationRecord, Digest, Show
from syncd.report import compose, mail, markdown, plain
from syncd.report.language import load
from syncd.report.lens import Lens

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
    lens = Lens(record, load(locale), is_client, show, words, answer_by)
    view = compose.build(lens, is_brief=content == "brief")
    html, text, marked = mail.write(view), plain.write(view), markdown.write(view)
    return Digest(
        record=record.id,
        audience=audience,
        locale=locale,
        subject=view.subject,
        preheader=view.preheader,
        body_text=text,
        body_markdown=marked,
        body_html=html,
        is_quiet=bool(view.quiet),
        content_hash=_hash(view.subject, text, html),
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
