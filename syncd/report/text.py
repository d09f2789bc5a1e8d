"""Vendor text made harmless: one short line, no control characters, no markup, no links but http."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlsplit

TITLE_LIMIT: Final = 160
_JOINER: Final = "\u2060"  # invisible; stops chat systems and mail programs from seeing a link or a mention
_SPACE: Final = re.compile(r"\s+")
_GAPS: Final = frozenset(("Cc", "Zl", "Zp"))
_DROPPED: Final = frozenset(("Cf", "Cs"))  # direction changes, invisible marks, halves of a character
_KEPT: Final = frozenset("\u200c\u200d")  # joiners that Indic scripts and emoji need
_MARKUP: Final = re.compile(r"([\\`*_\[\]~|#$])")
_LINE_START: Final = re.compile(r"^(\d*)([-+=.)])")
_ENTITY: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CALLS: Final = re.compile(r"@|:(?=//)|(?i:\bwww)\.|<(?=[!#])|#(?=\d)")
_URL_KEEPS: Final = ":/?#[]@!$&'()*+,;=%~.-_"


def clean(text: str, limit: int = TITLE_LIMIT) -> str:
    """Return the text as one line of at most `limit` characters, without control or direction-changing characters."""
    head = text[: limit * 8]
    if not head.isprintable():
        head = "".join(_visible(c) for c in head)
    return clip(_SPACE.sub(" ", head).strip(), limit)


def name(text: str, limit: int = TITLE_LIMIT) -> str:
    """Return the cleaned text, an ellipsis when nothing readable is left of it."""
    return clean(text, limit) or "…"


def clip(line: str, limit: int) -> str:
    """Return the line cut to `limit` characters, the last one an ellipsis if something was cut."""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def safe_url(url: str | None) -> str | None:
    """Return the address if it is a plain http or https one, else None."""
    if not url or len(url) > 2000 or re.search(r"[\s\x00-\x1f\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_plain = parts.scheme in ("http", "https") and parts.hostname is not None and "@" not in parts.netloc
    return url if is_plain else None


def quiet_calls(text: str, own: Collection[str] = ()) -> str:
    """Break up what a chat system or mail program would turn into a mention or a link by itself.

    The addresses of our `own` people stay whole: a reader copies them.
    """
    quiet = _CALLS.sub(_with_joiner, text)
    for address in own:
        quiet = quiet.replace(_CALLS.sub(_with_joiner, address), address)
    return quiet


def markdown(text: str, own: Collection[str] = ()) -> str:
    """Return the text so that a Markdown reader shows it as it stands: no markup, link, HTML or mention comes of it.

    The addresses of our `own` people stay whole.
    """
    escaped = "".join(_ENTITY.get(c, c) for c in quiet_calls(text, own))
    return _LINE_START.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", escaped))


def markdown_link(text: str, url: str | None) -> str:
    """Return the text as a link, or as plain text without a safe address."""
    target = safe_url(url)
    if target is None:
        return markdown(text)
    return f"[{markdown(text)}](<{quote(target, safe=_URL_KEEPS)}>)"


def _with_joiner(call: re.Match[str]) -> str:
    return call[0] + _JOINER


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in _GAPS:
        return " "
    return "" if category in _DROPPED and character not in _KEPT else character
