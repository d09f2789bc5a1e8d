"""A message: blocks within Slack's limits, the text that notifications show, and the mark that finds it again.

Source of the limits: docs.slack.dev/reference/block-kit/blocks and chat.postMessage, read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.slack.mrkdwn import Section, escape, parse, plain
from syncd.sdk import Command, Json, RejectedError
from syncd.sdk.text import clip, utf16_size

EVENT_TYPE: Final = "syncd_digest"
KEY: Final = "key"

_HEADER_LIMIT: Final = 150
_SECTION_LIMIT: Final = 3000
_FALLBACK_LIMIT: Final = 4000
_TOTAL_LIMIT: Final = 10_000  # msg_blocks_too_long was seen at 13,200 characters, far below 50 sections of 3,000
_MOST_SECTIONS: Final = 40  # with two blocks around them and five of overflow, fewer than the 50 blocks of a message
_LEAST_LINES: Final = 3  # of a section, as long as dropping lines of others helps
_MORE_LIMIT: Final = 80
_MORE: Final = "… {n} more lines"
_KEYS: Final = frozenset({"title", "summary", "markdown", "more", "charts", "reply_broadcast"})


@dataclass(slots=True)
class _Cut:
    """A section of which the first `kept` lines stay; `is_shown` False leaves out its heading as well."""

    section: Section
    kept: int
    more: str
    is_shown: bool = True

    def lines(self) -> Iterator[str]:
        if not self.is_shown:
            return
        if self.section.heading:
            yield self.section.heading
        yield from self.section.lines[: self.kept]
        if self.left:
            yield self.more.replace("{n}", str(self.left))

    @property
    def left(self) -> int:
        return len(self.section.lines) - self.kept

    @property
    def size(self) -> int:
        return sum(utf16_size(line) + 1 for line in self.lines())


def compose(command: Command) -> dict[str, Any]:
    """Return `text`, `blocks` and `metadata` of a message; RejectedError names what the payload lacks."""
    payload = command.payload
    if unknown := sorted(set(payload) - _KEYS):
        raise RejectedError(
            f"{command.operation}: payload.{unknown[0]} is unknown; allowed are {', '.join(sorted(_KEYS))}"
        )
    title, markdown = _needed(command, "title"), _needed(command, "markdown")
    document = parse(markdown)
    summary = str(payload.get("summary") or "")
    text = f"{title} — {summary}" if summary else title
    return {
        "text": escape(clip(text, _FALLBACK_LIMIT // 5, size=utf16_size)),  # an escape is five characters at most
        "blocks": blocks(
            document.title or title,
            document.sections,
            more=escape(clip(str(payload.get("more") or _MORE), _MORE_LIMIT)),
        ),
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {KEY: command.idempotency_key}},
    }


def key_of(message: Json) -> str | None:
    """Return the idempotency key that a message of ours carries, None for everybody else's."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    key = payload.get(KEY) if isinstance(payload, Mapping) else None
    return key if isinstance(key, str) else None


def blocks(title: str, sections: Sequence[Section], *, more: str) -> list[dict[str, Any]]:
    """Return a header, the sections as far as they fit, and the foot as small print."""
    body = [section for section in sections if not section.is_foot]
    foot = next(_packed([line for section in sections if section.is_foot for line in section.lines]), "")
    made: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    room = _TOTAL_LIMIT - _HEADER_LIMIT - utf16_size(foot)
    for lines in fitted(body, room, more=more):
        made += ({"type": "section", "text": _mrkdwn(text)} for text in _packed(lines))
    if foot:
        made += [{"type": "divider"}, {"type": "context", "elements": [_mrkdwn(foot)]}]
    return made


def fitted(sections: Sequence[Section], room: int, *, more: str) -> list[list[str]]:
    """Return the lines of each section that fit into `room` altogether; what comes first counts most.

    Lines go from the end: each section keeps its first lines as long as that is enough, then the last sections lose
    those too, then their headings. Each cut says how many lines are missing.
    """
    cuts = [_Cut(section, len(section.lines), more) for section in sections[:_MOST_SECTIONS]]
    lost = sum(len(section.lines) for section in sections[_MOST_SECTIONS:])
    size = sum(cut.size for cut in cuts) + utf16_size(more) + 8
    for least in (_LEAST_LINES, 0):
        for cut in reversed(cuts):
            size += _shorten(cut, least, over=size - room)
    for cut in reversed(cuts):
        if size > room:
            size -= cut.size
            lost += len(cut.section.lines)
            cut.is_shown = False
    shown = [list(cut.lines()) for cut in cuts if cut.is_shown]
    return [*shown, [more.replace("{n}", str(lost))]] if lost else shown


def _shorten(cut: _Cut, least: int, *, over: int) -> int:
    """Drop lines of `cut` from its end until `over` is made good; return by how much its size has changed."""
    if over <= 0:
        return 0
    before = cut.size
    freed = 0 if cut.left else -utf16_size(cut.more)
    while cut.kept > least and freed < over:
        cut.kept -= 1
        freed += utf16_size(cut.section.lines[cut.kept]) + 1
    return cut.size - before


def _packed(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines as texts of a section block each."""
    text = ""
    for line in lines:
        if text and utf16_size(text) + 1 + utf16_size(line) > _SECTION_LIMIT:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    if text:
        yield text


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": plain(text, _HEADER_LIMIT), "emoji": False}


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: Slack makes no links and no mentions of its own
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _needed(command: Command, name: str) -> str:
    value = command.payload.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RejectedError(f"{command.operation}: payload.{name} is missing or empty")
    return value
