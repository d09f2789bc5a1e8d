"""What Slack refuses in a message, and whom a message would call. Limits as in its pages on blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

MOST_BLOCKS: Final = 50
TOTAL_LIMIT: Final = 13_200  # where msg_blocks_too_long was seen
_CALLS: Final = re.compile(r"<(?:![a-z]|@[UW]|!subteam)[^>]*>")
_NAMED: Final = re.compile(r"(?<![\w.])@(?:here|channel|everyone)\b")
_TEXT_LIMITS: Final = {"header": 150, "section": 3000}


def fault_of(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return code and detail of the first fault of a message, None when it is a good one."""
    blocks = body.get("blocks") or []
    if not blocks and not str(body.get("text") or "").strip() and not body.get("markdown_text"):
        return "no_text", ""
    if body.get("markdown_text") and (body.get("text") or blocks):
        return "markdown_text_conflict", ""
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        return "invalid_blocks", f"no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        if problem := _block_fault(block):
            return "invalid_blocks", f"{problem} [json-pointer:/blocks/{number}]"
    if sum(len(text) for block in blocks for text in texts_of(block)) > TOTAL_LIMIT:
        return "msg_blocks_too_long", ""
    return _metadata_fault(body.get("metadata"))


def texts_of(block: Any) -> Iterator[str]:
    """Yield every text object's text in a block."""
    if isinstance(block, Mapping):
        if block.get("type") in ("mrkdwn", "plain_text"):
            yield str(block.get("text", ""))
        for inner in block.values():
            yield from texts_of(inner)
    elif isinstance(block, list):
        for inner in block:
            yield from texts_of(inner)


def calls_in(body: Mapping[str, Any]) -> list[str]:
    """Return the mentions that a message would fire."""
    texts = [str(body.get("text") or ""), *(t for block in body.get("blocks") or [] for t in texts_of(block))]
    found = [call for text in texts for call in _CALLS.findall(text)]
    return found + [call for text in texts for call in _NAMED.findall(text)]


def _block_fault(block: Any) -> str | None:
    if not isinstance(block, Mapping):
        return "must be an object"
    kind, text = block.get("type"), block.get("text")
    match kind:
        case "header" | "section":
            wanted = ("plain_text",) if kind == "header" else ("plain_text", "mrkdwn")
            if not isinstance(text, Mapping) or text.get("type") not in wanted:
                return f"text must be {' or '.join(wanted)}"
            limit = _TEXT_LIMITS[str(kind)]
            return None if 1 <= len(str(text.get("text", ""))) <= limit else f"must be 1 to {limit} characters"
        case "context":
            return None if 1 <= len(block.get("elements") or []) <= 10 else "1 to 10 elements"
        case "divider":
            return None
    return f"unsupported type {kind}"


def _metadata_fault(metadata: Any) -> tuple[str, str] | None:
    if metadata is None or metadata == {}:
        return None
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("event_payload"), Mapping):
        return "invalid_metadata_format", ""
    return None if isinstance(metadata.get("event_type"), str) else ("invalid_metadata_format", "")
