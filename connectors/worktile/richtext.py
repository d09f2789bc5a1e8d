"""Plain text of what Worktile's editor stores: a JSON string of nodes, or text with mentions in brackets.

Source: github.com/xudai3/worktile types.go (nodes of descriptions), github.com/JohnVIP/worktile-comment-board
wt/richtext.py (nodes of comments, mentions), both in live use, read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_MENTION: Final = re.compile(r"\[@([\w-]+)(?:\|([^\]]*))?\]")
_ITEMS: Final = frozenset({"list-item", "list_item", "todo-item", "todo_item"})
_BLOCKS: Final = frozenset({"paragraph", "heading", "blockquote", "quote", "code", "image"}) | _ITEMS
_DEEPEST: Final = 30


def plain(content: Any) -> str | None:
    """Return the text of `content`, None when it has none."""
    if not isinstance(content, str):
        return None
    nodes = _nodes_of(content)
    text = _MENTION.sub(_named, content) if nodes is None else _text_of(nodes, _DEEPEST)
    return text.strip() or None


def _nodes_of(content: str) -> list[Any] | None:
    """Return the nodes of rich text; None for text that merely looks like JSON."""
    if not content.lstrip().startswith("["):
        return None
    try:
        nodes = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    is_rich = isinstance(nodes, list) and all(isinstance(n, dict) and n.keys() & {"children", "text"} for n in nodes)
    return nodes if is_rich else None


def _text_of(nodes: Iterable[Any], depth: int) -> str:
    """Join nodes: blocks on lines of their own, everything else in the line."""
    text = ""
    for node in nodes if depth else ():
        if not isinstance(node, Mapping):
            continue
        starts_line = _kind_of(node) in _BLOCKS or (depth == _DEEPEST and "type" in node)
        text += "\n" if starts_line and text and not text.endswith("\n") else ""
        text += _text_of_one(node, depth)
    return text


def _text_of_one(node: Mapping[str, Any], depth: int) -> str:
    children = node.get("children")
    inner = _text_of(children, depth - 1) if isinstance(children, list) else ""
    match _kind_of(node):
        case "mention":
            return f"@{_name_of(node) or inner}"
        case "emoji":
            return f":{node.get('code', '')}:"
        case "link":
            return inner or str(node.get("url", ""))
        case kind if kind in _ITEMS:
            return f"• {inner}"
    return inner or str(node.get("text", ""))


def _kind_of(node: Mapping[str, Any]) -> str:
    kind = node.get("type")
    return kind if isinstance(kind, str) else ""


def _name_of(node: Mapping[str, Any]) -> str:
    places = (node, node.get("data"))
    names = (place.get(key) for place in places if isinstance(place, Mapping) for key in ("display_name", "name"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _named(found: re.Match[str]) -> str:
    return f"@{found[2] or found[1][:8]}"
